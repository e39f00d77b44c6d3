"""Adam, and Adam with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import sqrt
from typing import Any, ClassVar

import numpy as np

from fastconv.errors import InvalidTypeError
from fastconv.layers.parameter import Parameter
from fastconv.optim.arguments import check_fraction
from fastconv.optim.base import Group, Optimizer, Slots, with_decay
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
            raise InvalidTypeError(f"{self._name}: betas must be two numbers, but got {betas!r}.")
        group["betas"] = tuple(check_fraction(self._name, f"betas[{i}]", beta) for i, beta in enumerate(betas))
        super()._check(group)

    def slots_of(self, group: Group) -> tuple[str, ...]:
        """See `Optimizer.slots_of`."""
        return ("mean", "square", "largest_square") if group["amsgrad"] else ("mean", "square")

    def _update(
        self, data: Array, grad: Array, slots: Slots, scratch: tuple[Array, Array], group: Group, step: int
    ) -> None:
        """See `Optimizer`."""
        change, root = scratch
        mean, square = slots["mean"], slots["square"]
        (beta1, beta2), decay = group["betas"], group["weight_decay"]
        if not self.decoupled:
            grad = with_decay(grad, data, decay, change)
        elif decay:
            data *= 1.0 - group["lr"] * decay
        np.multiply(grad, grad, out=root)
        root *= 1.0 - beta2
        square *= beta2
        square += root
        np.subtract(grad, mean, out=change)  # m + (1 - β₁)(g - m): one rounding less than two products
        change *= 1.0 - beta1
        mean += change
        if group["amsgrad"]:
            square = np.maximum(slots["largest_square"], square, out=slots["largest_square"])
        np.sqrt(square, out=root)
        root *= 1.0 / sqrt(1.0 - beta2**step)
        root += group["eps"]
        np.divide(mean, root, out=change)
        change *= group["lr"] / (1.0 - beta1**step)
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
