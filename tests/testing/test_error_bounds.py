"""Both promises of every element: by their definition, element by element, and kept by the engine."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import fastconv as fc
from fastconv.backends.geometry import ConvGeometry, conv_axis
from fastconv.testing.error_bounds import EXACT, ErrorBound, error_bounds

pytest.importorskip("numba")
pytestmark = pytest.mark.usefixtures("always_winograd")

WINOGRAD = "Winograd F(4×4, 3×3)"


def geometry_of(
    size: tuple[int, ...], channels: int, filters: int, kernel: tuple[int, ...], padding: tuple[tuple[int, int], ...],
    *, batch: int = 2, groups: int = 1, stride: int = 1, dilation: int = 1,
) -> ConvGeometry:  # fmt: skip
    pads = zip(size, kernel, padding)
    axes = tuple(conv_axis(n, k, stride, dilation, before, after) for n, k, (before, after) in pads)
    return ConvGeometry(axes, batch, channels, filters, groups)


def arrays_of(geometry: ConvGeometry, dtype: str = "float32") -> list[np.ndarray]:
    """x, weight, bias, dy; with a tile of zeros, and magnitudes that differ."""
    rng = np.random.default_rng(0)
    shapes = geometry.input_shape, geometry.weight_shape, (geometry.filters,), geometry.output_shape
    x, weight, bias, dy = (rng.standard_normal(shape) * 2.0 ** rng.integers(-9, 9, shape) for shape in shapes)
    x[0, ..., :6] = dy[1, ..., :6] = 0
    return [array.astype(dtype) for array in (x, weight, bias, dy)]


GEOMETRIES = {
    "3×3": geometry_of((9, 13), 16, 24, (3, 3), ((1, 1), (1, 1))),
    "groups": geometry_of((6, 8), 16, 32, (3, 3), ((1, 1), (1, 1)), groups=2),
    "one-sided": geometry_of((7, 10), 12, 8, (3, 3), ((2, 0), (0, 1))),
    "large padding": geometry_of((5, 6), 12, 9, (3, 3), ((3, 3), (4, 3))),
    "none": geometry_of((8, 9), 9, 8, (3, 3), ((0, 0), (0, 0))),
    "1×3": geometry_of((5, 11), 12, 16, (1, 3), ((0, 0), (1, 1))),
    "row": geometry_of((19,), 12, 16, (3,), ((1, 1),)),
    "small": geometry_of((3, 4), 12, 8, (3, 3), ((1, 0), (0, 1))),
    "stride": geometry_of((13, 16), 12, 20, (5, 5), ((2, 2), (1, 2)), stride=2),
    "dilation": geometry_of((9, 13), 16, 24, (3, 3), ((2, 2), (2, 2)), dilation=2),
    "slices": geometry_of((4, 9, 10), 12, 20, (3, 3, 3), ((1, 1), (1, 1), (2, 0))),
}
DIRECT = {"large padding": ("y", "dweight", "dbias"), "stride": ("dweight", "dbias")}  # windows that see nothing of x


def run(geometry: ConvGeometry, x: np.ndarray, weight: np.ndarray, bias: np.ndarray, dy: np.ndarray, **options: bool):
    backend = fc.backends.resolve_backend("fast")
    with fc.options(**options):
        y = backend.conv(x, weight, bias, geometry)
        gradients = backend.conv_backward(dy, x, weight, geometry, frozenset(("x", "weight", "bias")))
    return dict(zip(("y", "dx", "dweight", "dbias"), (y, *gradients)))


def right(geometry: ConvGeometry, *arrays: np.ndarray) -> dict[str, np.ndarray]:
    return run(geometry, *(array.astype(np.float64) for array in arrays))


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("exact", [False, True])
def test_every_element_keeps_the_promise_that_holds(name: str, exact: bool) -> None:
    geometry = GEOMETRIES[name]
    arrays = arrays_of(geometry)
    found, expected = run(geometry, *arrays, exact=exact), right(geometry, *arrays)
    for result, bound in error_bounds(geometry, *arrays, exact=exact).items():
        error = np.abs(found[result] - expected[result])
        assert (error <= bound.allowed).all(), (result, bound.algorithm)
        assert bound.runs_winograd == (not exact and result not in DIRECT.get(name, ("dbias",))), result
        assert bound.promise == EXACT or bound.runs_winograd


@pytest.mark.parametrize("name", ["3×3", "groups", "one-sided", "none", "1×3", "small", "stride", "dilation", "slices"])
def test_ordinary_numbers_need_a_small_part_of_what_is_allowed(name: str) -> None:
    """So that a result, or a gradient, which is off by a thousandth would be noticed."""
    geometry, rng = GEOMETRIES[name], np.random.default_rng(1)
    shapes = geometry.input_shape, geometry.weight_shape, (geometry.filters,), geometry.output_shape
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    found, expected = run(geometry, *arrays, exact=False), right(geometry, *arrays)
    for result, bound in error_bounds(geometry, *arrays, exact=False).items():
        if bound.runs_winograd:
            assert (np.abs(found[result] - expected[result]) <= 0.03 * bound.allowed).all(), result


def test_what_many_channels_round_off_counts_where_one_axis_grows_little() -> None:
    """A 1 among numbers a little below half an eps: with the growth of one axis alone, 17.5, it would not be."""
    geometry = geometry_of((5, 8), 512, 16, (1, 3), ((0, 0), (1, 1)), batch=1)
    x, weight = np.full(geometry.input_shape, 2**-24 * 0.999, np.float32), np.zeros(geometry.weight_shape, np.float32)
    x[:, 0] = weight[..., 1] = 1
    dy, bias = np.zeros(geometry.output_shape, np.float32), np.zeros(16, np.float32)
    error = np.abs(run(geometry, x, weight, bias, dy)["y"] - right(geometry, x, weight, bias, dy)["y"])
    allowed = error_bounds(geometry, x, weight, exact=False)["y"].allowed
    assert (error > 17.5 / 64 * allowed).any()
    assert (error <= allowed).all()


def test_the_first_promise_is_not_kept_by_winograd() -> None:
    """Else it would not matter which one holds."""
    geometry = GEOMETRIES["3×3"]
    arrays = arrays_of(geometry)
    found, expected = run(geometry, *arrays, exact=False), right(geometry, *arrays)
    bounds = error_bounds(geometry, *arrays, exact=False)
    beyond = {name for name, bound in bounds.items() if (np.abs(found[name] - expected[name]) > bound.exact).any()}
    assert beyond == {"y", "dx", "dweight"}


def by_hand(geometry: ConvGeometry, source: np.ndarray, weight: np.ndarray, cell: tuple[int, ...]) -> float:
    """Sum over channels of (max |x| of the tile) * (sum |w|), of one output (n, f, i, j) of a 3×3 pass, padded by 1."""
    n, f, i, j = cell
    height, width = (axis.out for axis in geometry.axes)
    padded = np.pad(np.abs(source[n]), ((0, 0), (1, 1), (1, 1)))
    top, left = i // 4 * 4, j // 4 * 4
    window = padded[:, top : min(top + 4, height) + 2, left : min(left + 4, width) + 2]
    return float((window.max(axis=(1, 2)) * np.abs(weight[f]).sum(axis=(1, 2))).sum())


def test_the_bound_of_a_pass_is_its_definition() -> None:
    geometry = GEOMETRIES["3×3"]
    x, weight, bias, dy = arrays_of(geometry, "float64")
    narrow = [array.astype(np.float32) for array in (x, weight, bias, dy)]
    bounds = error_bounds(geometry, *narrow, exact=False)
    x, weight, bias, dy = (array.astype(np.float64) for array in narrow)
    eps, turned = float(np.finfo(np.float32).eps), weight.swapaxes(0, 1)
    for n, i, j in product(range(2), (0, 3, 4, 8), (0, 4, 5, 12)):
        for result, source, w, extra in (("y", x, weight, 64 * eps * np.abs(bias)), ("dx", dy, turned, np.zeros(16))):
            f = (n + i + j) % len(w)
            held = by_hand(geometry, source, w, (n, f, i, j))
            wanted = (17 + 8 / 15) ** 2 * eps * held + extra[f]
            if held:
                assert bounds[result].allowed[n, f, i, j] == pytest.approx(wanted, rel=1e-9), (result, n, i, j)


def test_the_bound_of_a_weight_gradient_is_its_definition() -> None:
    geometry = GEOMETRIES["3×3"]
    x, _, _, dy = arrays = arrays_of(geometry)
    bound = error_bounds(geometry, *arrays, exact=False)["dweight"]
    padded = np.pad(np.abs(x.astype(np.float64)), ((0, 0), (0, 0), (1, 1), (1, 1)))
    total = sum(
        padded[n, 3, i : min(i + 4, 9) + 2, j : min(j + 4, 13) + 2].max() * np.abs(dy[n, 5, i : i + 4, j : j + 4]).sum()
        for n, i, j in product(range(2), range(0, 9, 4), range(0, 13, 4))
    )
    wanted = (18 + 1 / 3) ** 2 * float(np.finfo(np.float32).eps) * total
    assert bound.allowed[5, 3] == pytest.approx(np.full((3, 3), wanted), rel=1e-6)


def test_the_bounds_of_slices_are_sums_over_those_that_a_window_meets() -> None:
    geometry = GEOMETRIES["slices"]
    x, weight, bias, dy = arrays = [array.astype(np.float64) for array in arrays_of(geometry)]
    bounds = error_bounds(geometry, *(array.astype(np.float32) for array in arrays), exact=False)
    padded, eps = np.pad(np.abs(x), ((0, 0), (0, 0), (1, 1), (1, 1), (2, 0))), float(np.finfo(np.float32).eps)
    for n, f, d, i, j in ((0, 3, 0, 0, 8), (1, 7, 2, 5, 9), (1, 0, 3, 8, 3)):
        window = padded[n, :, d : d + 3, i // 4 * 4 : i // 4 * 4 + 6, j // 4 * 4 : j // 4 * 4 + 6]
        held = (window.max(axis=(2, 3)) * np.abs(weight[f]).sum(axis=(2, 3))).sum()
        wanted = (17 + 8 / 15) ** 2 * eps * held + 64 * eps * abs(bias[f])
        assert bounds["y"].allowed[n, f, d, i, j] == pytest.approx(wanted, rel=1e-6)
    for tap in range(3):
        total = sum(
            padded[n, 3, d + tap, i : i + 6, j : j + 6].max() * np.abs(dy[n, 5, d, i : i + 4, j : j + 4]).sum()
            for n, d, i, j in product(range(2), range(4), range(0, 9, 4), range(0, 10, 4))
        )
        wanted = (18 + 1 / 3) ** 2 * eps * total
        assert bounds["dweight"].allowed[5, 3, tap] == pytest.approx(np.full((3, 3), wanted), rel=1e-6)


def test_a_tile_of_zeros_has_nothing_to_round() -> None:
    geometry = GEOMETRIES["none"]
    x, weight, _, dy = arrays_of(geometry)
    x[:], dy[:] = 0, 0
    for bound in error_bounds(geometry, x, weight, None, dy, exact=False).values():
        assert not bound.allowed.any()


def test_what_is_not_finite_leaves_the_other_elements_their_bound() -> None:
    geometry = GEOMETRIES["none"]
    x, weight, bias, _ = arrays_of(geometry)
    x[1, 0, 0, 0] = np.inf
    bound = error_bounds(geometry, x, weight, bias, exact=False)["y"]
    assert np.isfinite(bound.allowed[1, :, 4:]).all()
    assert bound.allowed[1, 0, 2, 2] == bound.exact[1, 0, 2, 2]


@pytest.mark.parametrize(
    ("geometry", "dtype", "names"),
    [
        (GEOMETRIES["3×3"], "float32", (WINOGRAD, WINOGRAD, "Winograd F(3×3, 4×4)", "direct")),
        (GEOMETRIES["3×3"], "float16", (WINOGRAD, WINOGRAD, "Winograd F(3×3, 4×4)", "direct")),
        (GEOMETRIES["3×3"], "float64", ("direct",) * 4),
        (GEOMETRIES["1×3"], "float32", (*["Winograd F(1×4, 1×3)"] * 2, "Winograd F(1×3, 1×4)", "direct")),
        (GEOMETRIES["small"], "float32",
         ("Winograd F(2×3, 3×3)", "Winograd F(3×4, 3×3)", "Winograd F(3×3, 2×3)", "direct")),
        (geometry_of((8, 8), 16, 16, (3, 3), ((1, 1),) * 2, groups=16), "float32", (*["depthwise"] * 3, "direct")),
        (geometry_of((8, 8), 1, 16, (5, 5), ((1, 1),) * 2), "float32",
         ("Winograd F(2×2, 5×5)", "direct, through columns", "Winograd F(5×5, 2×2)", "direct")),
        (geometry_of((9, 9), 16, 16, (3, 3), ((1, 1),) * 2, stride=2), "float32",
         ("Winograd F(4×4, 2×2) of 4 phases",
          "Winograd F(4×4, 2×2), Winograd F(4×1, 2×1), Winograd F(1×4, 1×2), direct", "direct", "direct")),
        (GEOMETRIES["slices"], "float32",
         (f"{WINOGRAD} in 3 slices", f"{WINOGRAD} in 3 slices", "Winograd F(3×3, 4×4) in 3 slices", "direct")),
    ],
)  # fmt: skip
def test_algorithms_have_names(geometry: ConvGeometry, dtype: str, names: tuple[str, ...]) -> None:
    bounds = error_bounds(geometry, *arrays_of(geometry, dtype), exact=False)
    assert tuple(bound.algorithm for bound in bounds.values()) == names
    assert all((bound.winograd is not None) == bound.runs_winograd for bound in bounds.values())
    exact = error_bounds(geometry, *arrays_of(geometry, dtype), exact=True)
    assert not any(bound.runs_winograd or bound.algorithm.startswith("Winograd") for bound in exact.values())
    assert [bound.winograd is None for bound in exact.values()] == [bound.winograd is None for bound in bounds.values()]


def test_the_option_decides_where_nobody_says_it() -> None:
    geometry = GEOMETRIES["3×3"]
    x, weight, _, _ = arrays_of(geometry)
    for exact in (True, False):
        with fc.options(exact=exact):
            bound = error_bounds(geometry, x, weight)["y"]
        assert bound.runs_winograd is not exact
        assert bound.allowed is (bound.exact if exact else bound.winograd)


def test_the_looser_promise_does_not_hold_where_the_other_does() -> None:
    bound = ErrorBound(np.ones(1), "direct", np.full(1, 5.0), 307.4, False)
    assert bound.allowed == 1
    assert bound.promise == "64 eps sum |x·w|"
    assert bound._replace(runs_winograd=True).allowed == 5
