"""Every convention that is known, in the order in which they are tried."""

from __future__ import annotations

from fastconv.dropin.conventions import columns, coursera, cs231n, plain_conv, plain_pool, scratch, tutorial
from fastconv.dropin.conventions.convention import Convention

__all__ = ["CONVENTIONS"]

CONVENTIONS: tuple[Convention, ...] = (
    cs231n.CONV,
    *cs231n.POOLS,
    coursera.CONV,
    coursera.POOL,
    scratch.CONV,
    *scratch.POOLS,
    tutorial.CONV,
    tutorial.POOL,
    tutorial.FUNCTION,
    columns.SCRATCH,
    columns.INDICES,
    columns.CYTHON,
    columns.SIX,
    plain_conv.CONV,
    *plain_pool.POOLS,
)
