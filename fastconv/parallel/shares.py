"""Which images of a batch belong to a rank, and random numbers that do not depend on that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastconv.validation.arrays import Array

# the methods of a generator that draw for images, and where they take the shape
_DRAWS = {
    "random": 0,
    "standard_normal": 0,
    "standard_exponential": 0,
    "choice": 1,
    "exponential": 1,
    "poisson": 1,
    "beta": 2,
    "binomial": 2,
    "gamma": 2,
    "integers": 2,
    "laplace": 2,
    "lognormal": 2,
    "normal": 2,
    "uniform": 2,
}


class Share(NamedTuple):
    """Consecutive images of a batch, of which there is always one, so that every rank can do a step.

    Attributes
    ----------
    first, images, whole : int
        The first image, how many there are, and how many the batch has.
    weight : float
        Part of the batch; 0 where another rank has the image.
    """

    first: int
    images: int
    whole: int
    weight: float

    @classmethod
    def of(cls, whole: int, rank: int, ranks: int) -> Share:
        """Return the share of a rank: as large as those of the others, or one image less."""
        first, stop = (whole * one // ranks for one in (rank, rank + 1))
        if first == stop:
            return cls(0, 1, whole, 0.0)
        return cls(first, stop - first, whole, (stop - first) / whole)

    @property
    def part(self) -> slice:
        """Where the images lie in the batch."""
        return slice(self.first, self.first + self.images)

    def draws(self, rng: np.random.Generator) -> np.random.Generator:
        """Return a generator that draws, for the images of the share, what `rng` would for those of the batch."""
        return rng if self.images == self.whole else _DrawsOfAll(rng, self)


class _DrawsOfAll(np.random.Generator):
    """Draws for all images of a batch where as many numbers, or rows of them, are asked for as the share has images."""

    def __init__(self, rng: np.random.Generator, share: Share) -> None:
        super().__init__(rng.bit_generator)
        self._share = share


def _for_all(name: str, place: int) -> Callable[..., Any]:
    draw = getattr(np.random.Generator, name)

    def method(self: _DrawsOfAll, *args: Any, **options: Any) -> Any:
        share = self._share
        size = options.get("size", args[place] if len(args) > place else None)
        shape = () if size is None else tuple(np.atleast_1d(size).tolist())
        if shape[:1] != (share.images,):
            return draw(self, *args, **options)
        shape = (share.whole, *shape[1:])
        if "size" in options:
            options["size"] = shape
        else:
            args = (*args[:place], shape, *args[place + 1 :])
        numbers: Array = draw(self, *args, **options)
        return numbers[share.part]

    return method


for _name, _place in _DRAWS.items():
    setattr(_DrawsOfAll, _name, _for_all(_name, _place))
