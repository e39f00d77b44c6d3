"""The transforms of minimal filtering F(m, r), m outputs of a filter with r taps from m + r - 1 products, exactly.

As polynomials, outputs are what multiplying by the filter leaves: evaluate both at m + r - 1 points, multiply there,
interpolate (Toom 1963, Cook 1966; Winograd, "Arithmetic Complexity of Computations", 1980; for convolutional layers
Lavin and Gray 2016, https://arxiv.org/abs/1509.09308). For one axis::

    y = AT [(G w) * (BT x)]

and for two, which are nested, ``y = AT [(G w GT) * (BT x B)] A``. All matrices are made here in fractions, from the
points alone. The last point is infinity; that the others are small, and their inverses among them, keeps the rounding
errors small (Barabasz et al. 2020, https://arxiv.org/abs/1803.10986).

Points are *nested*: fewer outputs use the first points, and infinity. G belongs to the largest tile, and a smaller one
multiplies its rows of BT by the product of (p - q) over the points q that it lacks, which are small exact numbers. So
tiles of several sizes share one set of transformed weights: a row of 14 is 4 + 4 + 4 + 2, and a row of 7 is 4 + 3.
"""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import NamedTuple

from fastconv.backends.fast.memory.plan_cache import plan_cache

POINTS = tuple(map(Fraction, ("0", "1", "-1", "1/2", "-2", "2", "-1/2")))  # and infinity
GROUP = 16  # channels of a transformed tile that lie side by side
PROMISED_ROUNDINGS = 64  # eps, that is twice as many roundings of half an eps: see `growth`

Matrix = tuple[tuple[Fraction, ...], ...]


class Transforms(NamedTuple):
    """Matrices of one axis: AT (outputs, products), BT (products, products), G (products of the largest, taps)."""

    at: Matrix
    bt: Matrix
    g: Matrix


def _with_roots(roots: tuple[Fraction, ...], size: int, scale: Fraction = Fraction(1)) -> tuple[Fraction, ...]:
    """Coefficients of the polynomial with these roots, lowest power first, padded with zeros."""
    coefficients = [scale]
    for root in roots:
        shifted, kept = [Fraction(0), *coefficients], [*coefficients, Fraction(0)]
        coefficients = [a - root * b for a, b in zip(shifted, kept)]
    return (*coefficients, *[Fraction(0)] * (size - len(coefficients)))


@plan_cache(64)
def transforms(outputs: int, largest: int, taps: int) -> Transforms:
    """Matrices of a tile of so many outputs, for weights that are transformed for the largest one.

    Examples
    --------
    >>> [[int(number) for number in row] for row in transforms(2, 2, 3).bt]
    [[-1, 0, 1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, -1, 0, 1]]
    """
    points, every = POINTS[: outputs + taps - 2], POINTS[: largest + taps - 2]
    size = len(points) + 1
    bt = [
        _with_roots(points[:i] + points[i + 1 :], size, prod((p - q for q in every[len(points) :]), start=Fraction(1)))
        for i, p in enumerate(points)
    ]
    at = [(*(p**k for p in points), Fraction(k == outputs - 1)) for k in range(outputs)]
    scales = [prod((p - q for q in every if q != p), start=Fraction(1)) for p in every]
    g = [tuple(p**k / scale for k in range(taps)) for p, scale in zip(every, scales)]
    g.append(tuple(Fraction(k == taps - 1) for k in range(taps)))
    return Transforms(tuple(at), (*bt, _with_roots(points, size)), tuple(g))


def points_of(outputs: int, largest: int, taps: int) -> list[int]:
    """Which points of the largest tile one of so many outputs has.

    Examples
    --------
    >>> points_of(2, 4, 3)
    [0, 1, 2, 5]
    """
    return [*range(outputs + taps - 2), largest + taps - 2]


@plan_cache(64)
def growth(outputs: int, taps: int) -> float:
    """How much larger than ``max |x| * sum |w|`` what is added up for an output of one axis can be.

    An error of one eps in x or w before it is transformed, or after, is no more than this times eps in the output. For
    two axes the growths are multiplied.

    Examples
    --------
    >>> round(growth(4, 3) ** 2), round(growth(2, 3) ** 2), growth(1, 1)
    (307, 16, 1.0)
    """
    at, bt, g = transforms(outputs, outputs, taps)
    of_points = [sum(map(abs, b)) * max(map(abs, row)) for b, row in zip(bt, g)]
    return float(max(sum(abs(a) * size for a, size in zip(row, of_points)) for row in at))


@plan_cache(64)
def growth_of_gradient(outputs: int, taps: int) -> float:
    """The same of a weight gradient: times the sum over tiles of ``max |x| * sum |dy|``, see `growth`.

    It is ``GT [(BT x) * (A dy)]``, so that the points p of tap t are added up with the weights ``G[p, t]``.

    Examples
    --------
    >>> round(growth_of_gradient(4, 3) ** 2), round(growth_of_gradient(2, 3) ** 2), growth_of_gradient(1, 1)
    (336, 16, 1.0)
    """
    at, bt, g = transforms(outputs, outputs, taps)
    of_points = [sum(map(abs, b)) * max(abs(row[p]) for row in at) for p, b in enumerate(bt)]
    return float(max(sum(abs(row[t]) * size for row, size in zip(g, of_points)) for t in range(taps)))
