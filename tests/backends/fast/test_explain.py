"""What is said about plans: which kernel, and why; checked against the plans themselves."""

from __future__ import annotations

import re
import sys

import pytest
from strategies import BACKENDS, CONV_CASES, ConvCase

from fastconv.backends.geometry import ConvGeometry, conv_axis
from fastconv.evidence.workloads import LAYERS, by_name

if "fast" not in BACKENDS:
    pytest.skip("the fast backend needs Numba", allow_module_level=True)

from fastconv.backends.fast.conv.conv import plan_gradient, plan_pass
from fastconv.backends.fast.conv.passes import forward_pass
from fastconv.backends.fast.explain import explain
from fastconv.backends.settings import get_options, options

PASSES = ("forward", "input gradient", "weight gradient")


def geometry_of(case: ConvCase) -> ConvGeometry:
    batch, channels, *sizes = case.x_shape
    filters, _, *kernel = case.weight_shape
    stride, padding, dilation = (
        (value, value) if isinstance(value, int) else value for value in (case.stride, case.padding, case.dilation)
    )
    pads = [(pad, pad) if isinstance(pad, int) else pad for pad in padding]
    axes = tuple(conv_axis(*axis[:4], *axis[4]) for axis in zip(sizes, kernel, stride, dilation, pads))
    return ConvGeometry(axes, batch, channels, filters, case.groups)


def said(case: ConvCase, itemsize: int = 4, threads: int = 2) -> str:
    return "\n".join(explain(geometry_of(case), itemsize, threads))


def parts(text: str) -> dict[str, str]:
    """Pass -> what is said about it."""
    _, *rest = re.split(rf"^({'|'.join(PASSES)}): ", text, flags=re.MULTILINE)
    return dict(zip(rest[::2], rest[1::2]))


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_every_pass_of_every_layer(layer) -> None:  # type: ignore[no-untyped-def]
    geometry = layer.geometry
    found = parts("\n".join(explain(geometry, 4, 2)))
    assert tuple(found) == PASSES
    limit, exact = get_options().max_workspace, get_options().exact
    forward = plan_pass(forward_pass(geometry), 4, 2, limit, exact=exact)
    assert found["forward"].startswith(forward.description + "\n")
    weight = plan_gradient(forward_pass(geometry), 4, 2, limit, exact=exact)
    assert found["weight gradient"].startswith(weight.description.removesuffix(" tasks"))
    expected = f"{weight.splits} splits of the pixels" if weight.splits > 1 else "one sum over all pixels"
    assert expected in found["weight gradient"]
    for text in found.values():
        assert "because" in text
    assert "2 tasks for " in found["forward"]


DILATED = ConvCase((4, 64, 28, 28), (64, 64, 3, 3), 1, 2, 2)
DEEP = ConvCase((1, 32, 8, 16, 16), (32, 32, 3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1))
LARGE = ConvCase((4, 32, 30, 28), (48, 32, 3, 3), 1, 1)
LARGE_6X6 = ConvCase((4, 32, 30, 28), (48, 32, 6, 6), 1, 2)
SMALL = ConvCase((2, 18, 9, 11), (18, 2, 3, 3), 1, 1, 1, 9)


@pytest.mark.parametrize(
    ("case", "passed", "reason"),
    [
        (LARGE_6X6, "forward", "bands, because windows reach into the padding"),
        (LARGE, "forward", "Winograd F(4×4, 3×3), 3.9"),
        (
            LARGE,
            "forward",
            "the taps are 3×3 and the stride is 1: a tile of 4×4 outputs takes 36 products instead of 144",
        ),
        (
            LARGE,
            "forward",
            "one eps may grow to 308 eps of the sum over channels of (max |x| over the tile) × (sum |w|",
        ),
        (LARGE, "input gradient", "by Winograd's algorithm, because"),
        (LARGE, "weight gradient", "by Winograd's algorithm, because"),
        (ConvCase((2, 64, 1, 900), (64, 64, 1, 3)), "forward", "may grow to 18 eps"),
        (ConvCase((4, 64, 30, 28), (64, 64, 3, 3), 1, 2, 2), "forward", "4 passes over interleaved images, because of"),
        (
            ConvCase((1, 256, 7, 7), (256, 256, 3, 3), 1, 1),
            "forward",
            "each task transforms the weights of its filters",
        ),
        (LARGE, "forward", "a product, because 32 × 48 channels and filters meet"),
        (LARGE, "forward", "2 tasks for 93 MFLOP"),
        (LARGE, "input gradient", "one pass\n"),
        (CONV_CASES["plain"], "forward", "in place, because every window lies inside the source\n"),
        (CONV_CASES["one-by-one"], "forward", "all pixels are one row of memory"),
        (CONV_CASES["groups"], "forward", "bands, because the channels of a pixel belong to 2 groups"),
        (CONV_CASES["depthwise"], "weight gradient", "lanewise, because every filter sees one channel"),
        (SMALL, "forward", "groups are small: 9 groups of 2 channels and filters are side by side in the lanes"),
        (SMALL, "forward", "bands, because windows reach into the padding"),
        (ConvCase((2, 64, 9, 11), (2, 64, 3, 3), 1, 1), "forward", "dots in tiles of 11×2, bands of"),
        (
            ConvCase((2, 64, 9, 11), (2, 64, 3, 3), 1, 1),
            "forward",
            "dots, because filters are few: the lanes run along",
        ),
        (SMALL, "input gradient", "lanewise, because groups are small"),
        (SMALL, "weight gradient", "lanewise, because groups are small"),
        (CONV_CASES["one-channel"], "input gradient", "by columns, because channels are few: 1 channel would"),
        (CONV_CASES["plain"], "input gradient", "by columns"),
        (CONV_CASES["kernel-is-input"], "input gradient", "because each image is one window"),
        (ConvCase((2, 20, 60, 60), (24, 20, 6, 7), (6, 7)), "input gradient", "phases: there would be up to 42 passes"),
        (ConvCase((2, 20, 8, 8), (24, 20, 5, 5)), "input gradient", "because windows are few: 64 cells would be"),
        (DILATED, "forward", "4 passes over interleaved images, because of the dilation"),
        (DILATED, "weight gradient", "sums over interleaved images, because of the dilation"),
        (DEEP, "forward", "Winograd F(4×4, 3×3) in 3 slices, 4.00 times fewer products"),
        (DEEP, "forward", "a tile of 4×4 outputs takes 108 products instead of 432"),
        (DEEP, "forward", "the 3 slices that a window meets are added up before they are transformed back"),
        (DEEP, "weight gradient", "the 3 slices that a window meets have sums apart"),
        (CONV_CASES["plain"], "forward", "serial, because it is tiny"),
        (CONV_CASES["plain"], "weight gradient", "one sum over all pixels"),
        (ConvCase((2, 20, 31, 29), (24, 20, 3, 3), (2, 3), 1), "input gradient", "6 passes, one for each phase"),
        (ConvCase((2, 20, 31, 29), (24, 20, 3, 3), (2, 3), 1), "input gradient", "2×1 taps: product"),
        (ConvCase((2, 20, 31, 29), (24, 20, 2, 2), 3), "input gradient", "zero first, because some cells are read"),
    ],
)
def test_the_reasons(case: ConvCase, passed: str, reason: str) -> None:
    assert reason in parts(said(case))[passed]


@pytest.mark.parametrize(
    ("case", "passed", "why"),
    [
        (ConvCase((4, 32, 30, 28), (48, 32, 3, 6), 1, 1), "forward", "there are no transforms for 3×6 taps"),
        (ConvCase((4, 32, 30, 28), (48, 32, 3, 3), 2, 1), "weight gradient", "the stride is not 1"),
        (ConvCase((4, 32, 30, 28), (48, 32, 3, 3), 1, 2, 5), "forward", "the dilation is more than 4"),
        (ConvCase((4, 32, 30, 28), (48, 32, 3, 3), 1, 3), "forward", "some windows lie in the padding alone"),
        (
            ConvCase((4, 3, 30, 28), (48, 3, 3, 3), 1, 1),
            "forward",
            "3 × 48 channels and filters for 3,360 pixels would not",
        ),
        (
            ConvCase((1, 3, 6, 5), (4, 3, 3, 3), 1, 1),
            "weight gradient",
            "3 × 4 channels and filters for 30 pixels would",
        ),
    ],
)
def test_why_all_products(case: ConvCase, passed: str, why: str) -> None:
    assert f"all products, not Winograd's algorithm, because {why}" in parts(said(case))[passed]
    with options(exact=True):
        assert "all products, not Winograd's algorithm, because exact results are asked for\n" in said(LARGE)
        assert "by Winograd" not in said(LARGE)
    assert "because the numbers are float64\n" in said(LARGE, itemsize=8)
    assert "all products" not in said(CONV_CASES["one-by-one"])


@pytest.mark.parametrize(
    ("size", "taps", "stride", "says"), [(9000, 1024, 1, True), (9000, 1023, 1, False), (9000, 1024, 2, False),
    (1030, 1024, 1, False)],
)  # fmt: skip
def test_long_filters_are_named(size: int, taps: int, stride: int, says: bool) -> None:
    axes = conv_axis(1, 1, 1, 1, 0, 0), conv_axis(size, taps, stride, 1, 0, 0)
    forward, *_ = "\n".join(explain(ConvGeometry(axes, 1, 2, 2, 1), 4, 2)).split("input gradient")
    assert ("scipy.signal.oaconvolve, takes fewer products" in forward) == says


def test_one_thread_is_one_task() -> None:
    text = said(LARGE, threads=1)
    assert "one task for" in text
    assert "2 tasks" not in text


# the command line


def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    pytest.importorskip("typer")
    from fastconv import cli

    monkeypatch.setattr(sys, "argv", ["fastconv", "compare", "--explain", *arguments])
    code = cli.main()
    out, err = capsys.readouterr()
    assert (code == 0) == (err == "")
    return out, err


def test_every_convolution_by_default(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = command(monkeypatch, capsys)
    for layer in LAYERS:
        sizes = ("×".join(map(str, shape)) for shape in (layer.input_shape, layer.weight_shape or ()))
        assert f"{layer.name}: {' ⋆ '.join(sizes)}\n" in out
    assert out.count("because") > len(LAYERS)
    assert "maxpool" not in out


def test_named_workloads_and_settings(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = command(monkeypatch, capsys, "conv5x5_1_20_28", "--batch", "3", "--threads", "1", "--dtype", "float64")
    geometry = by_name("conv5x5_1_20_28").with_batch(3).geometry
    assert isinstance(geometry, ConvGeometry)
    assert out.splitlines()[0] == "conv5x5_1_20_28: 3×1×28×28 ⋆ 20×1×5×5"
    assert [line[2:] for line in out.splitlines()[1:]] == explain(geometry, 8, 1)


def test_a_layer_of_ones_own(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    layer = ("--input", "2,9,7,4", "--weight", "6,2,3,3", "--layout", "NHWC", "--groups", "2", "--stride", "2,1")
    out, _ = command(monkeypatch, capsys, *layer)
    assert out.startswith("conv2d: 2×4×9×7 ⋆ 6×2×3×3\n")
    assert "belong to 2 groups" in out


@pytest.mark.parametrize(
    "arguments", [["maxpool2x2_64_56"], ["--operation", "avg_pool2d", "--input", "1,2,6,8", "--kernel-size", "2"]]
)
def test_poolings_have_nothing_to_explain(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    _, err = command(monkeypatch, capsys, *arguments)
    assert re.search(r"--explain is for convolutions, but .* is (max|avg)_pool2d\.", err)
