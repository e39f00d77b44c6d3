"""The fully connected networks of CS231n, ``classifiers/fc_net.py``.

What `layers`, `fast_layers` and `layer_utils` export is exported from here too, as in the original.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.compat.cs231n import layer_utils, normalization
from fastconv.compat.cs231n.affine import affine_weight_gradients
from fastconv.compat.cs231n.layer_utils import *  # noqa: F403 - as in the original
from fastconv.errors import InvalidValueError, shown
from fastconv.validation.arrays import Array, check_array, check_dtype
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_any_shape, check_integer, check_number

__all__ = ["FullyConnectedNet", "TwoLayerNet"]
__all__ += layer_utils.__all__

_NORMALIZATIONS = {
    "batchnorm": (normalization.batchnorm_forward, normalization.batchnorm_backward),
    "layernorm": (normalization.layernorm_forward, normalization.layernorm_backward),
}


class TwoLayerNet:
    """A network of two layers: affine - ReLU - affine - softmax, in float64.

    Parameters
    ----------
    input_dim, hidden_dim, num_classes : int
        Numbers in an image, hidden units, scores.
    weight_scale : float
        Standard deviation of the initial weights, ``np.random.normal`` for W1 and then W2; biases are 0.
    reg : float
        Strength of the L2 penalty ``reg / 2 * sum(W²)``, on weights but not on biases.

    Attributes
    ----------
    params : dict
        W1 (input_dim, hidden_dim), b1, W2 (hidden_dim, num_classes), b2.
    reg
        As given.

    Examples
    --------
    >>> import numpy as np
    >>> model = TwoLayerNet(input_dim=6, hidden_dim=4, num_classes=3)
    >>> model.loss(np.zeros((2, 2, 3))).shape
    (2, 3)
    >>> loss, grads = model.loss(np.zeros((2, 2, 3)), np.array([0, 2]))
    >>> list(grads)
    ['W2', 'b2', 'W1', 'b1']
    """

    def __init__(
        self,
        input_dim: int = 3 * 32 * 32,
        hidden_dim: int = 100,
        num_classes: int = 10,
        weight_scale: float = 1e-3,
        reg: float = 0.0,
    ) -> None:
        sizes = {"input_dim": input_dim, "hidden_dim": hidden_dim, "num_classes": num_classes}
        checked = [check_integer("TwoLayerNet", name, size, 1) for name, size in sizes.items()]
        self.reg = check_number("TwoLayerNet", "reg", reg)
        self.params = _drawn("TwoLayerNet", checked, weight_scale)

    def loss(self, X: Any, y: Any = None) -> Any:
        """Compute the scores of images, or the loss and its gradients; see `ThreeLayerConvNet.loss`.

        `X` has shape (N, d1, ..., dk).
        """
        a, cache1 = layer_utils.affine_relu_forward(X, self.params["W1"], self.params["b1"])
        scores, cache2 = layer_utils.affine_forward(a, self.params["W2"], self.params["b2"])
        if y is None:
            return scores
        loss, dscores = layer_utils.softmax_loss(scores, y)
        grads: dict[str, Array] = {}
        da, grads["W2"], grads["b2"] = layer_utils.affine_backward(dscores, cache2)
        affine, relu = cache1
        grads["W1"], grads["b1"] = affine_weight_gradients("TwoLayerNet", layer_utils.relu_backward(da, relu), affine)
        return penalised(loss, grads, self.params, self.reg)


class FullyConnectedNet:
    """A network of any depth: {affine - [normalisation] - ReLU - [dropout]} × (L - 1) - affine - softmax.

    Parameters
    ----------
    hidden_dims : sequence of int
        Units of each hidden layer.
    input_dim, num_classes : int
        Numbers in an image, scores.
    dropout : float
        Probability to keep a unit; 1 is no dropout.
    normalization : {None, "batchnorm", "layernorm"}
        What comes after each affine layer but the last.
    reg : float
        Strength of the L2 penalty ``reg / 2 * sum(W²)``, on weights but not on biases, gamma and beta.
    weight_scale : float
        Standard deviation of the initial weights, ``np.random.normal`` layer after layer.
    dtype : dtype
        Of the parameters; images are converted to it.
    seed : int, optional
        Passed to ``np.random.seed`` before each dropout, so that numerical gradients can be taken.
    dropout_keep_ratio : float, optional
        Another name of `dropout`, that of the later years.

    Attributes
    ----------
    params : dict
        W1, b1 and so on; with a normalisation gamma1, beta1 and so on.
    bn_params : list of dict
        What batch normalisation keeps, for each hidden layer: ``running_mean`` and ``running_var``.
    dropout_param : dict
        ``mode``, ``p`` and ``seed``.
    normalization, use_dropout, reg, num_layers, dtype
        As given, or as they follow.

    Raises
    ------
    fastconv.errors.InvalidValueError
        If `normalization` is none of the names, or the share to keep is not above 0 and at most 1.

    Examples
    --------
    >>> import numpy as np
    >>> model = FullyConnectedNet([4, 3], input_dim=6, num_classes=5, normalization="layernorm", dtype=np.float64)
    >>> " ".join(model.params)
    'W1 b1 gamma1 beta1 W2 b2 gamma2 beta2 W3 b3'
    >>> loss, grads = model.loss(np.random.randn(7, 2, 3), np.arange(7) % 5)
    >>> grads.keys() == model.params.keys()
    True
    """

    def __init__(
        self,
        hidden_dims: Sequence[int],
        input_dim: int = 3 * 32 * 32,
        num_classes: int = 10,
        dropout: float = 1,
        normalization: str | None = None,
        reg: float = 0.0,
        weight_scale: float = 1e-2,
        dtype: DTypeLike = np.float32,
        seed: int | None = None,
        dropout_keep_ratio: float | None = None,
    ) -> None:
        operation = "FullyConnectedNet"
        chosen: Any = normalization
        if chosen is not None and not (isinstance(chosen, str) and chosen in _NORMALIZATIONS):
            raise InvalidValueError(
                f"{operation}: normalization must be None, 'batchnorm' or 'layernorm', but got {shown(chosen)}."
            )
        hidden = check_any_shape(operation, "hidden_dims", hidden_dims, 1)
        outer = {"input_dim": input_dim, "num_classes": num_classes}
        first, last = (check_integer(operation, name, size, 1) for name, size in outer.items())
        keep = _kept(dropout, dropout_keep_ratio)
        self.normalization, self.use_dropout = normalization, keep != 1
        self.reg, self.dtype = check_number(operation, "reg", reg), check_dtype(operation, dtype)
        self.num_layers = 1 + len(hidden)
        drawn = _drawn(operation, (first, *hidden, last), weight_scale, normalised=normalization is not None)
        self.params = {name: value.astype(dtype) for name, value in drawn.items()}
        self.dropout_param: dict[str, Any] = {}
        if self.use_dropout:
            self.dropout_param = {"mode": "train", "p": keep, **({} if seed is None else {"seed": seed})}
        start = {"mode": "train"} if normalization == "batchnorm" else {}
        self.bn_params: list[dict[str, Any]] = [dict(start) for _ in hidden if normalization]

    def loss(self, X: Any, y: Any = None) -> Any:
        """Compute the scores of images, or the loss and its gradients; see `ThreeLayerConvNet.loss`.

        `X` has shape (N, d1, ..., dk). Without `y` dropout and batch normalisation are in test mode.
        """
        mode = "test" if y is None else "train"
        if self.use_dropout:
            self.dropout_param["mode"] = mode
        if self.normalization == "batchnorm":
            for bn_param in self.bn_params:
                bn_param["mode"] = mode
        out, caches = check_array("FullyConnectedNet", "X", X).astype(self.dtype, copy=False), []
        for layer in range(1, self.num_layers):
            out, cache = self._forward(layer, out)
            caches.append(cache)
        last = self.num_layers
        scores, cache = layer_utils.affine_forward(out, self.params[f"W{last}"], self.params[f"b{last}"])
        if y is None:
            return scores
        loss, dscores = layer_utils.softmax_loss(scores, y)
        grads: dict[str, Array] = {}
        dout, grads[f"W{last}"], grads[f"b{last}"] = layer_utils.affine_backward(dscores, cache)
        for layer in range(last - 1, 0, -1):
            dout = self._backward(layer, dout, caches.pop(), grads)
        return penalised(loss, grads, self.params, self.reg)

    def _forward(self, layer: int, x: Array) -> tuple[Array, tuple[Any, ...]]:
        """A hidden layer: its output, and the caches of affine, normalisation, ReLU and dropout."""
        norm = drop = None
        out, affine = layer_utils.affine_forward(x, self.params[f"W{layer}"], self.params[f"b{layer}"])
        if self.normalization:
            forward, _ = _NORMALIZATIONS[self.normalization]
            gamma, beta = self.params[f"gamma{layer}"], self.params[f"beta{layer}"]
            out, norm = forward(out, gamma, beta, self.bn_params[layer - 1])
        out, relu = layer_utils.relu_forward(out)
        if self.use_dropout:
            out, drop = layer_utils.dropout_forward(out, self.dropout_param)
        return out, (affine, norm, relu, drop)

    def _backward(self, layer: int, dout: Array, caches: tuple[Any, ...], grads: dict[str, Array]) -> Any:
        """A hidden layer: `grads` get those of its parameters; returned is that of its input, None at the first."""
        affine, norm, relu, drop = caches
        if self.use_dropout:
            dout = layer_utils.dropout_backward(dout, drop)
        dout = layer_utils.relu_backward(dout, relu)
        if self.normalization:
            _, backward = _NORMALIZATIONS[self.normalization]
            dout, grads[f"gamma{layer}"], grads[f"beta{layer}"] = backward(dout, norm)
        if layer == 1:
            grads["W1"], grads["b1"] = affine_weight_gradients("FullyConnectedNet", dout, affine)
            return None
        dx, grads[f"W{layer}"], grads[f"b{layer}"] = layer_utils.affine_backward(dout, affine)
        return dx


def penalised(
    loss: Any, grads: dict[str, Array], params: dict[str, Array], reg: float
) -> tuple[float, dict[str, Array]]:
    """Add ``reg / 2 * sum(W²)`` of the weights, W1, W2 and so on, to a loss and its gradients."""
    if not reg:
        return float(loss), grads
    weights = [name for name in params if name.startswith("W")]
    for name in weights:
        grads[name] += reg * params[name]
    squares = sum(float(np.sum(params[name] * params[name])) for name in weights)
    return float(loss) + 0.5 * reg * squares, grads


def _drawn(operation: str, sizes: Sequence[int], scale: float, *, normalised: bool = False) -> dict[str, Array]:
    """Weights of affine layers between these sizes, biases of 0; and gamma 1 and beta 0, except for the last."""
    params, scale = {}, check_number(operation, "weight_scale", scale, least=0)
    for number, (inputs, outputs) in enumerate(pairwise(sizes), 1):
        check_fits(operation, f"W{number}", (inputs, outputs), np.dtype(np.float64).itemsize)
        params[f"W{number}"] = np.random.normal(0, scale, (inputs, outputs))
        params[f"b{number}"] = np.zeros(outputs)
        if normalised and number < len(sizes) - 1:
            params[f"gamma{number}"], params[f"beta{number}"] = np.ones(outputs), np.zeros(outputs)
    return params


def _kept(dropout: Any, keep_ratio: Any) -> float:
    """Return the share of units to keep, which has two names."""
    name, value = ("dropout", dropout) if keep_ratio is None else ("dropout_keep_ratio", keep_ratio)
    share = check_number("FullyConnectedNet", name, value, most=1)
    if check_number("FullyConnectedNet", "dropout", dropout) not in (1, share):
        raise InvalidValueError(
            f"FullyConnectedNet: dropout and dropout_keep_ratio must be the same, but got {dropout} and {keep_ratio}."
        )
    if share <= 0:
        raise InvalidValueError(
            f"FullyConnectedNet: {name} must be above 0, because it is the probability to keep a unit, but got "
            f"{value!r}. Without dropout it is 1; in the courses of 2016 and 2017, where it was the probability to "
            "drop one, that was 0."
        )
    return share
