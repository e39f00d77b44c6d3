"""On which sizes functions are timed: those of the course, made smaller until loops take a bearable time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from fastconv.dropin.conventions import Problem, draw
from fastconv.errors import InvalidValueError
from fastconv.validation.sizes import check_shape_argument, check_sizes

_RANK = 2
_OPERATION = "compare"

# The problems of the CS231n notebook, and what is left of them for functions without padding or stride.
_CONV = ({"stride": (2, 2), "padding": (1, 1)}, {"stride": (2, 2)}, {"stride": (1, 1)})
_POOL = ({"stride": (2, 2)},)


@dataclass(frozen=True)
class Sizes:
    """Sizes of a problem; what is None is as in the course.

    Parameters
    ----------
    input_shape : (N, C, H, W), optional
        Of the input; then nothing is made smaller.
    weight_shape : (F, C, KH, KW), optional
        Of the filters of a convolution.
    kernel_size, stride, padding, dilation : int or (int, int), optional
        `kernel_size` is that of pools.
    """

    input_shape: tuple[int, ...] | None = None
    weight_shape: tuple[int, ...] | None = None
    kernel_size: Any = None
    stride: Any = None
    padding: Any = None
    dilation: Any = None

    def checked(self) -> Sizes:
        """Return the same sizes as tuples.

        Raises
        ------
        ValueError, TypeError
            If one is none.
        """
        shapes = {
            name: check_shape_argument(_OPERATION, name, getattr(self, name), letters)
            for name, letters in (("input_shape", "NCHW"), ("weight_shape", "FCHW"))
            if getattr(self, name) is not None
        }
        pairs = {
            name: check_sizes(_OPERATION, name, getattr(self, name), _RANK, least)
            for name, least in (("kernel_size", 1), ("stride", 1), ("padding", 0), ("dilation", 1))
            if getattr(self, name) is not None
        }
        channels = {shape[1] for shape in shapes.values()}
        if len(channels) > 1:
            raise InvalidValueError(
                f"{_OPERATION}: weight_shape must have the channels of input_shape (its second number), but got "
                f"{shapes['weight_shape'][1]} for {shapes['input_shape'][1]} "
                f"({shapes['weight_shape']}, {shapes['input_shape']})."
            )
        return replace(self, **shapes, **pairs)


@dataclass(frozen=True)
class Plan:
    """Arguments of `fastconv.dropin.conventions.draw`.

    Parameters
    ----------
    operation : str
        What is computed.
    arguments : dict
        The other arguments.
    """

    operation: str
    arguments: dict[str, Any]

    def draw(self) -> Problem:
        """Draw the problem."""
        return draw(self.operation, **self.arguments)

    @property
    def images(self) -> int:
        """Size of the batch."""
        return int(self.arguments["images"])

    def with_images(self, images: int) -> Plan:
        """Return the plan for so many images."""
        return replace(self, arguments={**self.arguments, "images": images})

    def smaller(self, share: float) -> Plan:
        """Return the plan for planes of about this share of the area."""
        kernel = [d * (k - 1) + 1 for k, d in zip(self.arguments["kernel"], self.arguments["dilation"])]
        side = share**0.5
        size = tuple(max(k, int(n * side)) for n, k in zip(self.arguments["size"], kernel))
        return replace(self, arguments={**self.arguments, "size": size})


def candidates(operation: str, sizes: Sizes, dtype: Any, seed: int, backward: bool = True) -> Iterator[Plan]:
    """Give plans for an operation, the fullest first: functions may have no padding, or no stride."""
    convolves = operation in ("conv2d", "im2col")
    N, C, H, W = sizes.input_shape or (100, 3, *((31, 31) if convolves else (32, 32)))
    F, needed, KH, KW = sizes.weight_shape or (25, C, 3, 3)
    C = needed if convolves else C
    usual = {
        "images": N,
        "channels": C,
        "size": (H, W),
        "filters": F,
        "kernel": (KH, KW) if convolves else sizes.kernel_size or (2, 2),
        "padding": (0, 0),
        "dilation": (1, 1),
        "dtype": dtype,
        "seed": seed,
        "backward": backward,
    }
    given = {name: value for name in ("stride", "padding", "dilation") if (value := getattr(sizes, name)) is not None}
    seen: list[dict[str, Any]] = []
    for variant in _CONV if convolves else _POOL:
        arguments = {**usual, **variant, **given}
        if arguments not in seen:
            seen.append(arguments)
            yield Plan(operation, arguments)
