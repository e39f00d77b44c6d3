"""Convolution and pooling in chunks are those of the whole image, whatever the chunks."""

from __future__ import annotations

import pickle
import tracemalloc
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import run

import fastconv as fc
from fastconv.testing import assert_close

da = pytest.importorskip("dask.array")
chunked = pytest.importorskip("fastconv.dask")

KERNELS = ((1, 1), (3, 2), (2, 5))
STRIDES = (1, (2, 3), (4, 1))
DILATIONS = (1, (2, 1), (1, 2))
PADDINGS: tuple[Any, ...] = (0, 1, "same", "same_lower", ((0, 2), (3, 1)), 6)
CHUNKS = ((1, 2, 7, 9), (2, 4, 3, 30), (2, 1, 19, 5), (2, 4, 1, 1))


def drawn(seed: int) -> tuple[np.random.Generator, str, Any, Any]:
    """An image of sizes that fit no chunk, as an array and in chunks."""
    rng = np.random.default_rng(seed)
    layout = ("NCHW", "NHWC")[seed % 2]
    height, width = rng.integers(11, 32, 2)
    shape = (2, 4, height, width) if layout == "NCHW" else (2, height, width, 4)
    x = rng.standard_normal(shape, dtype=np.float32)
    chunks = CHUNKS[seed % len(CHUNKS)]
    return rng, layout, x, da.from_array(x, chunks if layout == "NCHW" else (chunks[0], *chunks[2:], chunks[1]))


def computed(lazy: Any, like: Any) -> Any:
    """What a chunked operation gives, which must be what it says."""
    found = lazy.compute(scheduler="sync")
    assert (lazy.shape, lazy.dtype) == (found.shape, found.dtype) == (like.shape, like.dtype)
    return found


@pytest.mark.parametrize("seed", range(40))
def test_convolution_in_chunks(seed: int) -> None:
    rng, layout, x, pieces = drawn(seed)
    kernel, groups = KERNELS[seed % 3], (1, 2, 4)[seed % 3]
    weight = rng.standard_normal((4, 4 // groups, *kernel), dtype=np.float32)
    choose = partial(rng.choice, axis=0)
    options: dict[str, Any] = {
        "stride": STRIDES[choose(3)], "dilation": DILATIONS[choose(3)], "padding": PADDINGS[choose(6)],
        "groups": groups, "layout": layout,
    }  # fmt: skip
    whole = fc.conv2d(x, weight, np.ones(4, np.float32), **options)
    assert_close(computed(chunked.conv2d(pieces, weight, np.ones(4, np.float32), **options), whole), whole)


@pytest.mark.parametrize("seed", range(40))
def test_pooling_in_chunks(seed: int) -> None:
    rng, layout, x, pieces = drawn(seed)
    kernel = KERNELS[seed % 3]
    choose = partial(rng.choice, axis=0)
    options: dict[str, Any] = {
        "stride": (None, *STRIDES)[choose(4)], "dilation": DILATIONS[choose(3)], "ceil_mode": bool(choose(2)),
        "padding": (0, tuple((tap - 1) // 2 for tap in kernel))[choose(2)], "layout": layout,
    }  # fmt: skip
    whole = fc.max_pool2d(x, kernel, **options)
    assert np.array_equal(computed(chunked.max_pool2d(pieces, kernel, **options), whole), whole)
    options["count_include_pad"] = bool(choose(2))
    whole = fc.avg_pool2d(x, kernel, **options)
    np.testing.assert_allclose(computed(chunked.avg_pool2d(pieces, kernel, **options), whole), whole, 1e-5, 1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float64", "bool"])
def test_dtypes_are_those_of_the_operation(dtype: str) -> None:
    x = np.arange(120).reshape(1, 2, 6, 10).astype(dtype)
    weight = np.ones((3, 2, 3, 3), np.float32)
    whole = fc.conv2d(x, weight)
    assert_close(computed(chunked.conv2d(da.from_array(x, (1, 1, 4, 4)), weight), whole), whole)
    whole = fc.max_pool2d(x, 2)
    assert np.array_equal(computed(chunked.max_pool2d(da.from_array(x, (1, 1, 4, 4)), 2), whole), whole)


def test_memory_mapped_and_zarr_arrays_are_taken(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((1, 2, 20, 30), dtype=np.float32)
    mapped = np.memmap(tmp_path / "image", np.float32, "w+", shape=x.shape)
    mapped[...] = x
    assert np.array_equal(chunked.max_pool2d(mapped, 2).compute(), fc.max_pool2d(x, 2))
    zarr = pytest.importorskip("zarr")
    stored = zarr.create_array(tmp_path / "image.zarr", shape=x.shape, chunks=(1, 1, 8, 6), dtype="float32")
    stored[...] = x
    lazy = chunked.max_pool2d(stored, 3, stride=1)
    assert lazy.numblocks[2:] == (3, 5)  # the chunks of the file
    assert np.array_equal(lazy.compute(), fc.max_pool2d(x, 3, stride=1))


def test_a_memory_mapped_array_is_neither_copied_nor_sent(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "image", np.float32, "w+", offset=64, shape=(1, 1, 1000, 1000))
    mapped[...] = np.arange(1e6).reshape(mapped.shape)
    mapped.flush()
    tracemalloc.start()
    try:
        lazy = chunked.max_pool2d(mapped, 2)
        assert tracemalloc.get_traced_memory()[1] < mapped.nbytes / 4
    finally:
        tracemalloc.stop()
    sent = pickle.dumps(lazy)
    assert len(sent) < mapped.nbytes / 4
    expected = fc.max_pool2d(np.asarray(mapped), 2)
    assert np.array_equal(lazy.compute(), expected)
    assert np.array_equal(pickle.loads(sent).compute(), expected)  # opened anew
    part = chunked.max_pool2d(mapped[:, :, 100:, ::2], 2)
    assert np.array_equal(pickle.loads(pickle.dumps(part)).compute(), fc.max_pool2d(mapped[:, :, 100:, ::2], 2))


def test_a_chunk_gets_its_halo_and_no_more() -> None:
    seen: list[tuple[int, ...]] = []

    def note(block: Any) -> Any:
        if block.size:
            seen.append(block.shape)
        return block

    x = da.zeros((1, 1, 40, 40), dtype="float32", chunks=(1, 1, 20, 20)).map_blocks(note, dtype="float32")
    y = chunked.conv2d(x, np.ones((1, 1, 3, 5), np.float32), padding=(1, 2))
    assert y.chunks == ((1,), (1,), (20, 20), (20, 20))
    y.compute(scheduler="sync")
    assert seen == [(1, 1, 20, 20)] * 4  # each chunk is read once


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: chunked.conv2d(x, np.ones((1, 3, 3, 3))), "fastconv.dask.conv2d: weight must have 2 input channels"),
        (lambda x: chunked.conv2d(x, np.ones((1, 2, 30, 3))), "fastconv.dask.conv2d: .*must fit|fits|window"),
        (lambda x: chunked.conv2d(x, np.ones((1, 2, 3, 3)), layout="NWHC"), "layout"),
        (lambda x: chunked.max_pool2d(x, 3, padding=3), "fastconv.dask.max_pool2d: padding must be smaller"),
        (lambda x: chunked.avg_pool2d(x[0], 3), "fastconv.dask.avg_pool2d: x must have"),
        (lambda x: chunked.avg_pool2d("image.zarr", 3), "x must be an array, of Dask or with a shape and a dtype"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_computed(call: Any, message: str) -> None:
    def fail(block: Any) -> Any:
        raise AssertionError

    x = da.zeros((1, 2, 10, 10), chunks=5).map_blocks(fail, dtype="float64")
    with pytest.raises((ValueError, TypeError), match=message):
        call(x)


def test_without_dask_the_extra_is_named() -> None:
    error = run("import fastconv.dask", blocked=("dask",), fails=True)
    assert 'pip install "fastconv[dask]"' in error


MEMORY = """
    import resource

    import dask.array as da
    import numpy as np

    from fastconv.dask import conv2d

    x = da.ones((1, 3, 4000, 4000), dtype="float32", chunks=(1, 3, 100, 1000))  # and twice 977 MiB
    y = conv2d(conv2d(x, np.ones((16, 3, 3, 3), "float32"), padding=1), np.ones((16, 16, 3, 3), "float32"), padding=1)
    np.zeros(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert abs(float(y.max().compute(scheduler="threads", num_workers=2)) - 27 * 9 * 16) < 0.1
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.slow
def test_an_image_larger_than_what_is_held_at_once() -> None:
    assert float(run(MEMORY)) < 600  # MiB
