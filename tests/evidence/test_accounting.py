"""Counting parameters, operations and memory: against the arithmetic of a tutorial, by hand, and against the plans."""

from __future__ import annotations

import json
import subprocess
import sys
import weakref
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv import models
from fastconv.backends.geometry import ConvGeometry, conv_axis
from fastconv.errors import InvalidTypeError, InvalidValueError, NotRunError
from fastconv.evidence.summary import Summary
from fastconv.evidence.summary.api import scratch_numbers
from fastconv.evidence.summary.lifetimes import Work, inference_moments, kept_bytes, peak, training_moments
from fastconv.evidence.summary.workspace import Workspace, conv_workspace, linear_workspace
from fastconv.evidence.workloads import LAYERS, Workload
from fastconv.layers import (
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Identity,
    Layer,
    Linear,
    MaxPool2d,
    Parameter,
    ReLU,
    Sequential,
)
from fastconv.optim import SGD, Adam, AdamW, RMSprop
from fastconv.report import format_bytes, format_count

MEGABYTE = 10**6


def small() -> Sequential:
    return Sequential(
        Conv2d(3, 4, (3, 5), padding="same", rng=0), ReLU(), MaxPool2d(2), Flatten(), Linear(4 * 3 * 5, 7, rng=0)
    )


# the arithmetic of the tutorial


def test_a_layer_of_200_maps() -> None:
    """5×5 kernels, 200 maps of 150×100 from RGB: (5·5·3 + 1)·200 parameters, 75 products per unit of 150·100·200."""
    layer = Conv2d(3, 200, (5, 5), stride=1, padding="same", rng=0)
    one = fc.summary(layer, (1, 3, 150, 100))
    assert one.parameters == (5 * 5 * 3 + 1) * 200 == 15_200
    assert one.multiply_adds == 150 * 100 * 200 * 75 == 225_000_000
    assert one.flops == 450_000_000
    assert one.layers[0].output_shape == (1, 200, 150, 100)
    assert one.activation_bytes == 200 * 150 * 100 * 32 // 8 == 12_000_000


def test_a_batch_of_100_takes_over_a_gigabyte_in_training() -> None:
    hundred = fc.summary(Conv2d(3, 200, 5, padding="same", rng=0), (3, 150, 100), batch=100)
    assert hundred.parameters == 15_200
    assert hundred.activation_bytes == 1_200_000_000
    assert hundred.training_activation_bytes == 1_200_000_000 + hundred.input_bytes > 2**30
    assert hundred.peak_training_bytes > hundred.training_activation_bytes


def test_inference_takes_two_layers_and_training_all() -> None:
    layers = [Conv2d(3, 200, 5, padding="same"), *(Conv2d(200, 200, 1) for _ in range(5))]
    deep = fc.summary(Sequential(*layers), (1, 3, 150, 100))
    assert deep.inference_activation_bytes == 2 * 12 * MEGABYTE
    assert deep.training_activation_bytes == 6 * 12 * MEGABYTE + deep.input_bytes


# by hand


def test_every_figure_of_a_small_network() -> None:
    found = fc.summary(small(), (2, 3, 6, 10), optimizer="adam")
    conv, relu, pool, flatten, linear = found.layers
    assert [layer.name for layer in found.layers] == ["0", "1", "2", "3", "4"]
    assert [layer.kind for layer in found.layers] == ["Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear"]
    assert [layer.output_shape for layer in found.layers] == [
        (2, 4, 6, 10), (2, 4, 6, 10), (2, 4, 3, 5), (2, 60), (2, 7),
    ]  # fmt: skip
    assert (conv.parameters, linear.parameters) == (4 * 3 * 15 + 4, 60 * 7 + 7)
    assert (conv.multiply_adds, linear.multiply_adds) == (2 * 4 * 60 * 45, 2 * 60 * 7)
    assert conv.flops == 2 * conv.multiply_adds
    assert relu.multiply_adds == pool.multiply_adds == flatten.multiply_adds == flatten.flops == 0
    assert relu.flops == 2 * 4 * 6 * 10
    assert pool.flops == 2 * 4 * 3 * 5 * 4
    assert [layer.activation_bytes for layer in found.layers] == [1920, 1920, 480, 480, 56]
    assert found.parameters == found.trainable_parameters == 184 + 427
    assert found.multiply_adds == conv.multiply_adds + linear.multiply_adds
    assert found.parameter_bytes == found.gradient_bytes == 611 * 4
    assert found.optimizer_bytes == 2 * 611 * 4
    assert found.buffer_bytes == 0
    assert found.input_bytes == 2 * 3 * 60 * 4
    assert found.activation_bytes == 1920 + 1920 + 480 + 480 + 56
    assert found.inference_activation_bytes == 1920 + 1920


@pytest.mark.parametrize(("dtype", "itemsize"), [("float16", 2), ("float32", 4), ("float64", 8)])
def test_bytes_follow_the_dtype(dtype: str, itemsize: int) -> None:
    found = fc.summary(small(), (2, 3, 6, 10), dtype=dtype)
    assert found.dtype == dtype
    assert found.parameter_bytes == 611 * itemsize
    assert found.activation_bytes == (480 + 480 + 120 + 120 + 14) * itemsize


def test_the_dtype_is_that_of_the_parameters() -> None:
    assert fc.summary(Linear(2, 3, dtype="float64"), (1, 2)).dtype == "float64"
    assert fc.summary(ReLU(), (1, 2)).dtype == "float32"


def test_memory_grows_with_the_batch_and_parameters_do_not() -> None:
    one, four = (fc.summary(small(), (3, 6, 10), batch=batch) for batch in (1, 4))
    assert four.parameters == one.parameters
    assert four.activation_bytes == 4 * one.activation_bytes
    assert four.multiply_adds == 4 * one.multiply_adds
    assert four.training_activation_bytes == 4 * one.training_activation_bytes


def test_frozen_parameters_have_no_gradient_and_no_state() -> None:
    model = small()
    model[0].weight.requires_grad = False
    found = fc.summary(model, (2, 3, 6, 10))
    assert (found.parameters, found.trainable_parameters, found.frozen_parameters) == (611, 431, 180)
    assert found.gradient_bytes == 431 * 4
    assert found.optimizer_bytes == 2 * 431 * 4
    assert found.layers[0].trainable_parameters == 4
    assert "611 (180 frozen)" in str(found)


def test_a_shared_parameter_counts_once() -> None:
    first, second = Linear(5, 5, rng=0), Linear(5, 5, rng=0)
    vars(second)["weight"] = first.weight
    found = fc.summary(Sequential(first, second), (1, 5))
    assert found.parameters == 25 + 5 + 5
    assert [layer.parameters for layer in found.layers] == [30, 5]


class Scaled(Layer):
    """A layer with a parameter of its own around another one, of which a trace knows nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = Parameter(np.ones(1, np.float32))
        self.inner = Linear(3, 4, rng=0)

    def forward(self, x: Any) -> Any:
        return self.scale.data * self.inner.forward(x)

    def backward(self, dy: Any, *, input_gradient: bool = True) -> Any:
        return self.inner.backward(self.scale.data * dy, input_gradient=input_gradient)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.inner.output_shape(input_shape)


def test_parameters_inside_a_layer_belong_to_it() -> None:
    found = fc.summary(Sequential(Scaled(), Linear(4, 2, rng=0)), (1, 3))
    assert [layer.parameters for layer in found.layers] == [1 + 16, 10]


def test_a_view_takes_no_memory() -> None:
    found = fc.summary(Sequential(Linear(3, 4, rng=0), Identity()), (2, 3))
    assert [layer.activation_bytes for layer in found.layers] == [32, 0]
    assert found.inference_activation_bytes == 24 + 32


def test_a_transposed_convolution() -> None:
    layer = ConvTranspose2d(4, 3, (2, 3), stride=2, rng=0)
    found = fc.summary(layer, (2, 4, 5, 6))
    assert found.parameters == 4 * 3 * 6 + 3
    assert found.multiply_adds == 2 * 5 * 6 * 4 * 3 * 6
    assert found.layers[0].workspace_bytes > 0
    assert fc.summary(layer, (2, 4, 5, 6), training=False).layers[0].workspace_bytes > 0


# optimisers


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("sgd", lambda p: SGD(p, lr=0.1)),
        ("momentum", lambda p: SGD(p, lr=0.1, momentum=0.9)),
        ("rmsprop", lambda p: RMSprop(p, lr=0.1)),
        ("adam", lambda p: Adam(p)),
        ("adamw", lambda p: AdamW(p)),
    ],
)
def test_the_state_is_what_the_optimiser_keeps(name: str, make: Any) -> None:
    model = small()
    optimizer = make(model.parameters())
    for parameter in model.parameters():
        parameter.accumulate(np.ones(parameter.shape, np.float32))
    with fc.use_backend("numpy"):
        optimizer.step()
    kept = sum(array.nbytes for array in optimizer.state_dict()["slots"].values())
    assert fc.summary(model, (1, 3, 6, 10), optimizer=name).optimizer_bytes == kept
    shapes = [parameter.shape for parameter in model.parameters()]
    scratch = sum(array.size for array in optimizer._scratch.values())
    assert scratch_numbers(shapes) == scratch


def test_an_update_runs_over_rows() -> None:
    assert scratch_numbers([]) == 0
    assert scratch_numbers([(3,), (2, 5)]) == 2 * 10
    assert scratch_numbers([(2**10, 2**10)]) == 2 * 2**14
    assert scratch_numbers([(3, 2**20)]) == 2 * 2**20


# what is alive together


def chain(*kept: tuple[bool, bool]) -> tuple[list[Work], dict[int, int]]:
    """Layers over arrays of 100, 101, 102... bytes, which keep (input, output) or not."""
    found = [
        Work(
            str(i), (i,), i + 1,
            keeps=frozenset(key for key, keep in zip((i, i + 1), keeps) if keep),
            gradients=1000,
        )
        for i, keeps in enumerate(kept)
    ]  # fmt: skip
    return found, {i: 100 + i for i in range(len(kept) + 1)}


def test_inference_drops_what_nobody_reads_any_more() -> None:
    found, sizes = chain((True, False), (True, False), (True, False))
    moments = [moment.nbytes for moment in inference_moments(found, sizes, everything=False)]
    assert moments == [100, 100 + 101, 101 + 102, 102 + 103]
    held = [moment.nbytes for moment in inference_moments(found, sizes, everything=True)]
    assert held == [100, 100 + 101, 100 + 101 + 102, 100 + 102 + 103]


def test_training_keeps_what_the_layers_keep() -> None:
    found, sizes = chain((True, False), (False, True), (True, False))
    assert kept_bytes(found, sizes) == 100 + 102 + 103
    nothing, sizes = chain((False, False), (False, False))
    assert kept_bytes(nothing, sizes) == 100 + 102


def test_the_moments_of_a_training_step() -> None:
    found, sizes = chain((True, False), (True, False))
    moments = {moment.what: moment.nbytes for moment in training_moments(found, sizes, optimizer=7)}
    kept = 100 + 101 + 102
    assert moments == {
        # batch, new array; the batch, the array, the output and its gradient of the step before
        "forward of 0": 100 + 101 + 100 + 101 + 102 + 102,
        # batch, two new arrays; the batch of the step before has gone
        "forward of 1": 100 + 101 + 102 + 101 + 102 + 102,
        "backward of 1": kept + 1000 + 102 + 101,
        "backward of 0": kept + 2000 + 102 + 101,  # nobody wants the gradient of the batch; the caller holds dy
        "the optimiser": kept + 2000 + 102 + 7,
    }
    assert peak(training_moments(found, sizes, 7)).what == "backward of 0"


def block(*, shortcut: bool) -> tuple[list[Work], dict[int, int]]:
    """A layer, two layers around which a shortcut runs (with a layer in it or not), their sum, a layer."""
    found = [Work("in", (0,), 1), Work("a", (1,), 2), Work("b", (2,), 3)]
    if shortcut:
        found += [Work("s", (1,), 4), Work("sum", (3, 4), 5, branches=((1, 3), (3, 4))), Work("out", (5,), 6)]
    else:
        found += [Work("sum", (3, 1), 5, branches=((1, 3), (3, 3))), Work("out", (5,), 6)]
    return found, {key: 10**key for key in range(7)}


@pytest.mark.parametrize("shortcut", [False, True])
def test_what_branches_read_stays_until_they_meet(shortcut: bool) -> None:
    found, sizes = block(shortcut=shortcut)
    moments = {moment.what: moment.nbytes for moment in inference_moments(found, sizes, everything=False)}
    expected = {
        "the start": 1, "forward of in": 11, "forward of a": 110, "forward of b": 1110, "forward of s": 11010,
        "forward of sum": 111010 if shortcut else 101010, "forward of out": 1100000,
    }  # fmt: skip
    assert moments == {what: nbytes for what, nbytes in expected.items() if shortcut or what != "forward of s"}


@pytest.mark.parametrize("shortcut", [False, True])
def test_branches_send_their_gradients_back_one_by_one(shortcut: bool) -> None:
    """Digit k of a figure counts the arrays of size 10**k: dy of the sum is there until all branches are done."""
    found, sizes = block(shortcut=shortcut)
    moments = [moment for moment in training_moments(found, sizes, 0) if moment.what.startswith("backward")]
    kept = kept_bytes(found, sizes)
    assert kept == 1 + 10**6
    dy = 10**6  # which the caller holds
    alive = [(moment.what.removeprefix("backward of "), moment.nbytes - kept - dy) for moment in moments]
    first = [("out", 100000), ("b", 100000 + 100), ("a", 100000 + 110)]
    if shortcut:
        # dx of both branches, and their sum
        assert alive == [*first, ("s", 100000 + 20), ("sum", 100000 + 30), ("in", 10)]
    else:
        assert alive == [*first, ("sum", 100000 + 20), ("in", 10)]


def test_branches_of_the_batch_want_no_gradient() -> None:
    found = [Work("a", (0,), 1), Work("b", (0,), 2), Work("sum", (1, 2), 3, branches=((0, 1), (1, 2)))]
    sizes = {0: 1, 1: 10, 2: 100, 3: 1000}
    moments = [moment for moment in training_moments(found, sizes, 0) if moment.what.startswith("backward")]
    assert [moment.nbytes - kept_bytes(found, sizes) for moment in moments] == [1000, 1000]


def test_a_network_without_layers() -> None:
    found = fc.summary(Sequential(), (2, 3))
    assert found.layers == ()
    assert found.peak_inference_bytes == found.peak_training_bytes == found.training_activation_bytes == 24


# workspace


def borrowed(geometry: ConvGeometry, itemsize: int, threads: int, limit: int, *, exact: bool) -> Workspace:
    """What the engine borrows, from its plans."""
    from fastconv.backends.fast.conv import conv
    from fastconv.backends.fast.conv import through_columns as scatter
    from fastconv.backends.fast.conv.passes import forward_pass, input_gradient_passes

    def of(task: Any, transposed: bool) -> int:
        made = conv._prepare(task, geometry, transposed, itemsize, threads, limit, exact)
        return made.packed_bytes + made.plan.transformed_bytes + made.plan.scratch_bytes

    if scatter.prefers_columns(geometry, itemsize):
        columns = scatter.plan_through_columns(geometry, itemsize, threads, limit)
        gradient = columns.packed_bytes + columns.zeros_bytes + columns.scratch_bytes
    else:
        gradient = max(of(task, True) for task in input_gradient_passes(geometry)[0])
    weight = conv.plan_gradient(forward_pass(geometry), itemsize, threads, limit, exact=exact)
    sums = conv.round_up(prod(weight.shape) * itemsize)
    if isinstance(weight, conv.WinogradGradientPlan) and weight.sums_first:
        sums += conv.round_up(prod(geometry.weight_shape) * itemsize)
    return Workspace(of(forward_pass(geometry), False), gradient, sums + weight.scratch_bytes)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_the_bound_holds_and_is_close(layer: Workload) -> None:
    pytest.importorskip("numba")
    settings = product((1, layer.input_shape[0]), (4, 8), (1, 2, 3), (1, 2**16, 2**26), (True, False))
    for batch, itemsize, threads, limit, direct in settings:
        geometry = layer.with_batch(batch).geometry
        assert isinstance(geometry, ConvGeometry)
        actual, bound = (f(geometry, itemsize, threads, limit, exact=direct) for f in (borrowed, conv_workspace))
        # two bands of slack per thread: what a plan rounds down, and tiles of another CPU; and all weights where each
        # thread packs a block of them at a time, which depends on the number of blocks, or where a gradient may have
        # so many chunks that it is compensated
        slack = threads * 2**20 + 2**20
        by_block = prod(geometry.weight_shape) > prod(geometry.input_shape)
        for name, exact, most in zip(Workspace._fields, actual, bound):
            assert exact <= most, (name, batch, itemsize, threads, limit)
            weights = prod(geometry.weight_shape) * itemsize if by_block else 0
            if limit > 2**16:  # hardly a tile fits into that: then the bound is of weights transformed once
                allowed = slack + weights + by_block * threads * 2**22
                assert most - exact <= allowed, (name, batch, itemsize, threads, limit)


@pytest.mark.parametrize(("groups", "each"), [(3, 4), (5, 2), (32, 4), (33, 8)])
@pytest.mark.parametrize(("kernel", "stride", "pad"), [(3, 1, 1), (3, 2, 1), (1, 1, 0), (4, 3, 0)])
def test_the_bound_holds_for_small_groups(groups: int, each: int, kernel: int, stride: int, pad: int) -> None:
    pytest.importorskip("numba")
    axes = tuple(conv_axis(size, kernel, stride, 1, pad, pad) for size in (12, 31))
    for batch, itemsize, threads, limit in product((1, 8), (4, 8), (1, 3), (1, 2**26)):
        geometry = ConvGeometry(axes, batch, groups * each, groups * each, groups)
        actual, bound = (f(geometry, itemsize, threads, limit, exact=True) for f in (borrowed, conv_workspace))
        for name, exact, most in zip(Workspace._fields, actual, bound):
            assert exact <= most, (name, batch, itemsize, threads, limit)


@pytest.mark.parametrize("filters", [1, 2, 4])
@pytest.mark.parametrize(("channels", "kernel", "stride"), [(64, 3, 1), (24, 7, 2), (600, 3, 1), (64, 1, 1)])
def test_the_bound_holds_for_few_filters(channels: int, kernel: int, stride: int, filters: int) -> None:
    pytest.importorskip("numba")
    for size, batch, threads in product(((9, 31), (1, 5000)), (1, 8), (1, 3)):
        axes = tuple(conv_axis(n, min(n, kernel), stride, 1, 0, 0) for n in size)
        padded = tuple(conv_axis(n, kernel, stride, 1, kernel // 2, kernel // 2) for n in size)
        for each, itemsize, limit in product((axes, padded), (4, 8), (1, 2**26)):
            geometry = ConvGeometry(each, batch, channels, filters, 1)
            actual, bound = (f(geometry, itemsize, threads, limit, exact=True) for f in (borrowed, conv_workspace))
            assert actual.forward <= bound.forward, (size, batch, itemsize, threads, limit)


TILED = {  # channels, filters, groups, size, batch; kernel 3×3, 1×3, 5×5 with a stride, 3×3 dilated, or 3×3×3
    "a strip": (16, 16, 1, (8, 9), 1),
    "many images": (24, 40, 1, (9, 13), 16),
    "groups": (32, 64, 2, (14, 14), 4),
    "few tiles": (256, 256, 1, (7, 7), 2),
    "many channels": (300, 17, 1, (28, 28), 1),
    "many filters": (9, 300, 1, (12, 40), 2),
    "a line": (64, 64, 1, (1, 200), 8),
}


@pytest.mark.parametrize("name", TILED)
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"),
    [((3, 3), 1, 1), ((1, 3), 1, 1), ((5, 5), 2, 1), ((3, 3), 1, 2), ((3, 3), 1, 3), ((3, 3, 3), 1, 1)],
)
def test_the_bound_of_tiles_holds_and_is_close_on_a_cpu_with_these_vectors(
    name: str,
    kernel: tuple[int, ...],
    stride: int,
    dilation: int,
    monkeypatch: pytest.MonkeyPatch,
    always_winograd: None,
) -> None:
    from fastconv.backends.fast.machine.target import host
    from fastconv.evidence.summary import winograd_workspace as tiled

    channels, filters, groups, size, batch = TILED[name]
    size = (4, *size)[-len(kernel) :]
    pads = [k // 2 * dilation for k in kernel]
    axes = tuple(conv_axis(n, k, stride, dilation, pad, pad) for n, k, pad in zip(size, kernel, pads))
    geometry = ConvGeometry(axes, batch, channels, filters, groups)
    three, sizes = (conv_axis(1, 1, 1, 1, 0, 0), *axes)[-3:], (channels // groups, filters // groups)
    monkeypatch.setattr(tiled, "_LANES", (host().lanes(4),))
    for threads, limit in ((1, 2**26), (2, 2**26), (5, 2**26), (2, 2**18)):
        bounds = tiled.tiled_bytes(three, batch, groups, *sizes, threads, limit)
        of_passes = [*zip(bounds, borrowed(geometry, 4, threads, limit, exact=False))]
        for bound, taken in of_passes[: 1 if stride > 1 else None]:  # gradients of a stride are other passes
            # strips are shorter where that shares them better, and small passes have one thread
            assert taken <= bound <= 1.2 * taken + threads * 2**20, (threads, limit)


@pytest.mark.parametrize("rows", [1, 8, 9, 50, 700])
@pytest.mark.parametrize(("inputs", "outputs"), [(8192, 100), (100, 10), (1000, 3000), (20, 2000), (7, 3)])
def test_the_bound_holds_for_linear_layers(rows: int, inputs: int, outputs: int) -> None:
    pytest.importorskip("numba")
    from fastconv.backends.fast.linear.linear import plan_linear

    for itemsize, threads in product((4, 8), (1, 2, 3)):
        bound = linear_workspace(rows, inputs, outputs, itemsize, threads)
        for form, most in zip(("forward", "dx", "dweight"), bound):
            exact = plan_linear(form, rows, inputs, outputs, itemsize, threads).scratch_bytes
            assert exact <= most, (form, itemsize, threads)
            # a result that is turned round, or not; panels that a plan does without
            turned = (outputs + 64) * (rows * itemsize + 2**10)
            assert most - exact <= threads * (2**19 + turned), (form, itemsize, threads)


def test_the_workspace_follows_threads_and_option() -> None:
    layer, shape = Conv2d(64, 64, 3, padding=1, rng=0), (8, 64, 56, 56)
    with fc.use_num_threads(1), fc.options(max_workspace=2**26, exact=True):
        usual = fc.summary(layer, shape)
        with fc.options(max_workspace=2**14):
            tight = fc.summary(layer, shape)
        with fc.options(exact=False):
            tiles, exactly = fc.summary(layer, shape), fc.summary(Conv2d(64, 64, 3, padding=1, exact=True), shape)
    assert tiles.workspace_bytes > usual.workspace_bytes == exactly.workspace_bytes
    assert usual.threads == 1
    assert tight.workspace_bytes < usual.workspace_bytes
    assert usual.workspace_bytes == usual.layers[0].workspace_bytes >= usual.inference_workspace_bytes > 0


def test_an_empty_batch_takes_nothing() -> None:
    axis = conv_axis(9, 3, 1, 1, 1, 1)
    assert conv_workspace(ConvGeometry((axis, axis), 0, 3, 4, 1), 4, 2, 2**26) == (0, 0, 0)
    assert fc.summary(small(), (0, 3, 6, 10)).activation_bytes == 0


# how it is written


def test_the_table_is_aligned() -> None:
    text = str(fc.summary(small(), (2, 3, 6, 10), name="small"))
    title, _, header, *rows = text.splitlines()
    assert title == "small, input 2×3×6×10 float32, training with adam"
    assert header.split("  ")[0] == "layer"
    assert [row.index("2×") for row in rows[:5]] == [header.index("output")] * 5
    assert "memory: peak of a training step" in text
    assert "bytes" in text


def test_inference_has_a_table_of_its_own() -> None:
    text = str(fc.summary(small(), (2, 3, 6, 10), training=False))
    assert "inference" in text
    assert "adam" not in text
    assert "two consecutive layers" in text


def test_the_dict_is_json() -> None:
    found = fc.summary(small(), (2, 3, 6, 10))
    data = json.loads(json.dumps(found.to_dict()))
    assert data == found.to_dict()
    assert data["layers"][0]["output_shape"] == [2, 4, 6, 10]
    assert data["frozen_parameters"] == 0
    assert set(Summary.__dataclass_fields__) <= set(data)


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1000, "0.98 KiB"), (2**30, "1.00 GiB"), (2**52, "4.00 PiB")]
)
def test_bytes_in_short(number: int, text: str) -> None:
    assert format_bytes(number) == text


@pytest.mark.parametrize(("number", "text"), [(999_999, "999,999"), (1_000_000, "1.00 M"), (4 * 10**12, "4.00 T")])
def test_counts_in_short(number: int, text: str) -> None:
    assert format_count(number) == text


# what is wrong


def test_who_forgets_the_batch_is_told() -> None:
    model = Sequential(Conv2d(3, 4, 3), ReLU())
    told = r"Conv2d.* must be a sequence of 4 integers .*\. The batch comes first: pass \(1, 3, 8, 9\), or batch=1"
    with pytest.raises(InvalidValueError, match=told):
        fc.summary(model, (3, 8, 9))
    for shape, how in (((2, 8, 9), {}), ((1, 3, 8, 9), {"batch": 2})):  # those do not help
        with pytest.raises(InvalidValueError, match=r"Conv2d.*[^.]\.$") as caught:
            fc.summary(model, shape, **how)
        assert "Pass batch" not in str(caught.value)


def test_the_layer_that_fails_is_named() -> None:
    with pytest.raises(InvalidValueError, match=r"summary: layer 4: Linear: the input must have shape \(N, 60\)"):
        fc.summary(small(), (2, 3, 6, 12))
    nested = Sequential({"body": Sequential({"fc": Linear(3, 4)}), "head": Linear(5, 2)})
    with pytest.raises(InvalidValueError, match=r"summary: layer head: Linear: .*\(N, 5\), but got \(1, 4\)"):
        fc.summary(nested, (1, 3))
    with pytest.raises(InvalidValueError, match=r"layer body.fc: Linear"):
        fc.summary(nested, (1, 7))


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((3, (1, 2)), {}, InvalidTypeError, "model must be a Layer, but got int"),
        ((ReLU(), "12"), {}, InvalidTypeError, "input_shape must be a sequence of integers"),
        ((ReLU(), 12), {}, InvalidTypeError, "input_shape must be a sequence of integers"),
        ((ReLU(), (1.0,)), {}, InvalidTypeError, "every size of input_shape must be an integer"),
        ((ReLU(), (-1,)), {}, InvalidValueError, "every size of input_shape must be at least 0"),
        ((ReLU(), (1,)), {"batch": 1.5}, InvalidTypeError, "batch must be an integer"),
        ((ReLU(), (1,)), {"optimizer": "lion"}, InvalidValueError, "optimizer must be one of 'sgd', .* got 'lion'"),
        ((ReLU(), (1,)), {"optimizer": 3}, InvalidTypeError, "optimizer must be one of"),
        ((ReLU(), (1,)), {"dtype": "int32"}, InvalidTypeError, "dtype must be float16, float32 or float64"),
        ((ReLU(), (1,)), {"training": 1}, InvalidTypeError, "training must be"),
    ],
)
def test_wrong_arguments(arguments: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"summary: {message}"):
        fc.summary(*arguments, **options)


# what it does not need


def test_numba_is_not_imported() -> None:
    script = (
        "import sys, fastconv as fc\n"
        "from fastconv import models\n"
        "from fastconv.initializers import undrawn\n"
        "for name in models.MODELS:\n"
        "    with undrawn():\n"
        "        model = models.by_name(name)\n"
        "    str(fc.summary(model, models.input_shape_of(name), batch=8))\n"
        "assert 'numba' not in sys.modules and 'rich' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = models.by_name("vgg-small", rng=0)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("forward was called")

    for kind in {type(layer) for _, layer in model.named_layers()}:
        monkeypatch.setattr(kind, "forward", refuse)
    assert fc.summary(model, (3, 32, 32), batch=10**6).activation_bytes > 10**12


# what the layers hold on to


class Probe(Layer):
    """A layer that counts how many of the arrays that its kind has made are alive."""

    def __init__(self, log: list[int], made: list[weakref.ref[Any]]) -> None:
        super().__init__()
        self.log, self.made = log, made

    def _made(self, array: Any) -> Any:
        self.log.append(sum(reference() is not None for reference in self.made))
        self.made.append(weakref.ref(array))
        return array

    def forward(self, x: Any) -> Any:
        self._keep()
        return self._made(np.array(x))

    def backward(self, dy: Any, *, input_gradient: bool = True) -> Any:
        return self._made(np.array(dy))

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return input_shape


def test_a_sequence_in_a_sequence_holds_no_array_more() -> None:
    log: list[int] = []
    made: list[weakref.ref[Any]] = []
    probes = [Probe(log, made) for _ in range(7)]
    inner = Sequential(*probes[2:4], Sequential(probes[4], Sequential()), probes[5])
    model = Sequential(*probes[:2], inner, probes[6])
    y = model(np.ones(3))
    assert log == [0, 1, 1, 1, 1, 1, 1]
    log.clear()
    model.backward(y)
    assert log == [1, 2, 2, 2, 2, 2, 2]  # y is one of them
    del y
    assert inner.backward(np.ones(3)) is not None  # it ran, as a part of the other
    model.release()
    with pytest.raises(NotRunError):
        inner.backward(np.ones(3))


def test_flatten_sends_the_memory_order_back() -> None:
    images = np.arange(2.0 * 3 * 4 * 5).reshape(2, 4, 5, 3).transpose(0, 3, 1, 2)
    layer = Flatten()
    rows = layer(images)
    dx = layer.backward(rows)
    assert dx is not None
    assert np.array_equal(dx, images)
    assert dx.strides == images.strides
    planes = np.ascontiguousarray(images)
    back = layer.backward(layer(planes))
    assert back is not None
    assert back.flags.c_contiguous
    assert np.array_equal(back, planes)
