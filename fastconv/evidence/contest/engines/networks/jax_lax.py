"""JAX: the network as one function of `jax.lax`, compiled by XLA; a training step with its gradient and its update."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from fastconv.evidence.contest.engines.base import Prepared
from fastconv.evidence.contest.engines.networks.base import INFERENCE, NetworkEngine, NetworkJob, Rule, training
from fastconv.evidence.contest.engines.networks.description import Node
from fastconv.validation.arrays import Array

_ORDERS = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC")}  # axes of images, by the number of spatial ones
_RUNNING = ("running_mean", "running_var")

Tables = dict[str, Any]


class JaxNetworks(NetworkEngine):
    """Both orders of the axes, each compiled before the clock starts.

    Notes
    -----
    A training step gets its parameters as memory that it may write to (donation). The number of threads is that of the
    cores that the process may use: JAX has no setting for it.
    """

    packages = ("jax", "jaxlib")

    def prepare(self, job: NetworkJob) -> dict[str, Prepared]:
        """Return both orders."""
        prepare = _inference if job.step == INFERENCE else _training
        return {axes: prepare(job, axes) for axes in _ORDERS[job.x.ndim - 2]}


def _inference(job: NetworkJob, axes: str) -> Prepared:
    state, x = _state(job, axes), _image(job.x, axes)
    compiled = jax.jit(partial(_Pass(axes, learns=False).run, job.node))
    found = partial(_result, axes=axes)
    return Prepared(lambda: jax.block_until_ready(compiled(state, x)), lambda y: {"y": found(y)})


def _training(job: NetworkJob, axes: str) -> Prepared:
    state, x, labels = _state(job, axes), _image(job.x, axes), jnp.asarray(job.labels)
    running = {name: table for name, table in state.items() if name.endswith(_RUNNING)}
    weights = {name: table for name, table in state.items() if name not in running}
    slots = {name: [jnp.zeros_like(table)] * 2 for name, table in weights.items()}
    kept = [weights, jax.tree.map(jnp.copy, slots), running, jnp.zeros((), jnp.float32)]
    step = jax.jit(partial(_step, job.node, axes, job.rule), donate_argnums=(0, 1, 2, 3))

    def run() -> float:
        loss, *kept[:] = step(*kept, x, labels)
        jax.block_until_ready(kept)
        return float(loss)

    return training(run)


def _step(
    node: Node, axes: str, rule: Rule, weights: Tables, slots: Tables, running: Tables, count: Any, x: Any, labels: Any
) -> Any:
    def loss_of(weights: Tables) -> Any:
        passed = _Pass(axes, learns=True)
        scores = passed.run(node, {**weights, **running}, x)
        shares = jax.nn.log_softmax(jnp.moveaxis(scores, axes.index("C"), -1) if scores.ndim > 2 else scores)
        right = jnp.take_along_axis(shares, labels[..., None], -1)
        return -right.mean(), {**running, **passed.running}

    (loss, running), gradients = jax.value_and_grad(loss_of, has_aux=True)(weights)
    count = count + 1
    update = _sgd if rule.name == "sgd" else _adam
    pairs = {name: update(rule, weights[name], gradients[name], slots[name], count) for name in weights}
    return loss, *({name: pair[index] for name, pair in pairs.items()} for index in (0, 1)), running, count


def _sgd(rule: Rule, weight: Any, gradient: Any, slots: Any, count: Any) -> Any:
    velocity = rule.momentum * slots[0] + gradient
    return weight - rule.lr * velocity, [velocity, slots[1]]


def _adam(rule: Rule, weight: Any, gradient: Any, slots: Any, count: Any) -> Any:
    first, second = rule.betas
    mean = first * slots[0] + (1 - first) * gradient
    square = second * slots[1] + (1 - second) * gradient**2
    scale = jnp.sqrt(square / (1 - second**count)) + rule.eps
    return weight - rule.lr * mean / (1 - first**count) / scale, [mean, square]


class _Pass:
    """One pass through a network; `learns` takes the statistics of the batch, and keeps new running ones."""

    def __init__(self, axes: str, *, learns: bool) -> None:
        self.axes, self.learns = axes, learns
        self.channels = axes.index("C")
        self.spatial = [place for place, axis in enumerate(axes) if axis not in "NC"]
        self.running: Tables = {}

    def run(self, node: Node, state: Tables, x: Any) -> Any:
        """Compute what a node describes."""
        if node.kind == "Sequential":
            for child in node.children:
                x = self.run(child, state, x)
            return x
        if node.children:
            arms = [self.run(child, state, x) for child in node.children]
            return sum(arms[1:], arms[0]) if node.kind == "Residual" else jnp.concatenate(arms, self.channels)
        arrays = {array: state[name] for array, name in node.arrays.items()}
        return getattr(self, node.kind.rstrip("d").rstrip("12").lower())(node, x, **arrays)

    def _along(self, table: Any) -> Any:
        """Let a table have a value for each channel."""
        return table.reshape([-1 if axis == "C" else 1 for axis in self.axes])

    def _biased(self, y: Any, bias: Any) -> Any:
        return y if bias is None else y + self._along(bias)

    def conv(self, node: Node, x: Any, weight: Any, bias: Any = None) -> Any:
        """Convolve."""
        options = node.options
        y = lax.conv_general_dilated(
            x,
            weight,
            window_strides=options["stride"],
            padding=options["padding"],
            rhs_dilation=options["dilation"],
            dimension_numbers=(self.axes, _weight_axes(self.axes), self.axes),
            feature_group_count=options["groups"],
        )
        return self._biased(y, bias)

    def convtranspose(self, node: Node, x: Any, weight: Any, bias: Any = None) -> Any:
        """Convolve the input, with zeros between its cells, with the window turned round."""
        options, axes = node.options, _weight_axes(self.axes)
        places = [place for place, axis in enumerate(axes) if axis not in "IO"]
        extents = [step * (weight.shape[place] - 1) for step, place in zip(options["dilation"], places)]
        rows = zip(extents, options["padding"], options["output_padding"])
        y = lax.conv_general_dilated(
            x,
            jnp.flip(weight, places),
            window_strides=[1] * len(places),
            padding=[(extent - before, extent - after + more) for extent, (before, after), more in rows],
            lhs_dilation=options["stride"],
            rhs_dilation=options["dilation"],
            dimension_numbers=(self.axes, axes, self.axes),
        )
        return self._biased(y, bias)

    def batchnorm(self, node: Node, x: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any) -> Any:
        """Normalise every channel."""
        mean, variance = running_mean, running_var
        if self.learns:
            over = (0, *self.spatial)
            mean, variance = x.mean(over), x.var(over)
            numbers = x.size / x.shape[self.channels]
            fresh = mean, variance * numbers / (numbers - 1)
            for array, old, new in zip(_RUNNING, (running_mean, running_var), fresh):
                self.running[node.arrays[array]] = old + node.options["momentum"] * (lax.stop_gradient(new) - old)
        scale = weight * lax.rsqrt(variance + node.options["eps"])
        return (x - self._along(mean)) * self._along(scale) + self._along(bias)

    def maxpool(self, node: Node, x: Any) -> Any:
        """Take the maximum of every window."""
        options, rank = node.options, x.ndim
        kernel, stride, padding = [1] * rank, [1] * rank, [(0, 0)] * rank
        for index, place in enumerate(self.spatial):
            kernel[place], stride[place] = options["kernel_size"][index], options["stride"][index]
            ends = *options["padding"][index], options["ceil_mode"]
            padding[place] = _pool_padding(x.shape[place], kernel[place], stride[place], *ends)
        return lax.reduce_window(x, -jnp.inf, lax.max, kernel, stride, padding)

    def globalavgpool(self, node: Node, x: Any) -> Any:
        """Take the mean of every plane."""
        return x.mean(self.spatial, keepdims=True)

    def flatten(self, node: Node, x: Any) -> Any:
        """Make rows, the channels before the pixels."""
        return jnp.moveaxis(x, self.channels, 1).reshape(len(x), -1)

    def linear(self, node: Node, x: Any, weight: Any, bias: Any = None) -> Any:
        """Multiply with the weights."""
        y = x @ weight.T
        return y if bias is None else y + bias

    def relu(self, node: Node, x: Any) -> Any:
        """Cut off below zero."""
        return jnp.maximum(x, 0)

    def relu6(self, node: Node, x: Any) -> Any:
        """Cut off below zero and above six."""
        return jnp.clip(x, 0, 6)

    def identity(self, node: Node, x: Any) -> Any:
        """Return the input."""
        return x

    def subsampleshortcut(self, node: Node, x: Any) -> Any:
        """Take some cells, between channels of zeros."""
        steps = dict(zip(self.spatial, node.options["stride"]))
        x = x[tuple(slice(None, None, steps.get(place)) for place in range(x.ndim))]
        added = [(0, 0)] * x.ndim
        added[self.channels] = node.options["before"], node.options["after"]
        return jnp.pad(x, added)


def _pool_padding(size: int, kernel: int, stride: int, before: int, after: int, ceil_mode: bool) -> tuple[int, int]:
    """Padding of an axis; in ceil mode enough for a last window that begins inside of the input or its front."""
    if not ceil_mode:
        return before, after
    windows = -(-(size + before + after - kernel) // stride) + 1
    if (windows - 1) * stride >= size + before:
        windows -= 1
    return before, max(after, (windows - 1) * stride + kernel - size - before)


def _weight_axes(axes: str) -> str:
    """Axes of the weights of a convolution: "OIHW" for "NCHW", "HWIO" for "NHWC"."""
    spatial = axes.replace("N", "").replace("C", "")
    return f"OI{spatial}" if axes.startswith("NC") else f"{spatial}IO"


def _state(job: NetworkJob, axes: str) -> Tables:
    """Return all weights, those of convolutions with the axes that go with the images."""
    found: Tables = {}

    def visit(node: Node) -> None:
        for child in node.children:
            visit(child)
        for array, name in node.arrays.items():
            table = job.state[name]
            if node.kind.startswith("Conv") and array == "weight":
                table = _turned(table, axes, transposed="Transpose" in node.kind)
            found[name] = jnp.asarray(np.ascontiguousarray(table))

    visit(job.node)
    return found


def _turned(weight: Array, axes: str, *, transposed: bool) -> Array:
    """Bring the axes of a weight into the order that goes with the images."""
    given = "IO" if transposed else "OI"
    given += axes.replace("N", "").replace("C", "")
    return weight.transpose([given.index(axis) for axis in _weight_axes(axes)])


def _image(x: Array, axes: str) -> Any:
    return jnp.asarray(np.ascontiguousarray(np.moveaxis(x, 1, axes.index("C"))))


def _result(y: Any, axes: str) -> Array:
    found = np.asarray(y)
    return np.moveaxis(found, axes.index("C"), 1) if found.ndim > 2 else found
