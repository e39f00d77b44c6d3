"""What a function or an object computes, found by trying, from one real call of it."""

from fastconv.dropin.example.by_example import ByExample
from fastconv.dropin.example.find import as_example, find_by_examples, find_in_recordings
from fastconv.dropin.example.implementation import implementation_of
from fastconv.dropin.example.recording import Recording

__all__ = ["ByExample", "Recording", "as_example", "find_by_examples", "find_in_recordings", "implementation_of"]
