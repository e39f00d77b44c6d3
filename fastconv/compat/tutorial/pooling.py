"""``MaxPoolingLayer`` of the original over the pooling of fastconv."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.compat.tutorial.images import Plane, as_images, as_sensitivities, stored
from fastconv.functional import max_pool2d, max_pool2d_backward
from fastconv.validation.arrays import Array
from fastconv.validation.operations import pool_geometry
from fastconv.validation.sizes import check_integer


class MaxPoolingLayer:
    """A max-pooling layer.

    ``(C, H, W) -> (C, OH, OW)``, or ``(N, C, H, W) -> (N, C, OH, OW)``

    Parameters
    ----------
    input_width, input_height, channel_number, filter_width, filter_height, stride : int
        As for `ConvLayer`; the windows, which may overlap, have the size of its filters.

    Attributes
    ----------
    output_width, output_height : int
        Size of the output.
    output_array : ndarray of float64, shape (C, OH, OW) or (N, C, OH, OW)
        After `forward`; one array, written over by the next pass of the same shape.
    delta_array : ndarray of float64, shaped like the input
        After `backward`.

    Raises
    ------
    ValueError, TypeError
        As `ConvLayer`.

    Examples
    --------
    >>> import numpy as np
    >>> layer = MaxPoolingLayer(4, 2, 1, 2, 2, 2)
    >>> layer.forward(np.array([[[1, 5, 2, 0], [3, 4, 8, 8]]]))
    >>> layer.output_array
    array([[[5., 8.]]])
    """

    delta_array: Array

    def __init__(
        self,
        input_width: int,
        input_height: int,
        channel_number: int,
        filter_width: int,
        filter_height: int,
        stride: int,
    ) -> None:
        self.input_width = check_integer("MaxPoolingLayer", "input_width", input_width, 1)
        self.input_height = check_integer("MaxPoolingLayer", "input_height", input_height, 1)
        self.channel_number = check_integer("MaxPoolingLayer", "channel_number", channel_number, 1)
        self.filter_width = check_integer("MaxPoolingLayer", "filter_width", filter_width, 1)
        self.filter_height = check_integer("MaxPoolingLayer", "filter_height", filter_height, 1)
        self.stride = check_integer("MaxPoolingLayer", "stride", stride, 1)
        _, self.output_height, self.output_width = self._output_plane()
        self.output_array: Array = np.zeros((self.channel_number, self.output_height, self.output_width))

    def forward(self, input_array: Any) -> None:
        """Compute `output_array`.

        Parameters
        ----------
        input_array : array_like, shape (C, H, W), (N, C, H, W), or (H, W) where there is one channel
            The image, or a batch of them.

        Raises
        ------
        ValueError
            If the input has another shape.
        """
        y = max_pool2d(self._images("forward", input_array), self._window, stride=self.stride)
        self.output_array = stored(self.output_array, y if np.ndim(input_array) == 4 else y[0])

    def backward(self, input_array: Any, sensitivity_array: Any) -> None:
        """Compute `delta_array`: every sensitivity goes to the largest element of its window, and they add up.

        Parameters
        ----------
        input_array : array_like
            As for `forward`, which need not have run.
        sensitivity_array : array_like, shaped like the output
            Gradient of the loss with respect to the output.
        """
        images = self._images("backward", input_array)
        dy = as_sensitivities("MaxPoolingLayer.backward", sensitivity_array, self._output_plane(), len(images))
        _, indices = max_pool2d(images, self._window, stride=self.stride, return_indices=True)
        self.delta_array = np.array(max_pool2d_backward(dy, indices, images.shape), order="C")
        self.delta_array = self.delta_array.reshape(np.shape(input_array))

    @property
    def _window(self) -> tuple[int, int]:
        return self.filter_height, self.filter_width

    def _images(self, method: str, input_array: Any) -> Array:
        plane = (self.channel_number, self.input_height, self.input_width)
        return as_images(f"MaxPoolingLayer.{method}", "input_array", input_array, plane)

    def _output_plane(self) -> Plane:
        shape, strides = (1, self.channel_number, self.input_height, self.input_width), (self.stride, self.stride)
        out = pool_geometry("MaxPoolingLayer", shape, self._window, strides, ((0, 0),) * 2, (1, 1), False, 0).out
        return self.channel_number, *out  # type: ignore[return-value]
