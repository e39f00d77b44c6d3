"""Pooling of every kind and rank, with gradients, against PyTorch over a grid of parameters."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from checks import forward_and_backward, operation
from strategies import BACKENDS, Array, normal

from fastconv.testing import assert_close, magnitude

pytestmark = pytest.mark.parametrize("backend", BACKENDS)

SIZE = {1: (13,), 2: (8, 7), 3: (5, 7, 6)}
KERNELS = {1: [(2,), (4,)], 2: [(2, 3), (4, 2)], 3: [(2, 3, 2), (3, 1, 4)]}
STRIDES = {1: [(1,), (3,)], 2: [(2, 3), (1, 2)], 3: [(2, 1, 3), (1, 2, 2)]}
RANKS = (1, 2, 3)


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is not installed")


def grid(*ranks: int, padded: bool = True) -> list[Any]:
    """(rank, kernel, stride, padding, ceil mode), named."""
    return [
        pytest.param(rank, *values, id=f"{rank}d-" + "-".join(str(value).replace(" ", "") for value in values))
        for rank in ranks
        for values in product(KERNELS[rank], STRIDES[rank], [0, 1] if padded else [0], [False, True])
        if values[2] * 2 <= min(values[0])  # as PyTorch has it: at most half of the kernel
    ]


def planes(rank: int, seed: int, *, ties: bool = False) -> Array:
    x = normal((2, 3, *SIZE[rank]), seed)
    return np.round(x) if ties else x


def gradient(torch: Any, y: Any, x: Any, dy: Array) -> Array:
    found: Array = torch.autograd.grad(y, x, torch.tensor(dy))[0].numpy()
    return found


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize(("rank", "kernel", "stride", "padding", "ceil_mode"), grid(*RANKS))
def test_max_pooling(
    backend: str, torch: Any, rank: int, kernel: Any, stride: Any, padding: int, ceil_mode: bool, dilation: int
) -> None:
    if any(dilation * (k - 1) + 1 > n + 2 * padding for k, n in zip(kernel, SIZE[rank])):
        dilation = 1  # the window would not fit
    x = planes(rank, 1, ties=True)
    tensor = torch.tensor(x, requires_grad=True)
    theirs = getattr(torch.nn.functional, f"max_pool{rank}d")
    expected, where = theirs(tensor, kernel, stride, padding, dilation, ceil_mode, return_indices=True)
    pool, backward = forward_and_backward("max_pool", x)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode, "backend": backend}
    y, indices = pool(x, kernel, **options, return_indices=True)
    assert_close(y, expected.detach().numpy(), magnitude=0)
    assert_close(indices, where.numpy())
    dy = normal(y.shape, 2)
    dx = backward(dy, indices, x.shape, backend=backend)
    assert_close(dx, gradient(torch, expected, tensor, dy), magnitude=magnitude(backward, dy, indices, x.shape))


@pytest.mark.parametrize("count_include_pad", [True, False])
@pytest.mark.parametrize(("rank", "kernel", "stride", "padding", "ceil_mode"), grid(*RANKS))
def test_average_pooling(
    backend: str,
    torch: Any,
    rank: int,
    kernel: Any,
    stride: Any,
    padding: int,
    ceil_mode: bool,
    count_include_pad: bool,
) -> None:
    x = planes(rank, 3)
    tensor = torch.tensor(x, requires_grad=True)
    theirs = getattr(torch.nn.functional, f"avg_pool{rank}d")
    expected = theirs(tensor, kernel, stride, padding, ceil_mode, count_include_pad)
    pool, backward = forward_and_backward("avg_pool", x)
    options: dict[str, Any] = {"stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    options["count_include_pad"] = count_include_pad
    y = pool(x, kernel, **options, backend=backend)
    assert_close(y, expected.detach().numpy(), magnitude=magnitude(pool, x, kernel, **options))
    dy = normal(y.shape, 4)
    dx = backward(dy, x.shape, kernel, **options, backend=backend)
    size = magnitude(backward, dy, x.shape, kernel, **options)
    assert_close(dx, gradient(torch, expected, tensor, dy), magnitude=size)


@pytest.mark.parametrize("p", [1, 2, 3, 4, 2.5])
@pytest.mark.parametrize(
    ("rank", "kernel", "stride", "padding", "ceil_mode"),
    [case for case in grid(*RANKS, padded=False) if not case.values[-1]],  # in ceil mode PyTorch scales the last window
)
def test_lp_pooling(
    backend: str, torch: Any, rank: int, kernel: Any, stride: Any, padding: int, ceil_mode: bool, p: float
) -> None:
    x = planes(rank, 5)
    tensor = torch.tensor(x, requires_grad=True)
    theirs = getattr(torch.nn.functional, f"lp_pool{rank}d")
    expected = theirs(tensor.abs(), float(p), kernel if rank > 1 else kernel[0], stride if rank > 1 else stride[0])
    pool, backward = forward_and_backward("lp_pool", x)
    y = pool(x, p, kernel, stride=stride, backend=backend)
    assert_close(y, expected.detach().numpy(), magnitude=y)
    dy = normal(y.shape, 6)
    dx = backward(dy, x, p, kernel, stride=stride, backend=backend)
    size = magnitude(backward, dy, x, p, kernel, stride=stride)
    assert_close(dx, gradient(torch, expected, tensor, dy), magnitude=size)


OUT = {1: [(1,), (5,), (13,), (17,)], 2: [(1, 1), (3, 5), (4, 7), (11, 2)], 3: [(1, 1, 1), (2, 3, 4), (5, 2, 9)]}
ADAPTIVE = [pytest.param(rank, out, id=f"{rank}d-{out}") for rank in RANKS for out in OUT[rank]]


@pytest.mark.parametrize(("rank", "out"), ADAPTIVE)
def test_adaptive_average_pooling(backend: str, torch: Any, rank: int, out: tuple[int, ...]) -> None:
    x = planes(rank, 7)
    tensor = torch.tensor(x, requires_grad=True)
    expected = getattr(torch.nn.functional, f"adaptive_avg_pool{rank}d")(tensor, out)
    pool, backward = forward_and_backward("adaptive_avg_pool", x)
    y = pool(x, out, backend=backend)
    assert_close(y, expected.detach().numpy(), magnitude=magnitude(pool, x, out))
    dy = normal(y.shape, 8)
    dx = backward(dy, x.shape, backend=backend)
    assert_close(dx, gradient(torch, expected, tensor, dy), magnitude=magnitude(backward, dy, x.shape))


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize(("rank", "out"), ADAPTIVE)
def test_adaptive_max_pooling(backend: str, torch: Any, rank: int, out: tuple[int, ...], ties: bool) -> None:
    x = planes(rank, 9, ties=ties)
    tensor = torch.tensor(x, requires_grad=True)
    theirs = getattr(torch.nn.functional, f"adaptive_max_pool{rank}d")
    expected, where = theirs(tensor, out, return_indices=True)
    y, indices = operation("adaptive_max_pool", rank)(x, out, return_indices=True, backend=backend)
    assert_close(y, expected.detach().numpy(), magnitude=0)
    assert_close(indices, where.numpy())
    backward = operation("max_pool", rank, backward=True)
    dy = normal(y.shape, 10)
    dx = backward(dy, indices, x.shape, backend=backend)
    assert_close(dx, gradient(torch, expected, tensor, dy), magnitude=magnitude(backward, dy, indices, x.shape))


@pytest.mark.parametrize("rank", RANKS)
def test_global_pooling(backend: str, torch: Any, rank: int) -> None:
    x = planes(rank, 11)
    tensor, axes = torch.tensor(x, requires_grad=True), tuple(range(2, rank + 2))
    expected = tensor.mean(axes, keepdim=True)
    pool, backward = forward_and_backward("global_avg_pool", x)
    assert_close(pool(x, backend=backend), expected.detach().numpy(), magnitude=magnitude(pool, x))
    dy = normal(tuple(expected.shape), 12)
    dx = backward(dy, x.shape, backend=backend)
    assert_close(dx, gradient(torch, expected, tensor, dy), magnitude=magnitude(backward, dy, x.shape))
    y = operation("global_max_pool", rank)(x, backend=backend)
    assert_close(y, tensor.amax(axes, keepdim=True).detach().numpy(), magnitude=0)


@pytest.mark.parametrize(("rank", "kernel", "stride", "padding", "ceil_mode"), grid(*RANKS))
def test_unpooling(
    backend: str, torch: Any, rank: int, kernel: Any, stride: Any, padding: int, ceil_mode: bool
) -> None:
    x = planes(rank, 13)
    pool = operation("max_pool", rank)
    # Windows do not overlap, so that no index comes twice; PyTorch leaves open which value wins then.
    apart = tuple(max(k, s) for k, s in zip(kernel, stride))
    options: dict[str, Any] = {"stride": apart, "padding": padding, "ceil_mode": ceil_mode}
    y, indices = pool(x, kernel, **options, return_indices=True, backend=backend)
    tensor = torch.tensor(y, requires_grad=True)
    theirs = getattr(torch.nn.functional, f"max_unpool{rank}d")
    expected = theirs(tensor, torch.tensor(np.ascontiguousarray(indices)), kernel, apart, padding, SIZE[rank])
    unpool, backward = forward_and_backward("max_unpool", y)
    assert_close(unpool(y, indices, SIZE[rank], backend=backend), expected.detach().numpy(), magnitude=0)
    dy = normal(x.shape, 14)
    assert_close(backward(dy, indices, backend=backend), gradient(torch, expected, tensor, dy), magnitude=0)
