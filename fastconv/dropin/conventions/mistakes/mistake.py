"""What a mistake is, and the words for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from fastconv.validation.arrays import Array


@dataclass(frozen=True)
class Mistake:
    """A usual mistake.

    Attributes
    ----------
    name : str
        A few words by which it is known in tables.
    words : str
        What the code does; reads well after "y differs by up to 3: ".
    fix : str
        The idea of the fix: a line of code, or words.
    """

    name: str
    words: str
    fix: str


class Suspicion(NamedTuple):
    """A mistake that may have been made, and what it would give: numbers, or a shape alone.

    Attributes
    ----------
    name : str
        Name of the mistake.
    compute : callable
        Returns the wrong array; None where the mistake gives nothing, or where the shape says it all.
    where : str
        Words for the axis along which it was made: " along the height"; nothing for both.
    shape : tuple of int or None
        The wrong shape, where that is all that is known.
    """

    name: str
    compute: Callable[[], Array | None] = lambda: None
    where: str = ""
    shape: tuple[int, ...] | None = None

    @property
    def mistake(self) -> Mistake:
        """The mistake, with the axis in its words."""
        found = MISTAKES[self.name]
        return replace(found, words=found.words + self.where)


_WINDOW = "x[..., i * stride : i * stride + KH, j * stride : j * stride + KW]"
_CUT = "dx = dpadded[..., pad : pad + H, pad : pad + W]"
_SUM = "np.sum(patch * w[f]) + b[f]"
_SHARE = "dx[window] += dy[..., i, j] / (KH * KW)"
_SIZE = "OH = (H + 2 * pad - KH) // stride + 1; OW = (W + 2 * pad - KW) // stride + 1"
_FIRST = (
    "k, l = np.unravel_index(window.argmax(), window.shape); dx[..., i * stride + k, j * stride + l] += dy[..., i, j]"
)

MISTAKES: dict[str, Mistake] = {
    name: Mistake(name, words, fix)
    for name, words, fix in (
        # where windows are
        ("stride forgotten", "the stride is forgotten", _WINDOW),
        ("window for stride", "the size of the window is taken for the stride", _WINDOW),
        ("other stride", "the stride of one axis is used for the other", _WINDOW),
        ("dilation ignored", "the dilation is ignored", "x[..., i * stride : i * stride + d * (KH - 1) + 1 : d, ...]"),
        ("padding on one side", "all padding is on one side", "np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))"),
        ("padding repeats", "the padding repeats the border, and is not zero", "np.pad(...)   # without mode"),
        # sizes
        ("rounded up", "the size of the output is rounded up, where it is rounded down", _SIZE),
        ("true division", "sizes are divided by /, which gives no integers", _SIZE),
        ("one missing", "the size of the output is one too small: + 1 is missing", _SIZE),
        ("one too many", "the size of the output is one too large", _SIZE),
        ("padding not in the size", "the padding is not counted in the size of the output", _SIZE),
        (
            "padding once in the size",
            "the padding is counted once in the size of the output, where twice is right",
            _SIZE,
        ),
        ("stride not in the size", "the size of the output is not divided by the stride", _SIZE),
        ("size of the other axis", "the size of the output is computed from the other axis", _SIZE),
        ("dilation not in the size", "the dilation is not counted in the size of the output", _SIZE),
        (
            "as large as the image",
            "it is as large as the image, so something is added around that by itself",
            "pad by what the call says, and not so that the size stays",
        ),
        ("axes in another order", "the numbers are right, but the axes are in another order", "y.transpose(...)"),
        (
            "height and width exchanged",
            "height and width are exchanged",
            "height comes first: y[..., i, j] with i over rows and j over columns",
        ),
        # the sum of a convolution
        (
            "kernel flipped",
            "it computes a convolution with the kernel flipped; fastconv, like every deep-learning library, correlates",
            "np.sum(patch * w[f])   # no ::-1, no np.rot90; scipy.signal.correlate2d and not convolve2d",
        ),
        (
            "kernel flipped in the gradient",
            "the kernel is flipped once too often, or once too little",
            "dx[window] += w[f] * dy[n, f, i, j]   # where dy slides over a padded plane: w[f, :, ::-1, ::-1]",
        ),
        ("bias in every cell", "the bias is added in every cell of the window, where once is right", _SUM),
        ("bias in every channel", "the bias is added in every channel, where once is right", _SUM),
        ("bias twice", "the bias is added twice", _SUM),
        ("bias forgotten", "the bias is forgotten", _SUM),
        ("bias subtracted", "the bias is subtracted", _SUM),
        ("bias of one filter", "every filter gets the bias of the first", _SUM),
        ("mean of products", "the mean of the products is taken, where their sum belongs", "np.sum(patch * w[f])"),
        ("first channel alone", "only the first channel is read; the sum goes over all", "np.sum(patch * w[f])"),
        ("last channel alone", "the last channel overwrites the others; the sum goes over all", "y[n, f, i, j] += ..."),
        ("first filter for all", "every filter is the first", "y[n, f, i, j] = np.sum(patch * w[f])"),
        ("kernel transposed", "height and width of the kernel are exchanged", "w[f, c, k, l], k over rows"),
        (
            "negative results lost",
            "what is negative is zero: an activation belongs into a layer of its own",
            "return y   # without np.maximum(0, ...)",
        ),
        # images
        ("first image for all", "every image is the first: its index is missing", "x[n, ...] in place of x[0, ...]"),
        ("first image alone", "only the first image is looked at", "for n in range(len(x)):"),
        ("last image alone", "what one image gives overwrites what those before it gave", "dw[f] += ..."),
        ("last position alone", "what one position gives overwrites what those before it gave", "dw[f] += ..."),
        (
            "last filter alone",
            "gradients of the filters overwrite each other, where they have to be added",
            "dx[window] += ...",
        ),
        (
            "divided by images",
            "it is divided by the number of images; that belongs into the loss",
            "no / N in the backward pass",
        ),
        ("mean over positions", "it is the mean over the positions, not the sum", "db = dy.sum(axis=(0, 2, 3))"),
        ("sum over filters", "it is the sum over all filters", "db[f] = dy[:, f].sum()"),
        # gradients of the input
        (
            "assigned",
            "gradients of overlapping windows overwrite each other, where they have to be added",
            "dx[window] += ...   # not =",
        ),
        ("padding not cut off", "the padding is not cut off the gradient", _CUT),
        ("cut at the wrong place", "the padding is cut off at the wrong place", _CUT),
        ("cut with exchanged axes", "height and width are exchanged where the padding is cut off", _CUT),
        ("empty cut", "[pad:-pad] is empty without padding; write [pad:pad + size]", _CUT),
        # maxima
        (
            "zero padding of maxima",
            "the padding is zero and not minus infinity",
            "np.pad(x, ..., constant_values=-np.inf)",
        ),
        ("maximum from zero", "the maximum starts from zero", "best = -np.inf, or window.max()"),
        ("minimum", "the minimum is taken", "window.max()"),
        ("mean for maximum", "the mean is taken", "window.max()"),
        ("ties to all", "of several equal maxima every one gets the whole gradient, where the first gets it", _FIRST),
        ("ties shared", "several equal maxima share the gradient, where the first gets it", _FIRST),
        ("ties to the last", "of several equal maxima the last gets the gradient, where the first gets it", _FIRST),
        # means
        (
            "padding not in the mean",
            "padding is not counted in the mean, as in TensorFlow; fastconv and PyTorch count it",
            "window.sum() / (KH * KW)",
        ),
        ("maximum for mean", "the maximum is taken", "window.mean()"),
        ("sum for mean", "the sum is not divided by the size of the window", _SHARE),
        ("divided by a square", "it is divided by the square of one size, and the window is not square", _SHARE),
        # numbers
        ("all zeros", "it is all zeros", "write the result into the array that is returned"),
        ("sign", "its sign is wrong", "no minus here"),
        ("twice", "it is twice what it should be", "add each product once"),
        (
            "integer result",
            "the result is stored in the integer type of the image",
            "y = np.zeros(shape, np.result_type(x, w, np.float32))   # not x.dtype",
        ),
        ("rounded", "its numbers are right to a few digits: something is rounded on the way", "no astype, no round"),
        (
            "adds up between calls",
            "gradients add up from call to call",
            "set the gradient to zero where the backward pass begins",
        ),
        ("nothing returned", "nothing is returned, or it is not written yet", "return y   # and what backward needs"),
        ("changes its input", "an input is changed in place", "x = x - ...   # not x -= ..., or x = x.copy() first"),
    )
}
