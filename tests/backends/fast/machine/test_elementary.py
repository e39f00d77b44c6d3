"""Exponentials and logarithms for kernels: distance from the right value, what is special, and the readable twin."""

from __future__ import annotations

import re
from functools import lru_cache

import numba
import numpy as np
import pytest

from fastconv.backends.fast.machine import elementary
from tests.support.programs import run

LONG = np.longdouble  # 64 bits of mantissa on x86; elsewhere no more than float64, and then float32 alone is tested
EXACT = {
    "exp": np.exp,
    "expm1": np.expm1,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "log": np.log,
    "log1p": np.log1p,
}
UNITS = {"exp": 1.5, "expm1": 2, "sigmoid": 3, "tanh": 3, "log": 1, "log1p": 2}
SPECIAL = (0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan)
TYPES = [np.float32, np.float64]


@lru_cache
def loop_of(name):
    """Vectorised loop over a function."""
    function = getattr(elementary, name)

    @numba.njit(error_model="numpy")
    def loop(x, y):
        for i in range(x.size):
            y[i] = function(x[i])

    return loop


def arguments(dtype):
    """Numbers of every size: near zero, where results are ordinary, near the limits, and of any bits at all."""
    rng, limits = np.random.default_rng(0), np.finfo(dtype)
    sizes = (1e-3, 0.1, 0.4, 1, 2, 5, 20, 110, 760)
    bits = rng.integers(0, 2 ** (8 * limits.dtype.itemsize) - 1, 20_000, np.uint64).astype(f"u{limits.dtype.itemsize}")
    ends = [*SPECIAL, limits.tiny, limits.smallest_subnormal, limits.max, -limits.tiny, -limits.smallest_subnormal]
    parts = [*(rng.uniform(-size, size, 4000) for size in sizes), 1 + rng.uniform(-0.5, 0.5, 4000), ends]
    return np.concatenate([*(np.asarray(part).astype(dtype) for part in parts), bits.view(dtype)])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", EXACT)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_result_is_within_few_units_of_the_right_one(name, dtype):
    if dtype == np.float64 and np.finfo(LONG).nmant < 63:
        pytest.skip("no wider type to compare with")
    x = arguments(dtype)
    y = np.empty_like(x)
    loop_of(name)(x, y)
    exact = EXACT[name](x.astype(LONG))
    rounded = exact.astype(dtype)
    finite = np.isfinite(rounded) & np.isfinite(y)
    np.testing.assert_array_equal(y[~finite], rounded[~finite])
    np.testing.assert_array_equal(np.signbit(y[rounded == 0]), np.signbit(rounded[rounded == 0]))
    units = np.abs(y[finite] - exact[finite]) / np.spacing(np.abs(rounded[finite]))
    assert units.max() <= UNITS[name]


@pytest.mark.parametrize("name", EXACT)
def test_every_lane_rounds_alike(name):
    x = np.random.default_rng(1).normal(size=67).astype(np.float32)
    together, alone, loop = np.empty_like(x), np.empty_like(x), loop_of(name)
    loop(x, together)
    for i in range(x.size):
        loop(x[i : i + 1], alone[i : i + 1])
    assert together.tobytes() == alone.tobytes()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", EXACT)
def test_loops_are_vectorised(name, dtype):
    loop, x = loop_of(name), np.ones(8, dtype)
    loop(x, x.copy())
    kind = {np.float32: "float", np.float64: "double"}[dtype]
    (signature,) = (one for one in loop.signatures if one[0].dtype.name == np.dtype(dtype).name)
    assert re.search(rf"fmul <\d+ x {kind}>", loop.inspect_llvm(signature))


def test_the_same_bits_come_from_python(tmp_path):
    path = tmp_path / "bits.npz"
    x = {dtype.__name__: np.array([-80.0, -0.7, -1e-9, 0.0, 1e-40, 0.3, 2.5, 60.0], dtype) for dtype in TYPES}
    np.savez(path, **x)
    run(
        f"""
        import numpy as np
        np.seterr(all="ignore")
        from fastconv.backends.fast.machine import elementary
        numbers = dict(np.load({str(path)!r}))
        found = {{
            f"{{name}} {{kind}}": np.array([getattr(elementary, name)(number) for number in x])
            for name in {list(EXACT)} for kind, x in numbers.items()
        }}
        np.savez({str(path)!r}, **found)
        """,
        NUMBA_DISABLE_JIT="1",
    )
    with np.load(path) as found:
        for name in EXACT:
            for kind, numbers in x.items():
                y = np.empty_like(numbers)
                loop_of(name)(numbers, y)
                assert found[f"{name} {kind}"].dtype == y.dtype
                np.testing.assert_array_equal(found[f"{name} {kind}"], y, err_msg=f"{name} {kind}")
