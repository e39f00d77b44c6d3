"""The line at fault: changes of one line that a mistake suggests, tried until the failing cases are right."""

from fastconv.dropin.check.repair.line import Line
from fastconv.dropin.check.repair.source import Source, read_sources

__all__ = ["Line", "Source", "read_sources"]
