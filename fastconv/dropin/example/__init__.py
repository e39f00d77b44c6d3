"""What a function or an object computes, found by trying, from one real call of it."""

from fastconv.dropin.example.by_example import ByExample
from fastconv.dropin.example.find import as_example, find_by_examples, implementation_of

__all__ = ["ByExample", "as_example", "find_by_examples", "implementation_of"]
