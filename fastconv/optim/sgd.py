"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.layers.parameter import Parameter
from fastconv.optim.base import Group, Optimizer, Slots, rule, with_decay
from fastconv.validation.arrays import Array


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum, Nesterov's momentum and weight decay if asked for.

    Parameters
    ----------
    parameters : iterable of Parameter, or of dict
        What is trained; see `Optimizer`.
    lr : float
        Learning rate.
    momentum : float
        Share of the last change that is kept: 0.9 is usual.
    dampening : float
        The gradient enters the momentum times ``1 - dampening``, except in the first step.
    nesterov : bool
        Look ahead by one step of momentum.
    weight_decay : float
        ``weight_decay * parameter`` is added to the gradient.

    Raises
    ------
    ValueError
        If `lr` is not positive, a number is negative, or `nesterov` comes without momentum or with dampening.

    Notes
    -----
    ``v = momentum v + (1 - dampening) g`` and ``p = p - lr v``; with `nesterov` ``p = p - lr (g + momentum v)``. That
    is what PyTorch computes. In the form of Sutskever et al. (2013), "On the importance of initialization and momentum
    in deep learning", section 2, the learning rate is inside of ``v``; the two differ when it changes.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.layers import Parameter
    >>> from fastconv.optim import SGD
    >>> weight = Parameter(np.ones(3, np.float32))
    >>> optimizer = SGD([weight], lr=0.5)
    >>> weight.grad = [1, 2, 0]
    >>> optimizer.step()
    >>> weight.data
    array([0.5, 0. , 1. ], dtype=float32)
    """

    def __init__(
        self,
        parameters: Iterable[Parameter] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        options = {"momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__(parameters, {"lr": lr, **options})

    def _check(self, group: Group) -> None:
        """See `Optimizer`."""
        super()._check(group)
        if group["nesterov"] and not (group["momentum"] > 0 and group["dampening"] == 0):
            raise InvalidValueError(
                "SGD: nesterov must have a positive momentum and no dampening, but got "
                f"momentum={group['momentum']} and dampening={group['dampening']}."
            )

    def slots_of(self, group: Group) -> tuple[str, ...]:
        """See `Optimizer.slots_of`."""
        return ("velocity",) if group["momentum"] else ()

    def _numbers_of(self, group: Group, step: int) -> tuple[float, ...]:
        """Learning rate, weight decay, momentum, share of the gradient in the velocity, and whether it looks ahead."""
        share = 1.0 if step == 1 else 1.0 - group["dampening"]
        return group["lr"], group["weight_decay"], group["momentum"], share, group["nesterov"]

    @rule("sgd")
    def _update(
        self, data: Array, grad: Array, slots: Slots, scratch: tuple[Array, Array], group: Group, step: int
    ) -> None:
        """See `Optimizer`."""
        change, scaled = scratch
        lr, decay, momentum, share, nesterov = self._numbers_of(group, step)
        grad = with_decay(grad, data, decay, change)
        if momentum:
            velocity = slots["velocity"]
            velocity *= momentum
            np.multiply(grad, share, out=scaled)
            velocity += scaled
            if nesterov:
                np.multiply(velocity, momentum, out=scaled)
                scaled += grad
                grad = scaled
            else:
                grad = velocity
        np.multiply(grad, lr, out=scaled)
        data -= scaled
