"""What a network computes and takes: parameters, operations and memory, from shapes alone."""

from fastconv.accounting.api import summary
from fastconv.accounting.results import LayerSummary, Summary

__all__ = ["LayerSummary", "Summary", "summary"]
