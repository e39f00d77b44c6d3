"""Linear layers: three backends against products in float64, over sizes around every change of way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import FULL, run
from strategies import BACKENDS, FLOATS, Array, normal, stored
from vector_units import OTHER_UNITS, PATHS, only_where_it_runs

import fastconv as fc
from fastconv.backends.base import Backend
from fastconv.backends.naive import NaiveBackend
from fastconv.backends.numpy import NumpyBackend
from fastconv.functional.linear import linear, linear_backward
from fastconv.testing import assert_close

fast = pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")
backends = pytest.mark.parametrize("backend", BACKENDS)
NEEDS = ("x", "weight", "bias")

# (N, I, O): few rows and more, one of each, primes, sizes beside whole vectors and tiles, several chunks of each sum.
SMALL = (
    (1, 1, 1), (1, 7, 1), (2, 1, 5), (5, 3, 1), (1, 16, 8), (3, 17, 9), (7, 31, 13), (8, 33, 41), (9, 33, 41),
    (13, 5, 37), (28, 8, 29), (29, 64, 65), (64, 84, 10),
)  # fmt: skip
LARGE = (
    (1, 2053, 67), (2, 40, 1031), (8, 4096, 33), (9, 401, 1000), (15, 769, 257), (50, 1201, 83), (10, 130, 4099),
    (400, 33, 70), (401, 770, 19), (67, 385, 131), (1030, 64, 48),
)  # fmt: skip
# Most have kernels of their own to compile: in the usual run, the dtypes of large sizes take turns, and those beside
# float32 of small ones.
SMALL_CALLS = [
    (size, dtype) for i, size in enumerate(SMALL) for dtype in FLOATS if FULL or dtype in ("float32", FLOATS[i % 2 * 2])
]
LARGE_CALLS = [
    pytest.param(size, dtype, marks=[pytest.mark.slow] * (dtype == "float64"), id=f"{size}-{dtype}")
    for i, size in enumerate(LARGE)
    for j, dtype in enumerate(("float32", "float64"))
    if FULL or i % 2 == j
]


def arrays_of(size: tuple[int, int, int], dtype: str) -> tuple[Array, Array, Array, Array]:
    """x, weight, bias and dy."""
    n, i, o = size
    return normal((n, i), 0, dtype), normal((o, i), 1, dtype), normal((o,), 2, dtype), normal((n, o), 3, dtype)


def products(x: Array, weight: Array, bias: Array, dy: Array) -> Iterator[tuple[str, Array]]:
    """Result and gradients, in float64."""
    x, weight, bias, dy = (array.astype(np.float64) for array in (x, weight, bias, dy))
    yield "y", x @ weight.T + bias
    yield "without bias", x @ weight.T
    yield "dx", dy @ weight
    yield "dweight", dy.T @ x
    yield "dbias", dy.sum(axis=0)


def computed(backend: str | None, x: Array, weight: Array, bias: Array, dy: Array) -> list[Array | None]:
    """The same by a backend."""
    y = linear(x, weight, bias, backend=backend)
    return [y, linear(x, weight, backend=backend), *linear_backward(dy, x, weight, backend=backend)]


def check(backend: str, arrays: tuple[Array, Array, Array, Array], where: str = "") -> None:
    """Every result of a backend is within its rounding error of that in float64."""
    sizes = products(*(np.abs(array) for array in arrays))
    for found, (name, expected), (_, size) in zip(computed(backend, *arrays), products(*arrays), sizes, strict=True):
        dtype = np.result_type(*arrays)
        rounded = expected.astype(dtype)
        assert_close(found, rounded, magnitude=size, dtype=dtype, name=f"{backend} {where} {name}")


@backends
@pytest.mark.parametrize(("size", "dtype"), SMALL_CALLS)
def test_every_backend_on_small_sizes(backend: str, size: tuple[int, int, int], dtype: str) -> None:
    check(backend, arrays_of(size, dtype))


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "naive"])
@pytest.mark.parametrize(("size", "dtype"), LARGE_CALLS)
def test_large_sizes(backend: str, size: tuple[int, int, int], dtype: str) -> None:
    check(backend, arrays_of(size, dtype))


@backends
@pytest.mark.parametrize("order", ["Fortran", "sliced", "reversed", "read-only", "byte-swapped", "unaligned"])
@pytest.mark.parametrize("size", [(3, 17, 9), (29, 20, 33)])
def test_strides_change_nothing(backend: str, order: str, size: tuple[int, int, int]) -> None:
    arrays = arrays_of(size, "float32")
    kept = [array.copy() for array in arrays]
    expected = computed(backend, *arrays)
    moved = [stored(array, order) for array in arrays]
    for found, wanted in zip(computed(backend, *moved), expected, strict=True):
        assert found is not None
        assert wanted is not None
        if backend == "fast":
            assert found.tobytes() == wanted.tobytes()
        assert_close(found, wanted, magnitude=float(np.abs(wanted).max() * size[1]))
    for array, original in zip(moved, kept):
        assert np.array_equal(array, original)


@backends
@pytest.mark.parametrize("needs", [[name for name, on in zip(NEEDS, mask) if on] for mask in product((0, 1), repeat=3)])
def test_only_what_is_needed(backend: str, needs: list[str]) -> None:
    x, weight, _, dy = arrays_of((5, 7, 6), "float64")
    every = linear_backward(dy, x, weight, backend=backend)
    some = linear_backward(dy, x, weight, needs=needs, backend=backend)
    for name, found, wanted in zip(NEEDS, some, every, strict=True):
        assert (found is None) == (name not in needs)
        assert found is None or np.array_equal(found, wanted)


@backends
@pytest.mark.parametrize("dtype", FLOATS)
def test_no_rows(backend: str, dtype: str) -> None:
    x, weight, bias, dy = arrays_of((0, 4, 3), dtype)
    y = linear(x, weight, bias, backend=backend)
    assert (y.shape, y.dtype) == ((0, 3), np.dtype(dtype))
    dx, dweight, dbias = linear_backward(dy, x, weight, backend=backend)
    for found, shape in ((dx, (0, 4)), (dweight, (3, 4)), (dbias, (3,))):
        assert found is not None
        assert (found.dtype, found.tolist()) == (np.dtype(dtype), np.zeros(shape).tolist())
    assert linear_backward(dy, x, weight, needs=(), backend=backend) == (None, None, None)


@backends
@pytest.mark.parametrize("rows", [2, 20])
def test_what_is_not_finite_stays_in_its_row(backend: str, rows: int) -> None:
    x, weight, bias, dy = arrays_of((rows, 19, 21), "float32")
    x[1, 3], weight[4, 5] = np.inf, np.nan
    clean = np.ones((rows, 21), bool)
    clean[1], clean[:, 4] = False, False
    y = linear(x, weight, bias, backend=backend)
    assert (np.isfinite(y) == clean).all()
    assert y[1, 0] == np.copysign(np.inf, weight[0, 3])
    dx, dweight, dbias = linear_backward(dy, x, weight, backend=backend)
    assert dx is not None
    assert dweight is not None
    assert dbias is not None
    assert np.argwhere(~np.isfinite(dx)).tolist() == [[n, 5] for n in range(rows)]
    assert (~np.isfinite(dweight)).nonzero()[1].tolist() == [3] * 21
    assert np.isfinite(dbias).all()


@backends
def test_dtypes_mix(backend: str) -> None:
    x, weight, bias, dy = arrays_of((3, 5, 4), "float32")
    assert linear(x, weight, bias.astype(np.float64), backend=backend).dtype == np.float64
    counted = np.arange(15).reshape(3, 5)
    assert_close(linear(counted, np.ones((2, 5), int), backend=backend)[:, 1], counted.sum(axis=1, dtype=np.float64))
    assert linear_backward(dy, x.astype(np.float16), weight, backend=backend).dx.dtype == np.float32  # type: ignore[union-attr]


# The engine.

# the ways of the forward pass, and the sizes that take them
WAYS = {
    "dots": ((1, 300, 70), (8, 300, 70)),
    "rows": ((9, 300, 5), (500, 64, 96)),
    "swapped": ((9, 700, 600), (50, 8192, 500)),
}


@fast
@pytest.mark.parametrize("way", WAYS)
def test_the_way_follows_from_the_shape(way: str) -> None:
    from fastconv.backends.fast.linear.linear import plan_linear

    for size in WAYS[way]:
        for itemsize, threads in product((4, 8), (1, 2, 5)):
            assert plan_linear("forward", *size, itemsize, threads).way == way, size


@contextmanager
def serial_launches() -> Iterator[None]:
    """Run the tasks one after the other: there may be more of them than this machine has threads."""
    from fastconv.backends.fast.linear import linear as engine

    def serial(kernel: int, arguments: Array, tasks: int, threads: int, *rest: Any) -> None:
        launch(kernel, arguments, tasks, 1, *rest)

    launch = engine.launch
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "launch", serial)
        yield


@fast
@pytest.mark.parametrize(
    ("size", "dtype"), [*LARGE_CALLS, *product((sizes[0] for sizes in WAYS.values()), ("float32",))]
)
def test_threads_change_nothing(size: tuple[int, int, int], dtype: str) -> None:
    from fastconv.backends.fast.linear.linear import _run, plan_linear

    n, i, o = size
    x, weight, bias, dy = arrays_of(size, dtype)
    forms: dict[str, tuple[Any, ...]] = {
        "forward": (x, weight, bias, (n, o)), "dx": (dy, weight, None, (n, i)), "dweight": (dy, x, None, (o, i)),
    }  # fmt: skip
    for form, arguments in forms.items():
        digests = set()
        for threads in (1, 2, 3, 4):
            plan = plan_linear(form, *size, x.itemsize, threads)
            a, b, *rest = arguments
            a, b = (b, a) if plan.way == "swapped" else (a, b)
            with serial_launches():
                digests.add(_run(plan, a, b, *rest).tobytes())
        assert len(digests) == 1, form


@fast
@pytest.mark.parametrize("threads", [1, 2])
def test_thread_settings(threads: int) -> None:
    if threads > fc.backends.settings.thread_limit():
        pytest.skip("Numba has one thread here")
    arrays = arrays_of((15, 769, 257), "float32")
    with fc.use_num_threads(threads):
        found = computed("fast", *arrays)
    with fc.use_num_threads(1):
        alone = computed("fast", *arrays)
    for one, other in zip(found, alone, strict=True):
        assert one is not None
        assert other is not None
        assert one.tobytes() == other.tobytes()


@fast
@pytest.mark.parametrize("rows", [1, 8, 9, 40])
def test_long_sums_stay_within_the_bound(rows: int) -> None:
    """The worst case: one number added again and again, so that every addition rounds the same way."""
    length = 40_000
    numbers = np.float32([1.1, 0.7, 1.9, 1.0 / 3])
    for number in numbers:
        ones, few = np.full((rows, length), number, np.float32), np.full((3, length), np.float32(1.0 / 3))
        exact = float(number) * float(np.float32(1.0 / 3)) * length
        assert_close(linear(ones, few, backend="fast"), np.full((rows, 3), exact), dtype=np.float32)
        weight = few.T.copy()  # (O, 3): sums over many outputs
        dx = linear_backward(ones, np.zeros((rows, 3), np.float32), weight, needs="x", backend="fast").dx
        assert_close(dx, np.full((rows, 3), exact), dtype=np.float32)
        dweight = linear_backward(ones.T.copy(), few.T.copy(), np.zeros((rows, 3), np.float32), backend="fast").dweight
        assert_close(dweight, np.full((rows, 3), exact), dtype=np.float32)


@fast
@pytest.mark.parametrize("size", [(3, 20, 33), (29, 64, 65), (9, 700, 600)])
def test_fast_calls_nobody(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int, int]) -> None:
    from fastconv.backends.fast import FastBackend

    arrays = arrays_of(size, "float32")

    def refuse(self: Backend, *arguments: Any) -> None:
        raise AssertionError(f"the {self.name} backend was called")

    for backend, names in (
        (NaiveBackend, ("conv", "conv_backward", "linear", "linear_backward")),
        (NumpyBackend, ("conv", "conv_backward", "linear", "linear_backward")),
        (FastBackend, ("conv", "conv_backward")),
    ):
        for name in names:
            monkeypatch.setattr(backend, name, refuse)
    with pytest.raises(AssertionError, match="the numpy backend was called"):
        linear(*arrays[:3], backend="numpy")
    check("fast", arrays)


@backends
def test_a_backend_without_a_linear_of_its_own_convolves(backend: str) -> None:
    engine = {"naive": NaiveBackend, "numpy": NumpyBackend}.get(backend)
    if engine is None:
        pytest.skip("the engine has its own")

    class Bare(engine):  # type: ignore[misc, valid-type]
        linear, linear_backward = Backend.linear, Backend.linear_backward

    fc.register_backend("bare", Bare())
    try:
        for size in ((5, 7, 6), (1, 3, 2), (0, 3, 2)):
            arrays = arrays_of(size, "float64")
            for found, wanted in zip(computed("bare", *arrays), computed(backend, *arrays), strict=True):
                assert_close(found, wanted, magnitude=float(np.abs(wanted).max(initial=1.0) * size[1]))
    finally:
        fc.unregister_backend("bare")


def check_paths(*dtypes: str) -> None:
    """Every way of every pass: what other vector units and the readable twins have to cope with."""
    for dtype in dtypes:
        for size in (*SMALL, (2, 40, 1031), (9, 401, 100), (50, 401, 83), (400, 33, 70)):
            check("fast", arrays_of(size, dtype), str(size))


@pytest.mark.slow
@fast
def test_the_readable_twins(tmp_path: Path) -> None:
    program = """
        from test_linear import check_paths
        from fastconv.backends.fast.machine.jit import INTERPRETED
        assert INTERPRETED
        check_paths("float32", "float64")
    """
    run(program, NUMBA_DISABLE_JIT="1", NUMBA_CACHE_DIR=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@fast
@pytest.mark.slow
@pytest.mark.parametrize(("path", "dtype"), OTHER_UNITS)
def test_the_tiles_of_another_vector_unit(path: str, dtype: str, tmp_path: Path) -> None:
    only_where_it_runs(path)
    program = f"""
        from test_linear import check_paths
        from vector_units import built_for
        assert built_for() == {path!r}
        check_paths({dtype!r})
    """
    run(program, NUMBA_CACHE_DIR=str(tmp_path), **PATHS[path])
