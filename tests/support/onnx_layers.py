"""Layers of every kind, with awkward arguments, that the tests write as graphs of ONNX."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastconv import layers as L

LINES, PLANES, VOLUMES = (2, 3, 11), (2, 3, 9, 8), (2, 3, 5, 6, 7)
LAST, ROWS = (2, 9, 8, 3), (2, 6)
WINDOWS = (  # kernel, stride, padding, dilation, ceil mode
    (3, 2, 1, 1, True),
    (2, 2, 0, 1, True),  # a last window that sticks out
    (2, 1, 2, 3, False),  # padding wider than the kernel
    ((2, 3), (3, 2), ((1, 0), (0, 2)), 1, True),
    (3, None, "same", 1, False),
)


def _convolutions() -> Iterator[tuple[L.Layer, tuple[int, ...]]]:
    asymmetric = ((2, 1), (1, 0))
    yield L.Conv1d(3, 4, 3, rng=0), LINES
    yield L.Conv2d(3, 4, (3, 2), (2, 1), ((1, 2), (0, 1)), (1, 2), rng=0), PLANES
    yield L.Conv2d(3, 6, 3, groups=3, bias=False, padding="same", rng=0), PLANES
    yield L.Conv2d(3, 4, 4, 2, "same_lower", rng=0), PLANES
    yield L.Conv2d(3, 4, (3, 2), padding=asymmetric, layout="NHWC", rng=0), LAST
    yield L.Conv2d(3, 4, 4, 2, "same", padding_mode="circular", rng=0), PLANES
    yield L.Conv2d(3, 4, 3, padding=1, padding_mode="circular", layout="NHWC", rng=0), LAST
    for mode in ("reflect", "replicate", "circular"):
        yield L.Conv2d(3, 4, 3, padding=asymmetric, padding_mode=mode, rng=0), PLANES
    yield L.Conv3d(3, 4, 2, rng=0), VOLUMES
    yield L.ConvTranspose1d(3, 4, 3, 2, output_padding=1, rng=0), LINES
    yield L.ConvTranspose2d(3, 4, (3, 4), 2, ((1, 0), (0, 2)), (1, 0), rng=0), PLANES
    yield L.ConvTranspose2d(3, 6, 2, 3, "same", groups=3, dilation=2, bias=False, rng=0), PLANES
    yield L.ConvTranspose2d(3, 4, 3, 2, "same", layout="NHWC", rng=0), LAST
    yield L.ConvTranspose2d(3, 4, 2, 1, 2, 2, dilation=3, rng=0), PLANES
    yield L.ConvTranspose2d(3, 4, (2, 1), (1, 2), 0, 2, dilation=3, rng=0), PLANES
    yield L.ConvTranspose3d(3, 4, 2, 2, rng=0), VOLUMES


def _pools() -> Iterator[tuple[L.Layer, tuple[int, ...]]]:
    yield L.MaxPool1d(3, 2, 1), LINES
    yield L.AvgPool1d(3, 2, 1, ceil_mode=True), LINES
    yield L.LPPool1d(2, 3), LINES
    yield L.MaxPool3d(2, ceil_mode=True), VOLUMES
    yield L.AvgPool3d(2, padding=1), VOLUMES
    yield L.LPPool3d(2.5, 2), VOLUMES
    yield L.MaxPool2d(2, layout="NHWC"), LAST
    yield L.AvgPool2d(3, 2, 1, ceil_mode=True, layout="NHWC"), LAST
    for how in WINDOWS:
        yield L.MaxPool2d(*how), PLANES
        yield L.AvgPool2d(*how), PLANES
        yield L.AvgPool2d(*how, count_include_pad=False), PLANES
        yield L.LPPool2d(3, *how), PLANES
    yield L.LPPool2d(1.5, 2), PLANES
    pools = (L.MaxPool2d(2), L.MaxPool2d(3, 2, 1, ceil_mode=True), L.MaxPool2d(2, 3, dilation=2))
    padded = L.MaxPool2d(3, 3, ((2, 2), (2, 1)), ceil_mode=True)
    for pool in (*pools, padded, L.MaxPool2d(2, layout="NHWC"), L.AdaptiveMaxPool2d((3, 4)), L.GlobalMaxPool2d()):
        yield L.Sequential(pool, L.ReLU(), L.MaxUnpool2d(pool)), PLANES
    line, volume = L.MaxPool1d(2), L.MaxPool3d(2)
    yield L.Sequential(line, L.MaxUnpool1d(line)), LINES
    yield L.Sequential(volume, L.MaxUnpool3d(volume)), VOLUMES


def _plane_pools() -> Iterator[tuple[L.Layer, tuple[int, ...]]]:
    for size in (1, (3, 4), (4, None), (4, 10)):
        yield L.AdaptiveAvgPool2d(size), PLANES
        yield L.AdaptiveMaxPool2d(size), PLANES
    yield L.AdaptiveAvgPool1d(4), LINES
    yield L.AdaptiveMaxPool1d(11), LINES
    yield L.AdaptiveAvgPool3d((2, 3, None)), VOLUMES
    yield L.AdaptiveMaxPool3d((2, 4, 9)), VOLUMES
    yield L.AdaptiveAvgPool2d((4, 3), layout="NHWC"), LAST
    globals_ = (L.GlobalAvgPool1d, L.GlobalMaxPool1d), (L.GlobalAvgPool2d, L.GlobalMaxPool2d)
    for kinds, shape in zip((*globals_, (L.GlobalAvgPool3d, L.GlobalMaxPool3d)), (LINES, PLANES, VOLUMES)):
        for kind in kinds:
            yield kind(), shape
    yield L.GlobalMaxPool2d(layout="NHWC"), LAST


def _activations() -> Iterator[tuple[L.Layer, tuple[int, ...]]]:
    plain = (L.ReLU, L.ReLU6, L.HardSigmoid, L.HardSwish, L.SELU, L.SiLU, L.Softsign, L.Sigmoid, L.Tanh, L.Identity)
    for kind in plain:
        yield kind(), PLANES
    yield L.LeakyReLU(0.2), PLANES
    yield L.ELU(0.7), PLANES
    yield L.GELU(), PLANES
    yield L.GELU("tanh"), PLANES
    yield L.Softplus(), PLANES
    yield L.Softplus(2.0, 1.0), PLANES
    yield L.Softplus(-0.5), PLANES
    yield L.PReLU(), PLANES
    yield L.PReLU(3), VOLUMES
    yield L.PReLU(3, axis=-1), LAST
    yield L.PReLU(6), ROWS
    yield L.Softmax(), PLANES
    yield L.Softmax(-1), ROWS
    yield L.LogSoftmax(2), PLANES


def _normalizations() -> Iterator[tuple[L.Layer, tuple[int, ...]]]:
    yield L.BatchNorm1d(6), ROWS
    yield L.BatchNorm1d(3), LINES
    yield L.BatchNorm2d(3), PLANES
    yield L.BatchNorm2d(3, affine=False), PLANES
    yield L.BatchNorm2d(3, track_running_stats=False), PLANES
    yield L.BatchNorm2d(3, layout="NHWC"), LAST
    yield L.BatchNorm3d(3), VOLUMES
    yield L.InstanceNorm1d(3, affine=True), LINES
    yield L.InstanceNorm2d(3), PLANES
    yield L.InstanceNorm2d(3, track_running_stats=True), PLANES
    yield L.InstanceNorm2d(3, affine=True, layout="NHWC"), LAST
    yield L.InstanceNorm3d(3), VOLUMES
    yield L.LayerNorm((9, 8)), PLANES
    yield L.LayerNorm(8, bias=False), PLANES
    yield L.LayerNorm(6, elementwise_affine=False), ROWS
    yield L.GroupNorm(3, 3), LINES
    yield L.GroupNorm(1, 3, affine=False), VOLUMES
    yield L.GroupNorm(3, 3, layout="NHWC"), LAST
    yield L.GroupNorm(2, 6), ROWS
    yield L.LocalResponseNorm(3), PLANES
    yield L.LocalResponseNorm(2, 1.0, 0.6, 0.3), PLANES
    yield L.LocalResponseNorm(3, 1.0), LINES
    yield L.LocalResponseNorm(2, layout="NHWC"), LAST
    yield L.LocalResponseNorm(5), VOLUMES


def _others() -> Iterator[tuple[L.Layer, tuple[int, ...]]]:
    yield L.Linear(6, 4, rng=0), ROWS
    yield L.Linear(6, 4, bias=False, rng=0), ROWS
    for ends in ((1, -1), (2, -1), (0, 1), (0, -1), (1, 2)):
        yield L.Flatten(*ends), PLANES
    for options in ({"scale_factor": 3}, {"size": (5, 17)}, {"scale_factor": (1.3, 0.7)}, {"size": 18}):
        yield L.Upsample(**options), PLANES
        yield L.Upsample(mode="bilinear", **options), PLANES
        yield L.Upsample(mode="bilinear", align_corners=True, **options), PLANES
    yield L.Upsample((1, 1), mode="bilinear", align_corners=True), PLANES
    yield L.Upsample(5), LINES
    yield L.Upsample(2), VOLUMES
    yield L.Upsample(2, layout="NHWC"), LAST
    yield L.ZeroPad1d((2, 1)), LINES
    yield L.ZeroPad2d((1, 2, 0, 4)), PLANES
    yield L.ZeroPad2d(1, layout="NHWC"), LAST
    yield L.ZeroPad3d((1, 2, 0, 1, 3, 0)), VOLUMES
    yield L.SubsampleShortcut(3, 8, (2, 3)), PLANES
    yield L.SubsampleShortcut(3, 6, layout="NHWC"), LAST
    yield L.Dropout(), ROWS
    yield L.Dropout1d(), LINES
    yield L.Dropout2d(layout="NHWC"), LAST
    yield L.Dropout3d(), VOLUMES
    yield L.Residual(L.Conv2d(3, 3, 1, rng=0)), PLANES
    yield L.Residual(L.Conv2d(3, 3, 1, rng=0), L.Identity(), L.ReLU()), PLANES
    yield L.Concat(L.Conv2d(3, 2, 1, rng=0), L.Identity()), PLANES
    yield L.Concat(L.Identity(), L.ReLU(), axis=-1), PLANES
    yield L.Sequential(), PLANES


def _distinct(layer: L.Layer) -> L.Layer:
    """Give statistics, factors and terms values of their own."""
    rng = np.random.default_rng(0)
    for parameter in layer.parameters():
        if parameter.ndim == 1:
            parameter.data = rng.random(parameter.shape) + 0.3
    for _, values in layer.named_buffers():
        if values.ndim:
            values[...] = rng.random(values.shape) + 0.5
    return layer


CASES = {
    f"{layer!r}, {shape}": (_distinct(layer), shape)
    for part in (_convolutions, _pools, _plane_pools, _activations, _normalizations, _others)
    for layer, shape in part()
}
