"""What a network computes and takes: parameters, operations and memory, from shapes alone."""

from fastconv.evidence.summary.api import summary
from fastconv.evidence.summary.summaries import LayerSummary, Summary

__all__ = ["LayerSummary", "Summary", "summary"]
