"""Which results of an image depend on the images beside it: those that are listed here, and no others, to the bit.

The table of the family has every operation and every layer, so that a new one is held to it as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from programs import FULL
from strategies import BACKENDS, Array, normal

import fastconv as fc
from fastconv.evidence.bench import family_work
from fastconv.evidence.bench.cases import Case
from tests.backends.test_memory_orders import members

if "fast" not in BACKENDS:
    pytest.skip("the fast backend needs Numba", allow_module_level=True)

MANY = 23  # images, a number that no other size is
FEW = (1, 2, 9, 17) if FULL else (1,)
# Batch normalisation by its definition. Few rows of a linear layer are dots, many are products in tiles, and how many
# outputs their gradient adds up at a time follows from the rows, too: each as its rows are done in the least time.
DEPENDING = {
    *product(("batch_norm", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d"), ("forward", "backward")),
    *product(("linear", "Linear"), ("forward", "backward")),
}
SIZES = [((18, 20), 6, 3)]
if FULL:
    SIZES += [((8, 10), 40, 8), ((34, 62), 3, 3), ((2, 2), 16, 4)]


def results(member: Any, step: str, dtype: str, drawn: list[Array], images: int) -> dict[str, Array]:
    """What a member computes of the first of MANY images; `drawn` is what it drew for all of them."""
    original, numbers = family_work._Draw.__call__, iter(range(10**6))

    def draw(self: Any, shape: tuple[int, ...]) -> Array:
        number = next(numbers)
        if images == MANY:
            drawn.append(original(self, shape))
            return drawn[-1]
        array = drawn[number]
        return array if array.shape == shape else np.ascontiguousarray(array[:images])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(family_work._Draw, "__call__", draw)
        return dict(family_work.member_work(Case(member.name, step, "fast", dtype), member).results())


def depending(size: tuple[int, int], channels: int, groups: int, dtype: str) -> Iterator[tuple[str, str]]:
    """Members and steps of which an image has other bits in a smaller batch."""
    drawn: dict[tuple[str, str], list[Array]] = {}
    whole: dict[tuple[str, str], dict[str, Array]] = {}
    for images in (MANY, *FEW):
        for member in members(size, images, channels, groups):
            if not FULL and member.name.endswith(("1d", "3d")):
                continue
            for step in member.steps:
                key = str(member.name), step
                found = results(member, step, dtype, drawn.setdefault(key, []), images)
                if images == MANY:
                    whole[key] = found
                    continue
                for name, array in found.items():
                    everything = whole[key][name]
                    if (everything.shape[:1], array.shape[:1]) != ((MANY,), (images,)):
                        continue  # of all images together, such as a gradient of weights
                    if everything[:images].tobytes() != np.ascontiguousarray(array).tobytes():
                        yield key


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"] if FULL else ["float32"])
def test_an_image_has_the_same_bits_in_any_batch(size: Any, dtype: str) -> None:
    with fc.options(exact=True):
        assert {*depending(*size, dtype)} <= DEPENDING


@pytest.mark.parametrize("name", ["group_norm", "instance_norm", "layer_norm"])
def test_an_image_whose_sums_are_cut_has_the_same_bits_in_any_batch(name: str) -> None:
    """Found with InstanceNorm3d in float64: into how many pieces an image was cut depended on the others."""
    x, dy = normal((23, 2, 130, 140), 0, "float64"), normal((23, 2, 130, 140), 1, "float64")
    extra = {"layer_norm": {"normalized_shape": x.shape[1:]}, "group_norm": {"num_groups": 1}}.get(name, {})
    norm, backward = getattr(fc.functional, name), getattr(fc.functional, f"{name}_backward")

    def first_image(images: int) -> tuple[bytes, bytes]:
        there, back = x[:images], dy[:images]
        results = norm(there, **extra, backend="fast"), backward(back, there, **extra, backend="fast")[0]
        return results[0][0].tobytes(), results[1][0].tobytes()

    assert len({first_image(images) for images in (1, 2, 23)}) == 1


# (channels, filters, size of an image): of these, Winograd's algorithm is taken for many images and not for few
CHOSEN = [(16, 24, (14, 13)), (64, 128, (7, 7)), (256, 256, (4, 4)), (512, 64, (3, 3))]


@pytest.mark.parametrize(("channels", "filters", "size"), CHOSEN)
def test_an_image_has_the_same_bits_in_any_batch_by_exact_convolution(
    channels: int, filters: int, size: tuple[int, int]
) -> None:
    x, weight = normal((33, channels, *size), 0, "float32"), normal((filters, channels, 3, 3), 1, "float32")

    def first_image(images: int) -> list[bytes]:
        y = fc.conv2d(x[:images], weight, padding=1, backend="fast")
        dx = fc.conv2d_backward(y, x[:images], weight, padding=1, needs=("x",), backend="fast").dx
        assert dx is not None
        return [y[0].tobytes(), dx[0].tobytes()]

    with fc.options(exact=True):
        assert len({tuple(first_image(images)) for images in (1, 2, 5, 16, 33)}) == 1
