"""The course's three-layer network and its training, written out: plain loops, as the lecture has them."""
# ruff: noqa: NPY002 - the course draws from the global generator

from __future__ import annotations

from typing import Any

import numpy as np
from cs231n_layer_loops import conv_backward, conv_forward, max_pool_backward, max_pool_forward
from strategies import Array

Params = dict[str, Array]

POOL_PARAM = {"pool_height": 2, "pool_width": 2, "stride": 2}


def softmax_loops(scores: Array, y: Array) -> tuple[float, Array]:
    loss, dscores = 0.0, np.zeros_like(scores)
    for n, row in enumerate(scores):
        powers = np.exp(row - row.max())
        share = powers / powers.sum()
        loss -= np.log(share[y[n]]) / len(scores)
        dscores[n] = share / len(scores)
        dscores[n, y[n]] -= 1 / len(scores)
    return loss, dscores


def three_layer_loops(params: Params, X: Array, y: Array | None, reg: float) -> Any:
    """Scores; or, with labels, the loss and the gradients."""
    W1, b1, W2, b2, W3, b3 = (params[name] for name in ("W1", "b1", "W2", "b2", "W3", "b3"))
    conv_param = {"stride": 1, "pad": (W1.shape[2] - 1) // 2}
    a1 = conv_forward(X, W1, b1, conv_param)
    positive = np.maximum(0, a1)
    pooled = max_pool_forward(positive, POOL_PARAM)
    rows = pooled.reshape(len(X), -1)
    a2 = rows @ W2 + b2
    hidden = np.maximum(0, a2)
    scores = hidden @ W3 + b3
    if y is None:
        return scores
    loss, dscores = softmax_loops(scores, y)
    da2 = (dscores @ W3.T) * (a2 > 0)
    dpositive = max_pool_backward((da2 @ W2.T).reshape(pooled.shape), positive, POOL_PARAM)
    _, dW1, db1 = conv_backward(dpositive * (a1 > 0), X, W1, conv_param)
    grads = {"W1": dW1 + reg * W1, "b1": db1, "W2": rows.T @ da2 + reg * W2, "b2": da2.sum(axis=0)}
    grads.update(W3=hidden.T @ dscores + reg * W3, b3=dscores.sum(axis=0))
    return loss + reg / 2 * sum((W**2).sum() for W in (W1, W2, W3)), grads


class LoopNet:
    """The network as the Solver takes it."""

    def __init__(self, params: Params, reg: float) -> None:
        self.params, self.reg = params, reg

    def loss(self, X: Array, y: Array | None = None) -> Any:
        return three_layer_loops(self.params, X, y, self.reg)


def accuracy_by_hand(model: Any, X: Array, y: Array, num_samples: int | None) -> float:
    if num_samples is not None and len(X) > num_samples:
        drawn = np.random.choice(len(X), num_samples)
        X, y = X[drawn], y[drawn]
    right = 0
    for start in range(0, len(X), 100):
        scores = model.loss(X[start : start + 100])
        right += sum(int(np.argmax(row)) == label for row, label in zip(scores, y[start : start + 100]))
    return right / len(X)


class HandTraining:
    """A run of gradient descent, as the course's Solver makes it, one line after the other."""

    def __init__(self, model: Any, data: dict[str, Array], epochs: int, batch: int, lr: float, decay: float) -> None:
        self.losses: list[float] = []
        self.lines: list[str] = []
        self.train_acc: list[float] = []
        self.val_acc: list[float] = []
        self.best: tuple[float, Params] = (0.0, {})
        per_epoch = max(len(data["X_train"]) // batch, 1)
        steps, epoch = epochs * per_epoch, 0
        for t in range(steps):
            drawn = np.random.choice(len(data["X_train"]), batch)
            loss, grads = model.loss(data["X_train"][drawn], data["y_train"][drawn])
            self.losses.append(float(loss))
            for name in model.params:
                model.params[name] = model.params[name] - lr * grads[name]
            if t % 10 == 0:
                self.lines.append(f"(Iteration {t + 1} / {steps}) loss: {loss:.6f}")
            last_of_epoch = t % per_epoch == per_epoch - 1
            if last_of_epoch:
                epoch, lr = epoch + 1, lr * decay
            if last_of_epoch or t == 0 or t == steps - 1:
                self._measure(model, data, epoch, epochs)

    def _measure(self, model: Any, data: dict[str, Array], epoch: int, epochs: int) -> None:
        train = accuracy_by_hand(model, data["X_train"], data["y_train"], 1000)
        val = accuracy_by_hand(model, data["X_val"], data["y_val"], None)
        self.train_acc.append(train)
        self.val_acc.append(val)
        self.lines.append(f"(Epoch {epoch} / {epochs}) train acc: {train:.6f}; val_acc: {val:.6f}")
        if val > self.best[0]:
            self.best = val, {name: w.copy() for name, w in model.params.items()}
