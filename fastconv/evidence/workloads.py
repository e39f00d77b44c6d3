"""Named workloads: the layers that fastconv is measured on, and real images to run them over.

One frozen table feeds the command line, the benchmarks and the tests, so that nothing is timed that is not also
compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastconv.backends.geometry import ConvGeometry, WindowGeometry
from fastconv.errors import InvalidValueError, unknown_name
from fastconv.evidence.filters import EDGES, LINES, Filters, filter_bank
from fastconv.validation.operations import conv_geometry, pool_geometry
from fastconv.validation.sizes import check_flag, check_integer, check_padding, check_sizes

Array = NDArray[Any]
Shape4 = tuple[int, int, int, int]

_RANK = 2
_ITEMSIZE = 4  # bytes of float32, in which workloads are drawn unless another dtype is asked for


class Options(NamedTuple):
    """How a window slides, in any form that the public functions take.

    Attributes
    ----------
    stride, dilation : int or (int, int)
        Per axis, height before width.
    padding : int, str, or one int or (before, after) pair per axis
        Padding of the input.
    groups : int
        Groups of a convolution.
    """

    stride: int | tuple[int, int] = 1
    padding: int | str | tuple[Any, Any] = 0
    dilation: int | tuple[int, int] = 1
    groups: int = 1


_DEFAULTS = Options()


def window_geometry(
    operation: str,
    input_shape: tuple[int, ...],
    weight_shape: tuple[int, ...] | None,
    arguments: dict[str, Any],
    itemsize: int,
) -> ConvGeometry | WindowGeometry:
    """Check the sizes of a convolution, or of a pooling where there are no weights, as its public function does."""
    padding = check_padding(operation, arguments.get("padding", 0), _RANK)
    dilation = check_sizes(operation, "dilation", arguments.get("dilation", 1), _RANK, 1)
    stride = arguments.get("stride")
    if weight_shape is not None:
        if len(weight_shape) != _RANK + 2:
            raise InvalidValueError(
                f"{operation}: weight must have {_RANK + 2} axes, (F, C//groups, KH, KW), but got {len(weight_shape)} "
                f"(shape {weight_shape})."
            )
        steps = check_sizes(operation, "stride", 1 if stride is None else stride, _RANK, 1)
        groups = check_integer(operation, "groups", arguments.get("groups", 1), 1)
        return conv_geometry(operation, input_shape, weight_shape, steps, padding, dilation, groups, itemsize)
    kernel = check_sizes(operation, "kernel_size", arguments["kernel_size"], _RANK, 1)
    steps = kernel if stride is None else check_sizes(operation, "stride", stride, _RANK, 1)
    ceil_mode = check_flag(operation, "ceil_mode", arguments.get("ceil_mode", False))
    return pool_geometry(operation, input_shape, kernel, steps, padding, dilation, ceil_mode, itemsize)


@dataclass(frozen=True)
class Workload:
    """One convolution or pooling with its sizes; the arrays are drawn when asked for.

    Parameters
    ----------
    name : str
        Short and stable: it appears in saved results.
    operation : {"conv2d", "max_pool2d", "avg_pool2d"}
        The public function to call.
    input_shape : (N, C, H, W)
        Shape of the input.
    kernel_size : (KH, KW)
        Size of the window.
    weight_shape : (F, C // groups, KH, KW), optional
        Shape of the filters of a convolution.
    bias : bool
        Whether the convolution has a bias.
    options : Options
        Stride, padding, dilation and groups.
    description : str
        What the workload stands for.

    Examples
    --------
    >>> layer = by_name("conv5x5s2_32_64_32").with_batch(1)
    >>> layer.input_shape, layer.output_shape
    ((1, 32, 32, 32), (1, 64, 16, 16))
    >>> layer.multiply_adds()
    13107200
    >>> layer.arguments()
    {'stride': 2, 'padding': 2, 'dilation': 1, 'groups': 1}
    """

    name: str
    operation: str
    input_shape: Shape4
    kernel_size: tuple[int, int]
    weight_shape: Shape4 | None = None
    bias: bool = False
    options: Options = _DEFAULTS
    description: str = ""

    @property
    def geometry(self) -> ConvGeometry | WindowGeometry:
        """Checked geometry of the workload; sizes that do not fit raise here, as they would in the operation."""
        return window_geometry(self.operation, self.input_shape, self.weight_shape, self.arguments(), _ITEMSIZE)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(N, F, OH, OW), or (N, C, OH, OW) of a pooling."""
        return self.geometry.output_shape

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of the operation that are not arrays."""
        arguments = self.options._asdict()
        if self.weight_shape is None:
            del arguments["groups"]
            arguments["kernel_size"] = self.kernel_size
        return arguments

    def with_batch(self, n: int) -> Workload:
        """Return the same workload over `n` images."""
        return replace(self, input_shape=(n, *self.input_shape[1:]))

    def inputs(self, dtype: DTypeLike = np.float32, seed: int = 0) -> dict[str, Array]:
        """Draw the arrays of the workload.

        Parameters
        ----------
        dtype : dtype
            Type of all arrays.
        seed : int
            The same seed draws the same arrays.

        Returns
        -------
        dict of str to ndarray
            ``x``, standard normal; for a convolution also ``weight``, normal with the variance 2 / (inputs of one
            output) of He et al. (2015, section 2.2), and ``bias`` where there is one, standard normal.
        """
        rng = np.random.default_rng(seed)
        arrays = {"x": rng.standard_normal(self.input_shape)}
        if self.weight_shape is not None:
            arrays["weight"] = rng.standard_normal(self.weight_shape) * np.sqrt(2 / prod(self.weight_shape[1:]))
            if self.bias:
                arrays["bias"] = rng.standard_normal(self.weight_shape[0])
        return {name: array.astype(dtype) for name, array in arrays.items()}

    def window_elements(self) -> int:
        """Count the window elements of all outputs, padding included.

        Each is one multiply-add of a convolution, one comparison of a max pooling, one addition of an average pooling.
        """
        taps = self.kernel_size if self.weight_shape is None else self.weight_shape[1:]
        return prod(self.output_shape) * prod(taps)

    def multiply_adds(self) -> int:
        """Count the multiply-adds of one forward pass, padding included; a pooling has none."""
        return 0 if self.weight_shape is None else self.window_elements()

    def flops(self) -> int:
        """Count the floating-point operations of one forward pass.

        A multiply-add counts as two; of a pooling, one comparison or addition for each window element. The bias of a
        convolution and the division of an average are not counted.
        """
        return self.window_elements() + self.multiply_adds()


@dataclass(frozen=True)
class ImageWorkload(Workload):
    """A workload over real images, with fixed filters.

    Parameters
    ----------
    images : ndarray, (N, C, H, W), float32
        The images, between 0 and 1.
    filters : ndarray, (F, C, KH, KW), float32, optional
        The filters of a convolution.
    names : tuple of str
        What its output channels show.
    """

    images: Array = field(kw_only=True, repr=False, compare=False)
    filters: Array | None = field(default=None, kw_only=True, repr=False, compare=False)
    names: tuple[str, ...] = field(default=(), kw_only=True, repr=False, compare=False)

    def with_batch(self, n: int) -> ImageWorkload:
        """Return the same workload over the first `n` images; beyond the last one they start again."""
        images = self.images[np.arange(n) % len(self.images)]
        return replace(self, input_shape=(n, *self.input_shape[1:]), images=images)

    def inputs(self, dtype: DTypeLike = np.float32, seed: int = 0) -> dict[str, Array]:
        """Return copies of the images and filters in `dtype`; nothing is drawn, so `seed` changes nothing."""
        arrays = {"x": self.images} if self.filters is None else {"x": self.images, "weight": self.filters}
        return {name: array.astype(dtype) for name, array in arrays.items()}


def _conv(name: str, input_shape: Shape4, filters: int, kernel: int, description: str, **options: int) -> Workload:
    weight_shape = (filters, input_shape[1] // options.get("groups", 1), kernel, kernel)
    return Workload(name, "conv2d", input_shape, (kernel, kernel), weight_shape, True, Options(**options), description)


def _pool(
    name: str, operation: str, input_shape: Shape4, kernel: int, description: str, *, padding: int = 0
) -> Workload:
    options = Options(stride=2, padding=padding)
    return Workload(name, operation, input_shape, (kernel, kernel), options=options, description=description)


LAYERS: tuple[Workload, ...] = (
    _conv("conv3x3_64_56", (8, 64, 56, 56), 64, 3, "3x3 64->64 @56: ResNet, first stage", padding=1),
    _conv("conv3x3_128_28", (8, 128, 28, 28), 128, 3, "3x3 128->128 @28: ResNet, second stage", padding=1),
    _conv("conv3x3_256_14", (8, 256, 14, 14), 256, 3, "3x3 256->256 @14: ResNet, third stage", padding=1),
    _conv("conv3x3_512_7", (8, 512, 7, 7), 512, 3, "3x3 512->512 @7: ResNet, last stage", padding=1),
    _conv("conv1x1_256_64_56", (8, 256, 56, 56), 64, 1, "1x1 256->64 @56: a ResNet bottleneck"),
    _conv("conv7x7s2_3_64_224", (8, 3, 224, 224), 64, 7, "7x7 s2 3->64 @224: the ResNet stem", stride=2, padding=3),
    _conv("conv3x3_3_32_32", (64, 3, 32, 32), 32, 3, "3x3 3->32 @32: first layer on CIFAR-10", padding=1),
    _conv("conv7x7_3_32_32", (50, 3, 32, 32), 32, 7, "7x7 3->32 @32: the CS231n three-layer net", padding=3),
    _conv("conv3x3_32_64_16", (64, 32, 16, 16), 64, 3, "3x3 32->64 @16: second layer on CIFAR-10", padding=1),
    _conv("conv5x5_1_20_28", (128, 1, 28, 28), 20, 5, "5x5 1->20 @28: first layer of LeNet on MNIST"),
    _conv("depthwise3x3_128_28", (8, 128, 28, 28), 128, 3, "3x3 depthwise 128 @28: MobileNet", padding=1, groups=128),
    _conv("conv5x5s2_32_64_32", (16, 32, 32, 32), 64, 5, "5x5 s2 32->64 @32: downsampling", stride=2, padding=2),
)

ONE_IMAGE: tuple[Workload, ...] = tuple(
    _conv(f"one3x3_{C}_{size}", (1, C, size, size), C, 3, f"one image, 3x3 {C}->{C} @{size}", padding=1)
    for C, size in ((32, 112), (64, 112), (64, 56), (128, 56), (128, 28), (256, 14))
)
# what the contest and the ladder know by name: single layers, and sets of them
CONVOLUTIONS: dict[str, tuple[Workload, ...]] = {
    **{layer.name: (layer,) for layer in (*LAYERS, *ONE_IMAGE)},
    "layers": LAYERS,
    "one-image": ONE_IMAGE,
}

POOLS: tuple[Workload, ...] = (
    _pool("maxpool2x2_64_56", "max_pool2d", (8, 64, 56, 56), 2, "max 2x2 s2, 64 @56"),
    _pool("maxpool3x3_64_112", "max_pool2d", (8, 64, 112, 112), 3, "max 3x3 s2, 64 @112: the ResNet stem", padding=1),
    _pool("avgpool2x2_64_56", "avg_pool2d", (8, 64, 56, 56), 2, "average 2x2 s2, 64 @56"),
)

COURSE: tuple[Workload, ...] = (
    _conv("course_conv", (100, 3, 31, 31), 25, 3, "3x3 s2 3->25 @31: a cell of CS231n", stride=2, padding=1),
    _pool("course_maxpool", "max_pool2d", (100, 3, 32, 32), 2, "max 2x2 s2, 3 @32: a cell of CS231n"),
)

IMAGE_NAMES: tuple[str, ...] = (
    "photos_lines7x7",
    "photos_maxpool2x2",
    "photos_avgpool2x2",
    "digits_edges3x3",
    "digits_maxpool2x2",
    "digits_avgpool2x2",
)


NAMES = (*(workload.name for workload in (*LAYERS, *POOLS)), *IMAGE_NAMES)  # that `by_name` knows


def by_name(name: str) -> Workload:
    """Return the workload of that name from `LAYERS`, `POOLS` or `image_workloads`.

    Parameters
    ----------
    name : str
        Name of a workload; those of `IMAGE_NAMES` need scikit-learn.

    Returns
    -------
    Workload
        The workload.

    Raises
    ------
    ValueError
        If there is no such name; the message lists all of them.
    ImportError
        If it is one of `IMAGE_NAMES` and scikit-learn is missing.

    Examples
    --------
    >>> by_name("maxpool3x3_64_112").output_shape
    (8, 64, 56, 56)
    """
    table: Sequence[Workload] = image_workloads() if name in IMAGE_NAMES else (*LAYERS, *POOLS)
    for workload in table:
        if workload.name == name:
            return workload
    raise unknown_name("by_name", "name", name, NAMES, bare=True)


def image_workloads() -> tuple[ImageWorkload, ...]:
    """Return convolution, max and average pooling over photographs and handwritten digits.

    The two photographs (427x640, RGB) and the first hundred 8x8 digits are those that ship inside scikit-learn;
    nothing is downloaded.

    Returns
    -------
    tuple of ImageWorkload
        In the order of `IMAGE_NAMES`.

    Raises
    ------
    ImportError
        If scikit-learn (or Pillow, with which it reads photographs) is missing.
    """
    photos, digits = _photographs(), _digits()
    wide, one = Options(stride=2, padding="same"), Options(padding=1)
    return (
        _on_images("photos_lines7x7", "conv2d", photos, wide, "vertical and horizontal 7x7 lines, photographs", LINES),
        _on_images("photos_maxpool2x2", "max_pool2d", photos, Options(2), "max 2x2 s2, photographs"),
        _on_images("photos_avgpool2x2", "avg_pool2d", photos, Options(2), "average 2x2 s2, photographs"),
        _on_images("digits_edges3x3", "conv2d", digits, one, "eight 3x3 edge and blur filters, digits", EDGES),
        _on_images("digits_maxpool2x2", "max_pool2d", digits, Options(2), "max 2x2 s2, digits"),
        _on_images("digits_avgpool2x2", "avg_pool2d", digits, Options(2), "average 2x2 s2, digits"),
    )


def _on_images(
    name: str, operation: str, images: Array, options: Options, description: str, filters: Filters | None = None
) -> ImageWorkload:
    bank = None if filters is None else filter_bank(filters, images.shape[1])
    shape: Any = None if bank is None else bank.shape
    kernel: Any = (2, 2) if shape is None else shape[2:]
    workload = ImageWorkload(
        name, operation, images.shape, kernel, shape, False, options, description, images=images, filters=bank
    )
    return replace(workload, names=tuple(filters or ()))


def _photographs() -> Array:
    """Return the two sample photographs: (2, 3, 427, 640), float32, between 0 and 1."""
    from fastconv.data import load_sample_photographs

    return load_sample_photographs().images.astype(np.float32) / 255


def _digits() -> Array:
    """Return the first hundred handwritten digits: (100, 1, 8, 8), float32, between 0 and 1."""
    from fastconv.data.files import imported

    datasets = imported("image_workloads", "sklearn.datasets", "scikit-learn")
    images: Array = datasets.load_digits().images[:100, np.newaxis].astype(np.float32) / 16
    return images
