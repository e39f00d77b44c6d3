"""The contest, under the name that programs import it by; it is in `fastconv.evidence.contest`."""

import sys

from fastconv.evidence.contest import Contest, Entry, Heat, Startup, engines, run_contest
from fastconv.evidence.contest.engines import base

__all__ = ["Contest", "Entry", "Heat", "Startup", "run_contest"]

# where engines of somebody's own find their base class
__path__: list[str] = []
sys.modules[f"{__name__}.engines"], sys.modules[f"{__name__}.engines.base"] = engines, base
