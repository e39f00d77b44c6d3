"""What `fastconv.summary` returns, under the name that programs import it by; it is in `fastconv.evidence.summary`."""

from fastconv.evidence.summary import LayerSummary, Summary, summary

__all__ = ["LayerSummary", "Summary", "summary"]
