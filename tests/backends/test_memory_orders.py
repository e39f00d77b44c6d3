"""A result does not depend on how its arrays lie in memory: every operation and every layer, forward and backward.

Found by normalising the same numbers as planes and channels-last: 811 of 1,800 differed in their last bit, because a
sum went along rows here and down columns there. The table of the family has every operation and every layer, so that a
new one is held to it as well. Each gets the same numbers in many memory orders, and must give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from programs import FULL
from strategies import BACKENDS, Array

import fastconv as fc
from fastconv.evidence.bench import family, family_work
from fastconv.evidence.bench.cases import Case

if "fast" not in BACKENDS:
    pytest.skip("the fast backend needs Numba", allow_module_level=True)


def channels_last(x: Array) -> Array:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1) if x.ndim > 2 else np.asfortranarray(x)


def every_second(x: Array) -> Array:
    wide = np.full(tuple(2 * size for size in x.shape), np.nan, x.dtype)
    view = wide[(slice(None, None, 2),) * x.ndim]
    view[...] = x
    return view


def backwards(x: Array) -> Array:
    return np.ascontiguousarray(x[(slice(None, None, -1),) * x.ndim])[(slice(None, None, -1),) * x.ndim]


def off_its_line(x: Array, nbytes: int) -> Array:
    raw = np.empty(x.nbytes + 64 + nbytes, np.uint8)
    start = -raw.ctypes.data % 64 + nbytes
    view = raw[start : start + x.nbytes].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def read_only(x: Array) -> Array:
    x = x.copy()
    x.flags.writeable = False
    return x


ORDERS: dict[str, Callable[[Array], Array]] = {
    "planes": np.ascontiguousarray,
    "channels-last": channels_last,
    "fortran": np.asfortranarray,
    "every second": every_second,
    "backwards": backwards,
    "off its line": lambda x: off_its_line(x, x.itemsize),
    "off its type": lambda x: off_its_line(x, 1),
    "channels-last backwards": lambda x: channels_last(x[:, ::-1])[:, ::-1] if x.ndim > 1 else x[::-1].copy()[::-1],
    "other bytes": lambda x: x.astype(x.dtype.newbyteorder()),
    "read-only": read_only,
}
MEMBERS = {member.name for member in (*family.OPERATIONS, *family.LAYERS)}
MIXED = [("channels-last", "planes"), ("planes", "channels-last"), ("fortran", "every second")]

# (spatial axes of an image, images, channels, groups): what is left over everywhere; many blocks; lanes to spare; few
# pixels; nearly none
SIZES = [((18, 20), 3, 6, 3), ((34, 62), 2, 3, 3)]
if FULL:
    SIZES += [((8, 10), 5, 40, 8), ((2, 4), 9, 70, 7), ((2, 2), 33, 16, 4), ((130, 36), 1, 1, 1), ((10, 6), 2, 130, 2)]


def members(size: tuple[int, int], images: int, channels: int, groups: int) -> Iterator[family.Member]:
    """The members of the family for other sizes."""
    height, width = size
    inputs = {
        1: (images, channels, height * width),
        2: (images, channels, height, width),
        3: (images, channels, 4, height, width),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(family, "_INPUTS", inputs)
        patch.setattr(family, "IMAGE", inputs[2])
        patch.setattr(family, "ROWS", (images, 13 * channels))
        patch.setattr(family, "_SLOPES", channels)
        patch.setattr(family, "_GROUPS", groups)
        for rank in inputs:
            for part in (family._convolutions, family._pools, family._layers_of_rank):
                yield from part(rank)
        for whole in (
            family._columns, family._normalizations, family._elementwise, family._layers_of_any_rank, family._containers
        ):  # fmt: skip
            yield from whole()
        features = family.ROWS[1]
        yield family.OperationOf("linear", family.ROWS, arrays={"weight": (features, features), "bias": (features,)})


def drawn_in(orders: tuple[str, ...]) -> Callable[[Any, tuple[int, ...]], Array]:
    """What draws the arrays of a call: the first in the first order, the next in the next, and so on."""
    original, count = family_work._Draw.__call__, iter(range(10**6))

    def draw(self: Any, shape: tuple[int, ...]) -> Array:
        return ORDERS[orders[next(count) % len(orders)]](original(self, shape))

    return draw


def bits(member: family.Member, step: str, dtype: str, orders: tuple[str, ...]) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(family_work._Draw, "__call__", drawn_in(orders))
        work = family_work.member_work(Case(member.name, step, "fast", dtype), member)
        return {
            name: np.ascontiguousarray(array, array.dtype.newbyteorder("=")).tobytes()
            for name, array in work.results().items()
        }


def test_the_members_of_other_sizes_are_all_members() -> None:
    assert {member.name for member in members(*SIZES[0])} == MEMBERS


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"] if FULL else ["float32"])
def test_memory_order_changes_no_bit(sizes: tuple[Any, ...], dtype: str) -> None:
    wrong = []
    for member in members(*sizes):
        for step in member.steps:
            expected = bits(member, step, dtype, ("planes",))
            for orders in (*((name,) for name in ORDERS), *MIXED):
                wrong += [(str(member), step, orders)] * (bits(member, step, dtype, orders) != expected)
    assert not wrong


@pytest.mark.parametrize("name", ["batch_norm", "group_norm", "instance_norm", "layer_norm"])
def test_normalization_of_any_shape(name: str) -> None:
    """Blocks of one image, of many, and of a part of one; as many threads as there are."""
    rng = np.random.default_rng(0)
    norm, backward = getattr(fc.functional, name), getattr(fc.functional, f"{name}_backward")
    extra = {"layer_norm": {"normalized_shape": ()}, "group_norm": {"num_groups": 2}}.get(name, {})
    shapes = [
        (3, 4, 5, 3),
        (70, 8, 1, 1),
        (40, 6, 7, 7),
        (1, 2, 45, 47),
        (2, 34, 33, 31),
        (1, 130, 12, 11),
        (3, 2, 90, 100),
    ]
    for shape, dtype in product(shapes, ("float32", "float64")):
        x, dy = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
        if name == "layer_norm":
            extra = {"normalized_shape": shape[1:]}
        found = set()
        for order, threads in product(("planes", "channels-last", "every second"), (1, 2)):
            with fc.use_num_threads(threads):
                there, back = ORDERS[order](x), ORDERS[order](dy)
                results = (norm(there, **extra, backend="fast"), *backward(back, there, **extra, backend="fast"))
            found.add(b"".join(np.ascontiguousarray(one).tobytes() for one in results if one is not None))
        assert len(found) == 1, (shape, dtype)
