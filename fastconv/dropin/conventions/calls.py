"""How a fast equivalent calls fastconv: with the dtypes that the original returns, and only where it was tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastconv.dropin.conventions.problem import SIZES
from fastconv.dropin.conventions.properties import Part, Properties, properties_of
from fastconv.dropin.conventions.ties import FIRST
from fastconv.functional.avg_pool import avg_pool2d, avg_pool2d_backward
from fastconv.functional.columns import col2im
from fastconv.functional.exact import conv2d, conv2d_backward
from fastconv.functional.max_pool import max_pool2d, max_pool2d_backward
from fastconv.functional.max_pool_ties import max_pool2d_ties_backward
from fastconv.validation.arrays import Array

DType = np.dtype[Any]
DTypes = tuple[Any, ...]
_INTEGER = (int, np.integer)
_USUAL = frozenset({None, np.dtype(np.float32), np.dtype(np.float64)})


class Declined(Exception):
    """A fast equivalent leaves this call to the original: no error."""


@dataclass(frozen=True)
class Calls:
    """The operations as fast equivalents call them.

    Parameters
    ----------
    dtypes : mapping
        Dtypes of the results by those of the arguments, ``("forward", x, weight, bias)`` or ``("backward", dy, x,
        weight, bias)``, where they are not those of fastconv; None leaves such a call to the original. So do dtypes
        other than float32 and float64 that are not there.
    contiguous : bool
        Give results in C order; by default in whichever memory fastconv returns.
    foreign : bool
        Read what the original forward function has kept; otherwise leave such a backward pass to the original.
    engine : str
        The backend.
    pairs : bool
        Take stride, padding and dilation per axis; otherwise leave such a call to the original.
    proven : frozenset of frozenset of str, optional
        Leave a call with other properties, or other two of them, to the original (see `Properties.within`).
    """

    dtypes: Mapping[DTypes, DTypes | None] = field(default_factory=dict)
    contiguous: bool = False
    foreign: bool = True
    engine: str = "fast"
    pairs: bool = False
    proven: frozenset[Part] | None = None

    def conv2d(self, x: Array, weight: Array, bias: Array | None, **options: Any) -> Any:
        """Convolve."""
        self._check("forward", (x, weight, bias), _image(x, options), weight.shape[2:], options, len(weight))
        return self._forward(conv2d, (x, weight, bias), (), options)

    def conv2d_backward(self, dy: Array, x: Array, weight: Array, bias: Array | None = None, **options: Any) -> Any:
        """Gradients of a convolution; the bias counts for its dtype alone."""

        def run(dy: Array, x: Array, weight: Array, _: Array | None) -> tuple[Array | None, ...]:
            return tuple(conv2d_backward(dy, x, weight, backend=self.engine, **options))

        self._check("backward", (dy, x, weight), _image(x, options), weight.shape[2:], options, len(weight))
        return self.compute("backward", (dy, x, weight, bias), run)

    def pool2d(self, operation: str, x: Array, kernel: Any, **options: Any) -> Any:
        """Largest element or mean of every window."""
        self._check("forward", (x,), _image(x, options), kernel, {"stride": kernel, **options})
        return self._forward(max_pool2d if operation == "max_pool2d" else avg_pool2d, (x,), (kernel,), options)

    def pool2d_backward(
        self, operation: str, dy: Array, x: Array, kernel: Any, *, ties: Any = FIRST, **options: Any
    ) -> Any:
        """Gradient of max or average pooling, from its input; `ties` says which maxima of a window get it."""

        def run(dy: Array, x: Array) -> Array:
            if operation == "avg_pool2d":
                return avg_pool2d_backward(dy, x.shape, kernel, backend=self.engine, **options)
            if ties != FIRST:
                return max_pool2d_ties_backward(dy, x, kernel, ties=ties, backend=self.engine, **options)
            _, indices = max_pool2d(x, kernel, return_indices=True, backend=self.engine, **options)
            return max_pool2d_backward(dy, indices, x.shape, layout=options.get("layout", "NCHW"), backend=self.engine)

        self._check("backward", (dy, x), _image(x, options), kernel, {"stride": kernel, **options})
        return self.compute("backward", (dy, x), run)

    def im2col(self, x: Array, kernel: Any, columns_of: Callable[[Array], Array], **options: Any) -> Any:
        """Windows as columns, in the order of the function that is given."""
        self._check("forward", (x,), x.shape, kernel, options)
        return self.compute("forward", (x,), columns_of)

    def col2im(self, columns: Array, size: Any, kernel: Any, **options: Any) -> Any:
        """Columns added back into planes."""
        image = (len(columns), columns.shape[1] // (kernel[0] * kernel[1]), *size)
        self._check("backward", (columns,), image, kernel, options)
        return self.compute("backward", (columns,), lambda c: col2im(c, size, kernel, backend=self.engine, **options))

    def _forward(
        self, operation: Callable[..., Any], arrays: tuple[Any, ...], sizes: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        return self.compute("forward", arrays, lambda *given: operation(*given, *sizes, backend=self.engine, **options))

    def _check(
        self,
        role: str,
        arrays: tuple[Any, ...],
        image: tuple[int, ...],
        kernel: Any,
        options: dict[str, Any],
        filters: int | None = None,
    ) -> None:
        """Decline sizes of a kind that was not tried: words, one for each axis, what is like no case that was right."""
        if not self.pairs:
            for name in SIZES:
                if name in options and not isinstance(options[name], _INTEGER):
                    raise Declined
        if self.watches:
            sizes = {name: options[name] for name in SIZES if name in options}
            self.meet(role, properties_of(arrays, image, filters, kernel, **sizes))

    @property
    def watches(self) -> bool:
        """Whether the properties of a call matter."""
        return self.proven is not None

    def meet(self, role: str, found: Properties) -> None:
        """Decline a call of a kind for which the original was not proven right."""
        if self.proven is not None and not found.within(self.proven):
            raise Declined

    def compute(self, role: str, arrays: tuple[Any, ...], run: Callable[..., Any]) -> Any:
        """Run a call with the dtypes that were learned for it."""
        dtypes = [None if array is None else array.dtype for array in arrays]
        key = (role, *dtypes)
        if key in self.dtypes:
            return self._run_as(self.dtypes[key], arrays, run)
        if not _USUAL.issuperset(dtypes):
            raise Declined  # nobody has tried it
        found = run(*arrays)
        return self.stored(found) if self.contiguous else found

    def _run_as(self, dtypes: DTypes | None, arrays: tuple[Any, ...], run: Callable[..., Any]) -> Any:
        """Compute in the widest of `dtypes` if that is wider than the arrays, and round to each."""
        if dtypes is None:
            raise Declined
        floats = [dtype for dtype in dtypes if dtype.kind == "f"]
        first, *others = arrays
        if floats:  # widening one array widens the computation
            first = first.astype(np.result_type(first.dtype, *floats), copy=False)
        found = run(first, *others)
        if isinstance(found, tuple):
            return tuple(
                None if array is None else self.stored(array.astype(dtype, copy=False))
                for array, dtype in zip(found, dtypes)
            )
        return self.stored(found.astype(dtypes[0], copy=False))

    def stored(self, found: Any) -> Any:
        """Return a result in C order if that is asked for."""
        if not self.contiguous:
            return found
        if isinstance(found, tuple):
            return tuple(None if array is None else np.ascontiguousarray(array) for array in found)
        return np.ascontiguousarray(found)


def _image(x: Array, options: dict[str, Any]) -> tuple[int, ...]:
    """N, C, H and W of an image in either layout."""
    N, *planes = x.shape
    return (N, planes[-1], *planes[:-1]) if options.get("layout", "NCHW") == "NHWC" else (N, *planes)
