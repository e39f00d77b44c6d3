"""Adam, and Adam with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import sqrt
from typing import Any, ClassVar

import numpy as np

from fastconv.errors import InvalidTypeError, shown
from fastconv.layers.parameter import Parameter
from fastconv.optim.arguments import check_fraction
from fastconv.optim.base import Group, Optimizer, Slots, rule, with_decay
from fastconv.validation.arrays import Array


class Adam(Optimizer):
    """Adaptive moments: a running mean of the gradient over a running root mean square of it.

    Parameters
    ----------
    parameters, weight_decay
        As for `SGD`.
    lr : float
        Learning rate: about the size of a step in each parameter.
    betas : (float, float)
        Weights of the past in the running means of the gradient and of its square, at least 0 and below 1.
    eps : float
        Added to the root, so that nothing is divided by zero.
    amsgrad : bool
        Divide by the largest running mean of the squares so far.

    Raises
    ------
    ValueError
        If `lr` or `eps` is not positive, a beta is outside of [0, 1), or `weight_decay` is negative.

    Notes
    -----
    ``m = β₁ m + (1 - β₁) g``, ``v = β₂ v + (1 - β₂) g²`` and
    ``p = p - lr / (1 - β₁ᵗ) m / (sqrt(v / (1 - β₂ᵗ)) + eps)``: Kingma and Ba (2015), "Adam: A Method for Stochastic
    Optimization", algorithm 1; `amsgrad` is Reddi et al. (2018), "On the Convergence of Adam and Beyond", section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.layers import Parameter
    >>> from fastconv.optim import Adam
    >>> weight = Parameter(np.ones(2, np.float32))
    >>> optimizer = Adam([weight], lr=0.125)
    >>> weight.grad = [3, -50]
    >>> optimizer.step()
    >>> weight.data.round(3).tolist()
    [0.875, 1.125]
    """

    decoupled: ClassVar[bool] = False

    def __init__(
        self,
        parameters: Iterable[Parameter] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(
            parameters, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        )

    def _check(self, group: Group) -> None:
        """See `Optimizer`."""
        betas = group["betas"]
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise InvalidTypeError(f"{self._name}: betas must be two numbers, but got {shown(betas)}.")
        group["betas"] = tuple(check_fraction(self._name, f"betas[{i}]", beta) for i, beta in enumerate(betas))
        super()._check(group)

    def slots_of(self, group: Group) -> tuple[str, ...]:
        """See `Optimizer.slots_of`."""
        return ("mean", "square", "largest_square") if group["amsgrad"] else ("mean", "square")

    def _numbers_of(self, group: Group, step: int) -> tuple[float, ...]:
        """Numbers of a step.

        Its rate, weight decay in the gradient, factor of the parameter, weight of the present in the mean, weights of
        the past and of the present in the mean square, factor of the root of that, eps.
        """
        (beta1, beta2), lr, decay = group["betas"], group["lr"], group["weight_decay"]
        inside, shrink = (0.0, 1.0 - lr * decay) if self.decoupled else (decay, 1.0)
        rate, whole = lr / (1.0 - beta1**step), 1.0 / sqrt(1.0 - beta2**step)
        return rate, inside, shrink, 1.0 - beta1, beta2, 1.0 - beta2, whole, group["eps"]

    @rule("adam")
    def _update(
        self, data: Array, grad: Array, slots: Slots, scratch: tuple[Array, Array], group: Group, step: int
    ) -> None:
        """See `Optimizer`."""
        change, root = scratch
        mean, square = slots["mean"], slots["square"]
        rate, decay, shrink, present, square_past, square_present, whole, eps = self._numbers_of(group, step)
        grad = with_decay(grad, data, decay, change)
        if shrink != 1.0:
            data *= shrink
        np.multiply(grad, grad, out=root)
        root *= square_present
        square *= square_past
        square += root
        np.subtract(grad, mean, out=change)  # m + (1 - β₁)(g - m): one rounding less than two products
        change *= present
        mean += change
        if group["amsgrad"]:
            square = np.maximum(slots["largest_square"], square, out=slots["largest_square"])
        np.sqrt(square, out=root)
        root *= whole
        root += eps
        np.divide(mean, root, out=change)
        change *= rate
        data -= change


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameters themselves, past the running means.

    Parameters
    ----------
    parameters, lr, betas, eps, amsgrad
        As for `Adam`.
    weight_decay : float
        Each step multiplies the parameters by ``1 - lr * weight_decay`` first.

    Notes
    -----
    Loshchilov and Hutter (2019), "Decoupled Weight Decay Regularization", algorithm 2, without their factor ``η_t``,
    which is the schedule.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.layers import Parameter
    >>> from fastconv.optim import AdamW
    >>> weight = Parameter(np.ones(2, np.float32))
    >>> optimizer = AdamW([weight], lr=0.125, weight_decay=1.0)
    >>> weight.grad = [0, 0]
    >>> optimizer.step()
    >>> weight.data
    array([0.875, 0.875], dtype=float32)
    """

    decoupled = True

    def __init__(
        self,
        parameters: Iterable[Parameter] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay, amsgrad)
