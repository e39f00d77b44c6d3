"""The engine as it runs elsewhere: the tiles of other vector units, and the readable twins, each against naive.

Every path is a process of its own, with a cache of compiled code of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from checks import (
    GRADIENTS,
    check_adaptive_max,
    check_adaptive_means,
    check_avg,
    check_columns,
    check_conv,
    check_lp,
    check_max,
    check_unpool,
)
from programs import FULL, run
from strategies import BACKENDS, CONV_CASES, POOL_CASES, Array, ConvCase, WindowCase, conv_arrays, normal, stored
from vector_units import PATHS, only_where_it_runs

import fastconv as fc
from fastconv.backends.fast.memory.workspace import borrowed
from fastconv.testing import assert_close, magnitude

pytestmark = pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")

# What the three modes of the tiles and the way through columns have to cope with.
CASES = (
    *(
        CONV_CASES[name]
        for name in ("plain", "stride-beyond-kernel", "one-by-one", "dilated", "same-strided", "groups")
    ),
    *(CONV_CASES[name] for name in ("depthwise", "depthwise-multiplied", "one-channel", "one-filter")),
    ConvCase((1, 2, 5, 9), (11, 2, 3, 3), 1, 1),  # two channels: dx through columns
    ConvCase((1, 9, 4, 13), (20, 9, 2, 3), (1, 2), 1),  # more lanes than a vector, some left over; phases
    ConvCase((1, 19, 3, 5), (19, 1, 3, 3), 1, 1, 1, 19),  # depthwise over more than a vector
    ConvCase((2, 8, 3, 4), (16, 8, 1, 1)),  # whole vectors, in place
    ConvCase((1, 10, 5, 9), (10, 2, 3, 3), 1, 1, 1, 5),  # small groups side by side: of two, which are on every unit
    ConvCase((2, 12, 7, 5), (12, 4, 3, 2), (2, 1), 1, 1, 3),  # of four
    ConvCase((1, 40, 3, 5), (40, 8, 1, 3), 1, 0, 1, 5),  # of eight, in place
)
POOLS = tuple(POOL_CASES[name] for name in ("overlapping", "asymmetric", "dilated", "many-channels"))
ORDERS = ("C", "channels-last")
LARGE = ConvCase((2, 13, 47, 37), (37, 13, 3, 3), 1, 1)  # two splits of the weight gradient, several tasks


def check_convolutions(dtype: str, cases: Iterable[ConvCase] = CASES) -> None:
    """Convolutions and their gradients against naive, and a large one."""
    for seed, case in enumerate(cases):
        check_conv("fast", case, *conv_arrays(case, seed, dtype))
    check_large(dtype)


def check_maxima(dtype: str, cases: Iterable[WindowCase] = POOLS) -> None:
    """Maxima, at which indices they are, and columns, against naive, in both memory orders."""
    for case, order in product(cases, ORDERS):
        x = stored(normal(case.x_shape, 0, dtype), order)
        check_max("fast", case, x, ceil_mode=True, order=order)
        check_adaptive_max("fast", (3, 1), x)
    for case in cases:
        check_columns("fast", case, normal(case.x_shape, 1, dtype))
    for x, order in long_windows(dtype):
        check_adaptive_max("fast", (1, 1), x)
        check_max("fast", WindowCase(x.shape, (2, 11), 3, 1), x, ceil_mode=True, order=order)
        indices = stored(np.random.default_rng(0).integers(0, 6, x.shape), order)
        check_unpool("fast", (2, 3), x, indices, order=order)


def check_means(dtype: str, cases: Iterable[WindowCase] = POOLS) -> None:
    """Means, norms and adaptive windows against naive, in both memory orders."""
    for case, order in product(cases, ORDERS):
        x = stored(normal(case.x_shape, 0, dtype), order)
        check_avg("fast", case, x, ceil_mode=True, include_pad=False, order=order)
        check_lp("fast", case, 3, x, ceil_mode=True, order=order)
        check_adaptive_means("fast", (3, 1), x, order=order)
    for x, order in long_windows(dtype):
        check_adaptive_means("fast", (1, 1), x, order=order)
        check_lp("fast", WindowCase(x.shape, (14, 15)), 2.5, x, ceil_mode=False, order=order)


def long_windows(dtype: str) -> Iterator[tuple[Array, str]]:
    """Arrays for windows that are reduced one by one, in rows longer than any block, and their memory orders."""
    for order, channels in zip(ORDERS, (2, 9)):
        yield stored(normal((1, channels, 14, 15), 2, dtype), order), order


def check_large(dtype: str) -> None:
    """One convolution that is too large for naive against numpy in float64, with fewer products and directly."""
    x, weight, bias, dy = conv_arrays(LARGE, 0, dtype)
    exact = [array.astype(np.float64) for array in (x, weight, normal((37,), 2, dtype), dy)]
    expected = fc.conv2d(*exact[:3], padding=1, backend="numpy")
    arrays = exact[3], *exact[:2]
    wanted = fc.conv2d_backward(*arrays, padding=1, backend="numpy")
    size, sizes = magnitude(fc.conv2d, *exact[:3], padding=1), magnitude(fc.conv2d_backward, *arrays, padding=1)
    for directly in (True, False):
        with borrowed(2**24) as scratch:  # whose numbers no kernel may read before they are written: signalling NaN
            scratch.view(np.uint32)[...] = 0x7FA00000
        with fc.options(exact=directly):
            y = fc.conv2d(x, weight, bias, padding=1, backend="fast")
            found = fc.conv2d_backward(dy, x, weight, padding=1, backend="fast")
        assert_close(y, expected, magnitude=size, dtype=dtype, name="y")
        for name in GRADIENTS:
            actual, desired, most = (getattr(each, name) for each in (found, wanted, sizes))
            assert_close(actual, desired, magnitude=most, dtype=dtype, name=name)


# What Numba compiles for -> the tiles that fit. An empty list of features means: those of the name.
UNITS = [
    ("avx2", "haswell", ""),
    ("sse2", "x86-64", ""),
    ("avx2", "haswell", None),
    ("sse2", "x86-64", None),
    ("sse2", "generic", None),
    ("avx2", "x86-64", "+avx2,+fma"),
    ("sse2", "znver4", "-avx"),
    ("avx512", "skylake-avx512", ""),
]


@pytest.mark.parametrize(("path", "cpu", "features"), UNITS)
def test_the_vector_unit_is_that_of_the_compiled_code(
    path: str, cpu: str, features: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fastconv.backends.fast.machine import target

    only_where_it_runs("sse2" if path == "avx512" else path)  # nothing is run
    monkeypatch.setattr(target.numba.config, "CPU_NAME", cpu)
    monkeypatch.setattr(target.numba.config, "CPU_FEATURES", features)
    assert target.host.__wrapped__().name == path


# In the short form convolutions, whose tiles are made for the unit, are on each, and of the pools one half is.
PARTS = list(product(PATHS, ("check_convolutions", "check_maxima", "check_means"), ("float32", "float64")))
SHORT = [
    ("avx2", "check_convolutions", "float32"),
    ("sse2", "check_convolutions", "float64"),
    ("avx2", "check_maxima", "float32"),
    ("sse2", "check_means", "float64"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("path", "part", "dtype"), PARTS if FULL else SHORT)
def test_the_engine_on_another_vector_unit(path: str, part: str, dtype: str, tmp_path: Path) -> None:
    only_where_it_runs(path)
    program = f"""
        from test_other_paths import {part}
        from vector_units import built_for
        assert built_for() == {path!r}
        {part}({dtype!r})
        from fastconv.backends.fast.machine.jit import build_log
        print(*[built.name for built in build_log if built.name.startswith("tile")])
    """
    tiles = run(program, NUMBA_CACHE_DIR=str(tmp_path), **PATHS[path]).split()
    if part == "check_convolutions":
        expected = {"p", "s", "l"} if (path, dtype) == ("sse2", "float64") else {"p", "s", "l", "c"}
        assert {name[5] for name in tiles} >= expected  # all modes of direct convolution; small groups need four lanes
        assert all(f"_f{dtype[-2:]}" in name for name in tiles)


@pytest.mark.slow
def test_the_readable_twins(tmp_path: Path) -> None:
    program = """
        from strategies import CONV_CASES, POOL_CASES
        from test_other_paths import CASES, check_convolutions, check_maxima, check_means
        from fastconv.backends.fast.machine.jit import INTERPRETED
        assert INTERPRETED
        for dtype in ("float32", "float64"):
            check_convolutions(dtype, dict.fromkeys([*CASES, *CONV_CASES.values()]))
            check_maxima(dtype, POOL_CASES.values())
            check_means(dtype, POOL_CASES.values())
    """
    run(program, NUMBA_DISABLE_JIT="1", NUMBA_CACHE_DIR=str(tmp_path))
    assert list(tmp_path.iterdir()) == []  # nothing was compiled
