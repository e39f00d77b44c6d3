"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from fastconv.layers.parameter import Parameter
from fastconv.optim.base import Group, Optimizer, Slots, rule, with_decay
from fastconv.validation.arrays import Array


class RMSprop(Optimizer):
    """Steps divided by a running root mean square of the gradient.

    Parameters
    ----------
    parameters, lr, weight_decay, momentum
        As for `SGD`.
    alpha : float
        Weight of the past in the running mean of the squares, at least 0 and below 1.
    eps : float
        Added to the root, so that nothing is divided by zero.

    Raises
    ------
    ValueError
        If `lr` or `eps` is not positive, `alpha` is outside of [0, 1), or another number is negative.

    Notes
    -----
    ``s = alpha s + (1 - alpha) g²`` and ``p = p - lr g / (sqrt(s) + eps)``: Tieleman and Hinton (2012), "Neural
    Networks for Machine Learning", lecture 6e, with `eps` outside of the root as in PyTorch.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.layers import Parameter
    >>> from fastconv.optim import RMSprop
    >>> weight = Parameter(np.ones(2, np.float32))
    >>> optimizer = RMSprop([weight], lr=0.1)
    >>> weight.grad = [3, -50]
    >>> optimizer.step()
    >>> abs(weight.data).round(3).tolist()
    [0.0, 2.0]
    """

    def __init__(
        self,
        parameters: Iterable[Parameter] | Iterable[Mapping[str, Any]],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
    ) -> None:
        super().__init__(
            parameters, {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        )

    def slots_of(self, group: Group) -> tuple[str, ...]:
        """See `Optimizer.slots_of`."""
        return ("square", "velocity") if group["momentum"] else ("square",)

    def _numbers_of(self, group: Group, step: int) -> tuple[float, ...]:
        """Learning rate, weight decay, weights of the past and of the present in the mean square, eps, momentum."""
        alpha = group["alpha"]
        return group["lr"], group["weight_decay"], alpha, 1.0 - alpha, group["eps"], group["momentum"]

    @rule("rmsprop")
    def _update(
        self, data: Array, grad: Array, slots: Slots, scratch: tuple[Array, Array], group: Group, step: int
    ) -> None:
        """See `Optimizer`."""
        change, root = scratch
        lr, decay, past, present, eps, momentum = self._numbers_of(group, step)
        square = slots["square"]
        grad = with_decay(grad, data, decay, change)
        np.multiply(grad, grad, out=root)
        root *= present
        square *= past
        square += root
        np.sqrt(square, out=root)
        root += eps
        np.divide(grad, root, out=change)
        if momentum:
            velocity = slots["velocity"]
            velocity *= momentum
            velocity += change
            np.multiply(velocity, lr, out=change)
        else:
            change *= lr
        data -= change
