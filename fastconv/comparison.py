"""What `fastconv.compare` returns, under the name that programs import it by; it is in `fastconv.evidence.compare`."""

from fastconv.evidence.compare import Comparison, Difference, Environment, PassResult, Row, compare

__all__ = ["Comparison", "Difference", "Environment", "PassResult", "Row", "compare"]
