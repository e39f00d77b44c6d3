"""The three-layer network of CS231n, ``classifiers/cnn.py``.

What `layers`, `fast_layers` and `layer_utils` export is exported from here too, as in the original.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.backends.geometry import conv_axis
from fastconv.compat.cs231n import layer_utils
from fastconv.compat.cs231n.classifiers.fc_net import penalised
from fastconv.compat.cs231n.layer_utils import *  # noqa: F403 - as in the original
from fastconv.compat.cs231n.windows import conv_weight_gradients
from fastconv.errors import InvalidValueError
from fastconv.validation.arrays import Array, check_array, check_dtype
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_integer, check_number, check_shape_argument

__all__ = ["ThreeLayerConvNet"]
__all__ += layer_utils.__all__

_POOL = {"pool_height": 2, "pool_width": 2, "stride": 2}


class ThreeLayerConvNet:
    """A network of three layers: conv - ReLU - 2×2 max pool - affine - ReLU - affine - softmax.

    Parameters
    ----------
    input_dim : (C, H, W)
        Shape of an image.
    num_filters, filter_size : int
        Filters of the convolution, and their height and width; stride 1, and ``(filter_size - 1) // 2`` of padding.
    hidden_dim : int
        Units of the hidden layer.
    num_classes : int
        Scores for an image.
    weight_scale : float
        Standard deviation of the initial weights; biases are 0.
    reg : float
        Strength of the L2 penalty ``reg / 2 * sum(W²)``, on weights but not on biases.
    dtype : dtype
        Of the parameters, and of the computation.

    Attributes
    ----------
    params : dict
        W1 (F, C, HH, WW), b1, W2 (D, hidden), b2, W3 (hidden, classes), b3.
    reg, dtype
        As given.

    Raises
    ------
    fastconv.errors.InvalidValueError
        If nothing is left of an image after the pooling.

    Notes
    -----
    The weights are ``weight_scale * np.random.randn(...)`` for W1, W2 and W3, in this order. Images are converted to
    `dtype`. Without that the float64 images of `get_CIFAR10_data` would take a network of float32 through in float64,
    at half of the speed, as the original does.

    Examples
    --------
    >>> import numpy as np
    >>> np.random.seed(0)
    >>> model = ThreeLayerConvNet(input_dim=(3, 6, 8), num_filters=4, filter_size=3, hidden_dim=5)
    >>> {name: w.shape for name, w in model.params.items()}
    {'W1': (4, 3, 3, 3), 'b1': (4,), 'W2': (48, 5), 'b2': (5,), 'W3': (5, 10), 'b3': (10,)}
    >>> loss, grads = model.loss(np.random.randn(2, 3, 6, 8), np.array([1, 9]))
    >>> round(loss, 4)  # log(10): all classes are alike
    2.3026
    """

    def __init__(
        self,
        input_dim: tuple[int, int, int] = (3, 32, 32),
        num_filters: int = 32,
        filter_size: int = 7,
        hidden_dim: int = 100,
        num_classes: int = 10,
        weight_scale: float = 1e-3,
        reg: float = 0.0,
        dtype: DTypeLike = np.float32,
    ) -> None:
        operation = "ThreeLayerConvNet"
        sizes = {"num_filters": num_filters, "filter_size": filter_size, "hidden_dim": hidden_dim,
                 "num_classes": num_classes}  # fmt: skip
        num_filters, filter_size, hidden_dim, num_classes = (
            check_integer(operation, name, size, 1) for name, size in sizes.items()
        )
        C, *size = (check_integer(operation, "input_dim", each, 1) for each in
                    check_shape_argument(operation, "input_dim", input_dim, "CHW"))  # fmt: skip
        scale = check_number(operation, "weight_scale", weight_scale)
        self.params: dict[str, Array] = {}
        self.reg, self.dtype = check_number(operation, "reg", reg), check_dtype(operation, dtype)
        pad = (filter_size - 1) // 2
        convolved = [conv_axis(each, filter_size, 1, 1, pad, pad).out for each in size]
        height, width = (conv_axis(each, 2, 2, 1, 0, 0).out for each in convolved)
        if min(height, width) < 1:
            raise InvalidValueError(
                f"{operation}: input_dim must leave windows of 2 x 2 after the convolution, but got {input_dim} "
                f"with filter_size {filter_size}."
            )
        shapes = {
            "1": (num_filters, C, filter_size, filter_size),
            "2": (num_filters * height * width, hidden_dim),
            "3": (hidden_dim, num_classes),
        }
        for layer, shape in shapes.items():
            check_fits(operation, f"W{layer}", shape, np.dtype(np.float64).itemsize)
            self.params[f"W{layer}"] = (scale * np.random.randn(*shape)).astype(dtype)
            self.params[f"b{layer}"] = np.zeros(shape[0] if layer == "1" else shape[1], dtype)

    def loss(self, X: Any, y: Any = None) -> Any:
        """Compute the scores of images, or the loss and its gradients.

        Parameters
        ----------
        X : array_like, shape (N, C, H, W)
            Images.
        y : array_like of int, shape (N,), optional
            Labels.

        Returns
        -------
        scores : ndarray, shape (N, num_classes)
            Where `y` is None. Otherwise
        loss : float
            The mean loss of the images, and the penalty.
        grads : dict
            Gradients with the keys of ``params``.

        Raises
        ------
        fastconv.errors.InvalidValueError
            If shapes do not fit together.
        """
        W1, b1, W2, b2, W3, b3 = (self.params[name] for name in ("W1", "b1", "W2", "b2", "W3", "b3"))
        conv_param = {"stride": 1, "pad": (W1.shape[2] - 1) // 2}
        # Pool, then ReLU: the same numbers and gradients as the other way round, and a quarter of them for ReLU.
        images = check_array("ThreeLayerConvNet", "X", X).astype(self.dtype, copy=False)
        convolved, conv_cache = layer_utils.conv_forward_fast(images, W1, b1, conv_param)
        pooled, pool_cache = layer_utils.max_pool_forward_fast(convolved, _POOL)
        a1, relu_cache = layer_utils.relu_forward(pooled)
        a2, cache2 = layer_utils.affine_relu_forward(a1, W2, b2)
        scores, cache3 = layer_utils.affine_forward(a2, W3, b3)
        if y is None:
            return scores
        loss, dscores = layer_utils.softmax_loss(scores, y)
        grads: dict[str, Array] = {}
        da2, grads["W3"], grads["b3"] = layer_utils.affine_backward(dscores, cache3)
        da1, grads["W2"], grads["b2"] = layer_utils.affine_relu_backward(da2, cache2)
        dconvolved = layer_utils.max_pool_backward_fast(layer_utils.relu_backward(da1, relu_cache), pool_cache)
        grads["W1"], grads["b1"] = conv_weight_gradients("ThreeLayerConvNet", dconvolved, conv_cache)
        return penalised(loss, grads, self.params, self.reg)
