"""Argument blocks: int64 arrays whose entries have names."""

from __future__ import annotations

import numpy as np

__all__ = ["Block"]


class Block:
    """Names of the entries of an argument block; ``block.NAME`` is the index of an entry.

    Kernels read the indices as constants; plans fill a block by name.
    """

    def __init__(self, names: str) -> None:
        self.names = tuple(names.split())
        self.index = {name: i for i, name in enumerate(self.names)}

    def fill(self, **values: int) -> np.ndarray:
        """Return a block with every entry given; a missing or unknown name is an error of the caller."""
        if values.keys() != self.index.keys():
            raise KeyError(sorted(values.keys() ^ self.index.keys()))
        return np.array([values[name] for name in self.names], dtype=np.int64)
