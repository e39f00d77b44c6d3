"""`accelerate.watch`: the calls of a running program are the examples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from loop_code import load

import fastconv as fc
from fastconv.errors import AccelerationWarning, InvalidTypeError

NET = """
import numpy as np


def around(x, p):
    return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))


def through(inp, ker, off, s, p):
    framed, (kh, kw) = around(inp, p), ker.shape[2:]
    rows, columns = (framed.shape[2] - kh) // s + 1, (framed.shape[3] - kw) // s + 1
    y = np.zeros((len(inp), len(ker), rows, columns))
    for i in range(rows):
        for j in range(columns):
            window = framed[:, :, i * s : i * s + kh, j * s : j * s + kw]
            y[:, :, i, j] = np.tensordot(window, ker, ((1, 2, 3), (1, 2, 3))) + off
    return y, (framed, inp.shape, ker, s, p)


def through_and_back(up, memo):
    framed, shape, ker, s, p = memo
    dx, dk, (kh, kw) = np.zeros(framed.shape), np.zeros(ker.shape), ker.shape[2:]
    for i in range(up.shape[2]):
        for j in range(up.shape[3]):
            at = (..., slice(i * s, i * s + kh), slice(j * s, j * s + kw))
            dk += np.tensordot(up[:, :, i, j], framed[at], (0, 0))
            dx[at] += np.tensordot(up[:, :, i, j], ker, 1)
    return dx[:, :, p : p + shape[2], p : p + shape[3]], dk, up.sum((0, 2, 3))


def positive(x):
    return np.maximum(x, 0), x


def positive_back(d, x):
    return d * (x > 0)


class Half:
    def go(self, t):
        self.t = t
        n, c, h, w = t.shape
        return t[:, :, : h // 2 * 2, : w // 2 * 2].reshape(n, c, h // 2, 2, w // 2, 2).max((3, 5))

    def return_it(self, d):
        out = np.zeros(self.t.shape)
        for n, c, i, j in np.ndindex(*d.shape):
            block = self.t[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            row, column = np.unravel_index(block.argmax(), block.shape)
            out[n, c, 2 * i + row, 2 * j + column] += d[n, c, i, j]
        return out


class Net:
    def __init__(self):
        self.w, self.b = np.random.default_rng(0).standard_normal((4, 3, 3, 3)), np.zeros(4)
        self.half = Half()

    def step(self, x):
        y, memo = through(x, self.w, self.b, 1, 1)
        a, kept = positive(y)
        z = self.half.go(a)
        dx, dw, db = through_and_back(positive_back(self.half.return_it(z / 100), kept), memo)
        self.w -= 0.1 * dw
        self.b -= 0.1 * db
        return float((z**2).sum())
"""
LAYER = """
import numpy as np


def windows(x):
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))


class Layer:
    def __init__(self):
        self.w, self.b = np.random.default_rng(0).standard_normal((2, 3, 3, 3)), np.zeros(2)

    def forward(self, x):
        self.seen = windows(x)
        return np.einsum("nchwkl,fckl->nfhw", self.seen, self.w) + self.b[:, None, None]

    def backward(self, d):
        self.dw, self.db = np.einsum("nchwkl,nfhw->fckl", self.seen, d), d.sum((0, 2, 3))
        return np.einsum("nfhwkl,fckl->nchw", windows(d), self.w[:, :, ::-1, ::-1])
"""
X = np.random.default_rng(1).standard_normal((4, 3, 8, 8))
FOUND = {"through", "through_and_back", "Half.go", "Half.return_it"}


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Any:
    return load(monkeypatch, NET)


def test_a_step_of_training_is_the_example(net: Any) -> None:
    plain, watched = net.Net(), net.Net()
    expected = [plain.step(X) for _ in range(3)]
    before = vars(net).copy()
    with fc.accelerate.watch(net, on_mismatch="raise") as seen:
        assert repr(seen) == "watching"
        first = watched.step(X)
    assert seen.acceleration is not None
    assert set(seen.acceleration) == FOUND
    assert "dweight returned" in repr(seen)
    assert net.through is not before["through"]
    np.testing.assert_allclose([first, watched.step(X), watched.step(X)], expected, rtol=1e-9)
    seen.acceleration.undo()
    assert net.through is before["through"]
    assert net.around is before["around"]


def test_calls_that_the_fast_functions_do_not_take_go_on_from_each_other(net: Any) -> None:
    ker, off, up = X[:, :, :3, :3], np.zeros(4), np.ones((4, 4, 8, 8))
    expected = net.through_and_back(up, net.through(X, ker, off, 1, 1)[1])
    with fc.accelerate.watch(net, on_mismatch="skip"):
        net.Net().step(X)
    _, memo = net.through(X, ker, off, 1, 1)
    for one, other in zip(net.through_and_back(up.astype(np.int8), memo), expected):
        np.testing.assert_allclose(one, other)
    for one, other in zip(net.through_and_back(up, memo), expected):
        np.testing.assert_allclose(one, other)


def test_the_layers_of_one_object(net: Any) -> None:
    one, other = net.Net(), net.Net()
    with fc.accelerate.watch(one) as seen:
        one.step(X)
    assert seen.acceleration is not None
    assert set(seen.acceleration) == {"Half.go", "Half.return_it"}
    assert {"go", "return_it"} <= vars(one.half).keys()
    assert not {"go", "return_it"} & vars(other.half).keys()


@pytest.mark.parametrize("back", ["backward", "adjust"])
def test_a_gradient_is_not_taken_for_a_forward_pass(back: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = load(monkeypatch, LAYER.replace("backward", back)).Layer()
    with fc.accelerate.watch(layer, on_mismatch="skip") as seen:
        getattr(layer, back)(layer.forward(X))
    plain = load(monkeypatch, LAYER.replace("backward", back)).Layer()
    for each in (layer, plain):
        each.forward(X + 1)
        getattr(each, back)(X[:, :2])
    np.testing.assert_allclose(layer.dw, plain.dw)
    np.testing.assert_allclose(layer.forward(X), plain.forward(X))
    assert seen.acceleration is not None
    assert set(seen.acceleration) == {"Layer.forward", f"Layer.{back}"}
    assert seen.acceleration.found["Layer.forward"].startswith("convolution")


def test_nothing_is_replaced_after_an_exception(net: Any) -> None:
    before = vars(net).copy()
    with pytest.raises(ZeroDivisionError), fc.accelerate.watch(net) as seen:
        1 / 0  # noqa: B018
    assert seen.acceleration is None
    assert vars(net) == before


def test_what_is_known_by_name_needs_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(
        monkeypatch,
        "import numpy as np\n\n\ndef max_pool2d(x, size=2):\n"
        "    n, c, h, w = x.shape\n"
        "    x = x[:, :, : h // size * size, : w // size * size]\n"
        "    return x.reshape(n, c, h // size, size, w // size, size).max((3, 5))\n",
    )
    with fc.accelerate.watch(module) as seen:
        pass
    assert list(seen.acceleration or ()) == ["max_pool2d"]


def test_what_is_not_found_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, "import numpy as np\n\n\ndef root(x):\n    return np.sqrt(abs(x))\n")
    with pytest.warns(AccelerationWarning, match="root must compute a convolution or pooling") as warned:  # noqa: SIM117
        with fc.accelerate.watch(module) as seen:
            module.root(X)
    assert warned[0].filename == __file__
    assert list(seen.acceleration or ()) == []


def test_other_targets_are_refused() -> None:
    with pytest.raises(InvalidTypeError, match=r"must be a module or an object, but got int"):
        fc.accelerate.watch(3)
