"""The trainable arrays of a layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.validation.arrays import Array, check_dtype, check_real
from fastconv.validation.constructors import Constructed
from fastconv.validation.sizes import check_flag

_FLOATS = ("float16", "float32", "float64")
_changes = 0


def changes() -> int:
    """How often parameters, running statistics or layers were set or frozen, anywhere in this process."""
    return _changes


def note_change() -> None:
    """Say that one was."""
    global _changes
    _changes += 1


class Parameter(metaclass=Constructed):
    """An array that training changes, with its gradient.

    Parameters
    ----------
    data : array_like
        Initial values; they are copied.
    dtype : dtype, optional
        float16, float32 or float64; by default that of `data`.
    requires_grad : bool
        False freezes it: backward passes compute no gradient, and optimisers leave it alone.

    Attributes
    ----------
    data : ndarray
        The values. Assigning an array copies it in, converts it to the dtype of the parameter and refuses another
        shape; ``parameter.data -= step`` and ``parameter.data[...] = values`` work in place.
    grad : ndarray or None
        Sum of the gradients of all backward passes since `zero_grad`; None where there was none.

    Examples
    --------
    >>> import numpy as np
    >>> weight = Parameter(np.zeros((2, 3), np.float32))
    >>> weight.data = np.arange(6).reshape(2, 3)
    >>> weight.accumulate(np.ones((2, 3)))
    >>> weight.data -= 0.5 * weight.grad
    >>> np.asarray(weight)
    array([[-0.5,  0.5,  1.5],
           [ 2.5,  3.5,  4.5]], dtype=float32)
    """

    __slots__ = ("_data", "_grad", "_requires_grad")

    def __init__(self, data: ArrayLike, dtype: DTypeLike | None = None, *, requires_grad: bool = True) -> None:
        given = check_real("Parameter", "data", data)
        with np.errstate(all="ignore"):
            self._data = np.array(given, dtype=None if dtype is None else check_dtype("Parameter", dtype))
        if self._data.dtype.name not in _FLOATS:
            raise InvalidTypeError(
                f"Parameter: dtype must be float16, float32 or float64, but got {self._data.dtype} "
                f"(shape {self._data.shape})."
            )
        self._grad: Array | None = None
        self._requires_grad = check_flag("Parameter", "requires_grad", requires_grad)

    @property
    def requires_grad(self) -> bool:
        """Whether it is trained."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self._requires_grad = check_flag("Parameter", "requires_grad", value)
        note_change()

    @property
    def data(self) -> Array:
        """The values."""
        return self._data

    @data.setter
    def data(self, value: ArrayLike) -> None:
        note_change()
        if value is not self._data:
            np.copyto(self._data, self._fitting("the new data", value), casting="same_kind")

    @property
    def grad(self) -> Array | None:
        """Sum of the gradients since `zero_grad`, or None."""
        return self._grad

    @grad.setter
    def grad(self, value: ArrayLike | None) -> None:
        if value is not None and value is not self._grad:
            value = self._fitting("the gradient", value).astype(self.dtype)
        self._grad = value

    def accumulate(self, gradient: Array) -> None:
        """Add a gradient to `grad`; the first one after `zero_grad` is taken as it is.

        Parameters
        ----------
        gradient : ndarray, shaped like the parameter
            Must not be used by the caller afterwards.
        """
        gradient = self._fitting("the gradient", gradient)
        if self._grad is None:
            self._grad = gradient if gradient.flags.writeable else gradient.copy()
        else:
            self._grad += gradient

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self._grad = None

    def cast(self, dtype: DTypeLike) -> None:
        """Convert the values to another dtype, and forget the gradient.

        Parameters
        ----------
        dtype : dtype
            float16, float32 or float64.
        """
        self._data = Parameter(self._data, dtype).data
        self._grad = None
        note_change()

    def _fitting(self, subject: str, value: ArrayLike) -> Array:
        array = check_real("Parameter", subject, value)
        if array.shape != self.shape:
            raise InvalidValueError(
                f"Parameter: {subject} must have the shape of the parameter, {self.shape}, but got {array.shape}."
            )
        return array.astype(self.dtype, copy=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values."""
        return self._data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the values and of the gradient."""
        return self._data.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """Number of values."""
        return self._data.size

    @property
    def nbytes(self) -> int:
        """Bytes of the values; the gradient takes as many again."""
        return self._data.nbytes

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        if copy is False and dtype is not None and np.dtype(dtype) != self.dtype:
            raise ValueError(f"Parameter: a conversion from {self.dtype} to {np.dtype(dtype)} needs a copy.")
        array = self._data if dtype is None else self._data.astype(dtype, copy=False)
        return array.copy() if copy and array is self._data else array

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, key: Any) -> Any:
        return self._data[key]

    def __setitem__(self, key: Any, value: ArrayLike) -> None:
        self._data[key] = value

    def __repr__(self) -> str:
        state = "no gradient yet" if self._grad is None else "with gradient"
        frozen = "" if self.requires_grad else ", frozen"
        return f"Parameter({self.dtype}, shape {self.shape}, {state}{frozen})"
