"""PyTorch: eager in both memory formats, and `torch.compile` where there is a C++ compiler."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from fastconv.evidence.contest.engines.base import CHANNELS_LAST, NCHW, Prepared, Refusal
from fastconv.evidence.contest.engines.networks.base import INFERENCE, NetworkEngine, NetworkJob, Rule, training
from fastconv.evidence.contest.engines.networks.description import Node
from fastconv.validation.arrays import Array

COMPILED = "compile"
_COMPILERS = (os.environ.get("CXX", ""), "c++", "g++", "clang++")


class PyTorchNetworks(NetworkEngine):
    """A module in evaluation and `inference_mode`; a training step with autograd and a fused optimiser.

    Notes
    -----
    `torch.compile` gets what a compiler of whole networks is given in production: for inference its weights are
    constants (``freezing``), so that batch norm is folded and weights are packed; in training, forward and backward
    are compiled.
    """

    packages = ("torch",)

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        torch.set_num_threads(threads)

    def prepare(self, job: NetworkJob) -> dict[str, Prepared]:
        """Return both memory formats, and the compiled network."""
        eager = [NCHW, CHANNELS_LAST] if job.x.ndim == 4 else [NCHW]
        compiled = [COMPILED] if any(shutil.which(name) for name in _COMPILERS if name) else []
        return {variant: _prepared(job, variant) for variant in (*eager, *compiled)}


def _prepared(job: NetworkJob, variant: str) -> Prepared:
    model, x = built(job.node, job.state), _tensor(job.x)
    if variant == CHANNELS_LAST:
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    inference = job.step == INFERENCE
    model.train(not inference)
    call = _compiled(model, freezing=inference) if variant == COMPILED else model
    if not inference:
        return training(_training_step(model, call, x, job))

    def run() -> Any:
        with torch.inference_mode():
            return call(x)

    return Prepared(run, lambda y: {"y": y.numpy()})


def _compiled(model: nn.Module, *, freezing: bool) -> Callable[..., Any]:
    from torch import _dynamo, _inductor

    _dynamo.reset()  # every network counts as the first
    _inductor.config.compile_threads = 1  # no processes that stay
    call: Callable[..., Any] = torch.compile(model, options={"freezing": True} if freezing else None)
    return call


def _training_step(model: nn.Module, call: Callable[..., Any], x: Any, job: NetworkJob) -> Callable[[], Any]:
    labels, optimizer, loss_of = _tensor(job.labels), _optimizer(model, job.rule), nn.CrossEntropyLoss()

    def step() -> Any:
        loss = loss_of(call(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _optimizer(model: nn.Module, rule: Rule) -> torch.optim.Optimizer:
    if rule.name == "sgd":
        return torch.optim.SGD(model.parameters(), lr=rule.lr, momentum=rule.momentum, fused=True)
    return torch.optim.Adam(model.parameters(), lr=rule.lr, betas=rule.betas, eps=rule.eps, fused=True)


class _Sum(nn.Module):
    def __init__(self, *terms: nn.Module) -> None:
        super().__init__()
        self.terms = nn.ModuleList(terms)

    def forward(self, x: Any) -> Any:
        first, *others = self.terms
        total = first(x)
        for term in others:
            total = total + term(x)
        return total


class _Concatenation(nn.Module):
    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Any) -> Any:
        return torch.cat([part(x) for part in self.parts], 1)


class _Shortcut(nn.Module):
    def __init__(self, stride: list[int], before: int, after: int) -> None:
        super().__init__()
        self.stride, self.channels = stride, (0, 0, 0, 0, before, after)

    def forward(self, x: Any) -> Any:
        rows, columns = self.stride
        return nn.functional.pad(x[:, :, ::rows, ::columns], self.channels)


def built(node: Node, state: dict[str, Array]) -> nn.Module:
    """Return the module that a node describes, with the weights of the state."""
    arrays = {array: _tensor(state[name]) for array, name in node.arrays.items()}
    module = _module(node, arrays, [built(child, state) for child in node.children])
    module.load_state_dict(arrays, strict=False)
    return module


def _module(node: Node, arrays: dict[str, Any], children: list[nn.Module]) -> nn.Module:
    kind, options = node.kind, dict(node.options)
    sizes = {"Sequential": nn.Sequential, "Residual": _Sum, "Concat": _Concatenation}
    if kind in sizes:
        return sizes[kind](*children)
    if kind.startswith("Conv"):
        return _convolution(kind, options, arrays)
    if kind.startswith("MaxPool"):
        return getattr(nn, kind)(**{**options, "padding": _alike(options["padding"])})
    if kind.startswith("GlobalAvgPool"):
        return nn.AdaptiveAvgPool1d(1) if kind.endswith("1d") else nn.AdaptiveAvgPool2d(1)
    if kind.startswith("BatchNorm"):
        return getattr(nn, kind)(len(arrays["weight"]), **options)
    if kind == "Linear":
        outputs, inputs = arrays["weight"].shape
        return nn.Linear(inputs, outputs, "bias" in arrays)
    return _Shortcut(**options) if kind == "SubsampleShortcut" else getattr(nn, kind)()


def _convolution(kind: str, options: dict[str, Any], arrays: dict[str, Any]) -> nn.Module:
    first, second, *kernel = arrays["weight"].shape
    groups = options["groups"]
    channels = (first, second * groups) if "Transpose" in kind else (second * groups, first)
    sizes = {**options, "padding": _alike(options["padding"]), "bias": "bias" in arrays}
    return getattr(nn, kind)(*channels, kernel, **sizes)


def _alike(padding: list[list[int]]) -> list[int]:
    if any(before != after for before, after in padding):
        raise Refusal("a layer pads both sides alike")
    return [before for before, _ in padding]


def _tensor(array: Array) -> Any:
    return torch.from_numpy(array).clone()
