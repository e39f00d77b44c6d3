"""The cases in which loop code for convolution and pooling is wrong in practice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from fastconv.dropin.conventions.problem import OPERATIONS, Pair, Problem, draw

Sizes = dict[str, Any]
Windows = tuple[Pair, ...]  # size of the image, kernel, stride and padding; the last may be left out
NOTHING: Sizes = {}


@dataclass(frozen=True, eq=False)
class Case:
    """A kind of input that separates right code from wrong code.

    Parameters
    ----------
    name : str
        What is special about the input; reads well after "with".
    why : str
        What the code does wrong that fails.
    sizes : mapping of str to dict
        Per operation the arguments of `draw`; an operation about which the case says nothing is missing.
    also : {"", "dtype", "unmodified", "repeat"}
        What is looked at besides the numbers: that float32 stays float32, that no input is written to, that a second
        call gives the same as the first.
    """

    name: str
    why: str
    sizes: Mapping[str, Sizes]
    also: str = ""

    @property
    def phrase(self) -> str:
        """Words for the middle of a sentence: "in the plain case", "with overlapping windows"."""
        return "in the plain case" if self.name == "plain" else f"with {self.name}"

    def draw(self, operation: str) -> Problem | None:
        """Draw the problem of this case: the same one every time.

        Parameters
        ----------
        operation : {"conv2d", "max_pool2d", "avg_pool2d", "im2col"}
            What is computed.

        Returns
        -------
        Problem or None
            None where the case says nothing about the operation.

        Examples
        --------
        >>> overlapping = next(case for case in CASES if case.name == "overlapping windows")
        >>> print(overlapping.draw("max_pool2d"))
        x (2, 3, 5, 5), 3x3 windows, stride 1
        """
        return _drawn(self, operation)


@cache
def _drawn(case: Case, operation: str) -> Problem | None:
    sizes = case.sizes.get(operation)
    return None if sizes is None else draw(operation, **sizes)


def _case(
    name: str,
    why: str,
    conv: Windows,
    pool: Windows = (),
    *,
    also: str = "",
    only: tuple[str, ...] = OPERATIONS,
    of_conv: Sizes = NOTHING,
    of_pool: Sizes = NOTHING,
    **of_both: Any,
) -> Case:
    """Return a case, with the windows of convolution for pooling too where it has none of its own."""
    windows = {"conv": {**_named(conv), **of_conv, **of_both}, "pool": {**_named(pool or conv), **of_pool, **of_both}}
    return Case(name, why, {key: windows["pool" if "pool" in key else "conv"] for key in only}, also)


def _named(windows: Windows) -> Sizes:
    return dict(zip(("size", "kernel", "stride", "padding"), windows))


# Windows side by side: what almost every code gets right.
POOL = (4, 4), (2, 2), (2, 2)
# Windows over one another, padding around: what the others are variations of.
USUAL = (5, 5), (3, 3)
PADDED = *USUAL, (1, 1), (1, 1)
MANY: Sizes = {"images": 3, "channels": 9, "filters": 10}
CONVOLUTIONS, MAXIMA = ("conv2d", "im2col"), ("max_pool2d",)

CASES = (
    _case("plain", "nothing special: square, windows side by side", POOL),
    _case("a single image", "a batch of one: an axis squeezed away", USUAL, POOL, images=1),
    _case("a single channel", "an axis squeezed away", USUAL, POOL, channels=1, filters=1),
    _case(
        "many channels", "sizes are written into the code, or the rest after blocks of eight is forgotten", POOL, **MANY
    ),
    _case(
        "a rectangular image", "height and width are exchanged, or only one of them is read", USUAL, POOL, size=(4, 6)
    ),
    _case(
        "a tall kernel", "the width of the kernel is used for its height", ((6, 6), (3, 2)), ((6, 6), (3, 2), (3, 3))
    ),
    _case(
        "a wide kernel", "the height of the kernel is used for its width", ((6, 6), (2, 3)), ((6, 6), (2, 3), (3, 3))
    ),
    _case("a 1x1 kernel", "the kernel is squeezed away", ((3, 4), (1, 1)), only=CONVOLUTIONS),
    _case(
        "a 1x1 kernel and a larger stride",
        "as above, and the positions between the windows",
        ((5, 7), (1, 1), (2, 2)),
        only=CONVOLUTIONS,
    ),
    _case(
        "a kernel as large as the image", "the one output position is lost", ((3, 4), (3, 4)), ((3, 3), (3, 3), (3, 3))
    ),
    _case(
        "a larger stride",
        "the position in the input is that of the output",
        ((5, 5), (3, 3), (2, 2)),
        ((6, 6), (3, 3), (3, 3)),
    ),
    _case(
        "a stride that does not divide",
        "the last windows are rounded up, or the rest of the image shifts the others",
        ((6, 8), (3, 3), (2, 2)),
        ((5, 7), (2, 2), (2, 2)),
    ),
    _case("padding", "the padding is forgotten, or not cut off the gradient", USUAL, POOL, padding=(1, 1)),
    _case(
        "much padding",
        "the padding is taken to be one",
        ((5, 5), (3, 3), (1, 1), (2, 2)),
        only=CONVOLUTIONS,
        channels=1,
        filters=1,
    ),
    _case(
        "padding that keeps the size",
        "the padding is that of a 3x3 kernel, or the same along both axes",
        ((7, 6), (3, 5), (1, 1), (1, 2)),
        only=CONVOLUTIONS,
        images=1,
    ),
    _case(
        "a 5x5 kernel and padding that keeps the size",
        "the padding is that of a 3x3 kernel",
        ((6, 7), (5, 5), (1, 1), (2, 2)),
        only=CONVOLUTIONS,
        images=1,
    ),
    _case(
        "padding and a larger stride",
        "the stride is forgotten where the gradient is padded",
        ((5, 5), (3, 3), (2, 2), (1, 1)),
    ),
    _case(
        "padding and a stride that does not divide",
        "the rest of the image is taken to be padding",
        ((6, 8), (3, 3), (2, 2), (1, 1)),
        ((5, 7), (2, 2), (2, 2), (1, 1)),
    ),
    _case(
        "one padded rectangular image and a larger stride",
        "right for what has one size alone",
        ((5, 7), (3, 3), (2, 2), (1, 1)),
        ((4, 6), (2, 2), (2, 2), (1, 1)),
        images=1,
        channels=1,
        filters=1,
    ),
    _case(
        "many channels and padding", "as with many channels, where the image is padded", POOL, padding=(1, 1), **MANY
    ),
    _case(
        "padding and gaps between windows",
        "the last window, which lies in the padding, is lost",
        ((6, 7), (2, 2), (3, 3), (1, 1)),
    ),
    _case("negative input", "the maximum starts from zero", USUAL, POOL, values="negative"),
    _case("overlapping windows", "the gradient of the input is assigned where it has to be added", USUAL),
    _case(
        "overlapping windows and a larger stride",
        "as above, and the position in the input is that of the output",
        ((7, 5), (3, 3), (2, 2)),
        of_conv={"images": 1, "channels": 1, "filters": 1},
        of_pool={"values": "negative"},
    ),
    _case(
        "overlapping windows and a stride that does not divide",
        "as above, and the rest of the image shifts them",
        ((8, 7), (4, 4), (3, 3)),
        ((6, 6), (3, 3), (2, 2)),
        of_pool={"values": "negative"},
    ),
    _case(
        "overlapping rectangular windows",
        "as above, along one axis",
        ((6, 5), (3, 2), (2, 2), (1, 1)),
        ((5, 6), (3, 2), (2, 2)),
        of_pool={"values": "negative"},
    ),
    _case(
        "padding and overlapping wide windows",
        "height and width are exchanged where both have to fit",
        ((4, 5), (2, 3), (1, 1), (1, 1)),
        ((6, 5), (2, 3), (2, 2), (1, 1)),
    ),
    _case("windows that overlap along one axis", "one stride is used for both axes", ((5, 6), (3, 2), (1, 2))),
    _case("gaps between windows", "the stride is taken to be the size of the window", ((6, 7), (2, 2), (3, 3))),
    _case(
        "gaps between windows and no rest",
        "as above; the window ends with the image",
        ((5, 8), (2, 2), (3, 3)),
        of_pool={"values": "negative"},
    ),
    _case(
        "a large kernel",
        "sizes that go with a 3x3 kernel are written into the code",
        ((7, 6), (5, 4), (3, 3), (2, 2)),
        ((6, 8), (4, 5), (2, 2)),
    ),
    _case(
        "ties",
        "of several equal maxima the last gets the gradient; that every one gets it, or a part of it, is a remark",
        POOL,
        only=MAXIMA,
        values="ties",
    ),
    _case("ties in overlapping windows", "as above, where gradients add up too", USUAL, only=MAXIMA, values="ties"),
    _case(
        "negative input in overlapping windows",
        "as with negative input; of several numbers one is above zero nearly always, unless all are drawn below",
        USUAL,
        only=MAXIMA,
        values="negative",
    ),
    _case(
        "negative input and padding",
        "the padding of a maximum is zero where it has to be minus infinity",
        PADDED,
        ((5, 5), (3, 3), (2, 2), (1, 1)),
        of_conv={"images": 1},
        values="negative",
    ),
    _case(
        "a different stride per axis",
        "one stride is used for both axes",
        ((7, 6), (3, 2), (2, 1)),
        ((6, 6), (2, 2), (2, 1)),
    ),
    _case(
        "different padding per axis",
        "one padding is used for both axes",
        ((4, 5), (3, 3), (1, 1), (0, 2)),
        ((4, 5), (3, 3), (1, 1), (1, 0)),
    ),
    _case("dilation", "the extent of the window is not dilated", ((7, 6), (3, 2)), ((6, 7), (2, 3)), dilation=(2, 2)),
    _case(
        "dilation and stride",
        "the size of the output is right for one of them alone",
        ((9, 8), (3, 2), (2, 2), (1, 1)),
        ((7, 8), (3, 2), (2, 2)),
        dilation=(2, 2),
    ),
    _case("input in Fortran order", "strides are computed from the shape", PADDED, POOL, memory="F"),
    _case(
        "sliced float32 input and padding",
        "as below, where the image is padded",
        ((6, 5), (3, 3), (2, 2), (1, 1)),
        ((6, 4), (2, 2), (2, 2), (1, 1)),
        memory="sliced",
        dtype=np.float32,
    ),
    _case("sliced input", "strides are computed from the shape", USUAL, POOL, memory="sliced"),
    _case("read-only input", "an input is written to", PADDED, POOL, memory="read-only"),
    _case(
        "float32", "a result in float64 costs twice the memory: a remark", USUAL, POOL, dtype=np.float32, also="dtype"
    ),
    _case(
        "an integer image",
        "the result is stored in the 8 bits of the image",
        USUAL,
        POOL,
        dtype=np.uint8,
        backward=False,
    ),
    _case(
        "inputs looked at afterwards",
        "an input is changed in place",
        ((4, 5), (3, 3), (1, 1), (1, 1)),
        ((6, 4), (2, 2), (2, 2)),
        of_pool={"images": 1, "channels": 1},
        also="unmodified",
    ),
    _case(
        "a second call",
        "something is kept from one call to the next",
        ((4, 5), (3, 3)),
        ((6, 4), (2, 2), (2, 2)),
        also="repeat",
    ),
)
