"""Activation layers; the functions are those of `fastconv.functional`, with the arguments of PyTorch."""

from __future__ import annotations

from typing import Any

from fastconv import functional
from fastconv.backends import check_backend_name
from fastconv.errors import InvalidValueError, shown
from fastconv.functional.gelu import APPROXIMATIONS
from fastconv.layers.elementwise import Elementwise
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_choice, check_number
from fastconv.validation.types import ArrayLike, BackendName, GeluForm


class ReLU(Elementwise):
    """Rectified linear unit, ``max(x, 0)``; see `fastconv.relu`.

    Parameters
    ----------
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this layer; by default the one that is current when `forward` runs.

    Examples
    --------
    >>> layer = ReLU()
    >>> layer([[-1.5, 2.5]])
    array([[0. , 2.5]])
    >>> layer.backward([[1.0, 1.0]])
    array([[0., 1.]])
    """

    _operation = "relu"
    operations = 1

    def __init__(self, *, backend: BackendName | None = None) -> None:
        super().__init__()
        self.backend = None if backend is None else check_backend_name("ReLU", backend)

    @property
    def _options(self) -> dict[str, Any]:
        return {"backend": self.backend}

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Return the gradient of the input; see `Layer.backward`."""
        (y,) = self._kept()
        dy = self._check_dy(dy, y.shape)
        return functional.relu_backward(dy, y, backend=self.backend or self._kept_backend()) if input_gradient else None


class LeakyReLU(Elementwise):
    """`x` where it is positive, ``negative_slope * x`` elsewhere; see `fastconv.leaky_relu`.

    Parameters
    ----------
    negative_slope : float
        At least 0.

    Examples
    --------
    >>> LeakyReLU(0.1)([-2.0, 3.0])
    array([-0.2,  3. ])
    """

    _operation = "leaky_relu"
    arguments = ("negative_slope",)
    operations = 2

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = check_number("LeakyReLU", "negative_slope", negative_slope, least=0)


class ReLU6(Elementwise):
    """``min(max(x, 0), 6)``; see `fastconv.relu6`.

    Examples
    --------
    >>> ReLU6()([-1.0, 3.0, 8.0])
    array([0., 3., 6.])
    """

    _operation = "relu6"
    operations = 2


class HardSigmoid(Elementwise):
    """``min(max(x + 3, 0), 6) / 6``; see `fastconv.hardsigmoid`.

    Examples
    --------
    >>> HardSigmoid()([-4.0, 0.0, 1.5])
    array([0.  , 0.5 , 0.75])
    """

    _operation = "hardsigmoid"
    operations = 4


class HardSwish(Elementwise):
    """``x * hardsigmoid(x)``; see `fastconv.hardswish`.

    Examples
    --------
    >>> HardSwish()([-4.0, 1.5, 4.0])
    array([-0.   ,  1.125,  4.   ])
    """

    _operation = "hardswish"
    keeps_input, keeps_output = True, False
    operations = 5


class ELU(Elementwise):
    """`x` where it is positive, ``alpha * (exp(x) - 1)`` elsewhere; see `fastconv.elu`.

    Parameters
    ----------
    alpha : float
        At least 0.

    Examples
    --------
    >>> ELU(alpha=2.0)([-800.0, 3.0])
    array([-2.,  3.])
    """

    _operation = "elu"
    arguments = ("alpha",)
    operations = 4

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = check_number("ELU", "alpha", alpha, least=0)


class SELU(Elementwise):
    """ELU with the two constants that keep mean 0 and variance 1 from layer to layer; see `fastconv.selu`.

    Examples
    --------
    >>> SELU()([-800.0, 1.0])
    array([-1.75809934,  1.05070099])
    """

    _operation = "selu"
    operations = 5


class GELU(Elementwise):
    """``x * Φ(x)``, the Gaussian error linear unit; see `fastconv.gelu`.

    Parameters
    ----------
    approximate : {"none", "tanh"}
        How Φ is computed.

    Examples
    --------
    >>> GELU()([-1.0, 1.0])
    array([-0.15865525,  0.84134475])
    """

    _operation = "gelu"
    keeps_input, keeps_output = True, False
    arguments = ("approximate",)

    def __init__(self, approximate: GeluForm = "none") -> None:
        super().__init__()
        self.approximate = check_choice("GELU", "approximate", approximate, APPROXIMATIONS)
        self.operations = 5 if self.approximate == "none" else 9


class SiLU(Elementwise):
    """``x * sigmoid(x)``, also called swish; see `fastconv.silu`.

    Examples
    --------
    >>> SiLU()([-800.0, 1.0])
    array([-0.        ,  0.73105858])
    """

    _operation = "silu"
    keeps_input, keeps_output = True, False
    operations = 4


class Softplus(Elementwise):
    """``log(1 + exp(beta * x)) / beta``, a smooth ReLU; see `fastconv.softplus`.

    Parameters
    ----------
    beta : float
        How sharp the bend is; not 0.
    threshold : float
        Where ``beta * x`` is larger, the result is `x`.

    Examples
    --------
    >>> Softplus()([0.0, 800.0])
    array([6.93147181e-01, 8.00000000e+02])
    """

    _operation = "softplus"
    keeps_input, keeps_output = True, False
    arguments = ("beta", "threshold")
    operations = 6

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = check_number("Softplus", "beta", beta)
        if self.beta == 0:
            raise InvalidValueError(f"Softplus: beta must not be 0, but got {shown(beta)}.")
        self.threshold = check_number("Softplus", "threshold", threshold)


class Softsign(Elementwise):
    """``x / (1 + |x|)``; see `fastconv.softsign`.

    Examples
    --------
    >>> Softsign()([-3.0, 1.0])
    array([-0.75,  0.5 ])
    """

    _operation = "softsign"
    keeps_input, keeps_output = True, False
    operations = 3


class Sigmoid(Elementwise):
    """``1 / (1 + exp(-x))``; see `fastconv.sigmoid`.

    Examples
    --------
    >>> Sigmoid()([-800.0, 0.0])
    array([0. , 0.5])
    """

    _operation = "sigmoid"
    operations = 4


class Tanh(Elementwise):
    """The hyperbolic tangent; see `fastconv.tanh`.

    Examples
    --------
    >>> Tanh()([-800.0, 0.5])
    array([-1.        ,  0.46211716])
    """

    _operation = "tanh"
    operations = 1


# The names that PyTorch has for the two.
Hardsigmoid = HardSigmoid
Hardswish = HardSwish
