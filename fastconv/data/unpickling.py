"""Reading pickles of arrays without running what is in them.

A pickle is a program: it may call anything that it can name. Here it can name a handful of stand-ins. They keep what
they are called with; arrays are made afterwards, from checked dtypes, sizes and bytes. NumPy's own functions never
see an argument from the file. Where objects are asked for, every other name has a stand-in too, which keeps the
attributes and cannot be called.
"""

from __future__ import annotations

import pickle
from math import prod
from typing import Any, BinaryIO

import numpy as np

from fastconv.errors import DataError
from fastconv.validation.arrays import Array

__all__ = ["load_arrays"]

_ITEM_KINDS = "biuf"
_UNFINISHED = object()
_ALLOWED = "arrays, numbers, strings, lists, tuples, dictionaries"


def load_arrays(operation: str, name: str, stream: BinaryIO, *, objects: bool = False) -> Any:
    """Read a pickle of arrays and plain containers.

    Parameters
    ----------
    operation, name : str
        What is being done, and the file: for messages.
    stream : binary file
        Pickle of any protocol, written by Python 2 or 3.
    objects : bool
        Read objects as well, each as a dictionary of its attributes, and functions and classes as their dotted names.

    Returns
    -------
    object
        Arrays in dicts, lists and tuples. Strings of Python 2 are bytes. Arrays may be read-only.

    Raises
    ------
    fastconv.errors.DataError
        If the pickle names anything else than arrays (the message says what), or is damaged; with `objects`, if it
        calls anything else.
    """
    try:
        content = _ArrayUnpickler(operation, name, stream, objects).load()
        return _with_arrays(content, {})
    except DataError:
        raise
    except RecursionError as error:
        raise DataError(f"{operation}: {name} must be a pickle of arrays, but it is nested too deeply.") from error
    except Exception as error:
        # What a damaged pickle raises is not limited to UnpicklingError: the bytes are taken for instructions.
        raise DataError(
            f"{operation}: {name} must be a pickle of {_ALLOWED}, but it is damaged, truncated or something else "
            f"({type(error).__name__}: {error})."
        ) from error


class _Dtype:
    """Stands for `numpy.dtype`."""

    readable = False

    def __init__(self, code: Any = None, *_: Any) -> None:
        self.code = code.decode("ascii") if isinstance(code, bytes) else code
        self.order = "|"

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        self.order = order.decode("ascii") if isinstance(order, bytes) else order

    def dtype(self) -> np.dtype[Any]:
        if not isinstance(self.code, str) or self.code[:1] not in _ITEM_KINDS or not self.code[1:].isdigit():
            raise pickle.UnpicklingError(f"the dtype must be numeric, but got {self.code!r}")
        if self.order not in ("|", "<", ">", "="):
            raise pickle.UnpicklingError(f"the byte order must be one of | < > =, but got {self.order!r}")
        return np.dtype(self.order.replace("|", "=") + self.code)


class _ArrayRecord:
    """Stands for an array that is being built."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None
        self.scalar = False

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        self.state = shape, dtype, content, "F" if fortran else "C"

    def array(self) -> Array:
        if self.state is None:
            raise pickle.UnpicklingError("an array without content")
        shape, record, content, order = self.state
        if not isinstance(record, _Dtype) or not isinstance(content, (bytes, bytearray)):
            raise pickle.UnpicklingError("an array must have a dtype and bytes")
        dtype = record.dtype()
        if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
            raise pickle.UnpicklingError(f"the shape of an array must be a tuple of sizes, but got {shape!r}")
        if prod(shape) * dtype.itemsize != len(content):
            raise pickle.UnpicklingError(
                f"an array of shape {shape} and {dtype} must have {prod(shape) * dtype.itemsize} bytes, but got "
                f"{len(content)}"
            )
        flat = np.frombuffer(content, dtype)  # no copy, however many arrays share their bytes
        array: Array = flat.reshape(shape, order="F" if order == "F" else "C")
        return array.astype(dtype.newbyteorder("="), copy=False)


class _Object:
    """Stands for a class or a function of any other name: for its objects, which it may make, and for itself."""

    dotted = ""
    asking = ""

    def __new__(cls, *_: Any) -> _Object:
        made = super().__new__(cls)
        made.__setstate__({})
        return made

    def __init__(self, *_: Any) -> None:
        raise DataError(f"{self.asking} it asks for {self.dotted} to be called, which is not allowed.")

    def __setstate__(self, state: Any) -> None:
        self.attributes = state

    def plain(self) -> dict[Any, Any]:
        if not isinstance(self.attributes, dict):
            raise pickle.UnpicklingError(f"the attributes of a {self.dotted} must be a dictionary")
        return self.attributes


class _Ndarray:
    """Stands for the name `numpy.ndarray`, which a pickle mentions and never calls."""

    def __init__(self, *_: Any) -> None:
        raise pickle.UnpicklingError("numpy.ndarray must not be called")


def _stand_ins(objects: bool) -> dict[tuple[str, str], Any]:
    """Return what a pickle may name. New for each file: a pickle can set attributes of what it names."""

    class Dtype(_Dtype):
        readable = objects

    class Ndarray(_Ndarray):
        pass

    def reconstruct(*_: Any) -> _ArrayRecord:
        return _ArrayRecord()

    def from_buffer(content: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> _ArrayRecord:
        array = _ArrayRecord()
        array.__setstate__((1, shape, dtype, order == "F", content))
        return array

    def scalar(dtype: Any, content: Any) -> _ArrayRecord:
        number = from_buffer(content, dtype, (), "C")
        number.scalar = True
        return number

    def encode(text: Any, encoding: Any = "latin1", *_: Any) -> bytes:
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
            raise pickle.UnpicklingError(f"_codecs.encode must turn a string into latin1, but got {encoding!r}")
        return text.encode("latin1")

    def no_bytes() -> bytes:
        return b""

    named: dict[tuple[str, str], Any] = {
        ("__builtin__", "bytes"): no_bytes,  # how protocols 0 to 2 write those of an empty array
        ("builtins", "bytes"): no_bytes,
        ("numpy", "ndarray"): Ndarray,
        ("numpy", "dtype"): Dtype,
        ("_codecs", "encode"): encode,
    }
    for core in ("numpy.core", "numpy._core"):
        named[f"{core}.multiarray", "_reconstruct"] = reconstruct
        named[f"{core}.multiarray", "scalar"] = scalar
        named[f"{core}.numeric", "_frombuffer"] = from_buffer  # pickles of protocol 5
    return {**named, **_makers()} if objects else named


def _makers() -> dict[tuple[str, str], Any]:
    """Return what pickles call to make objects, beyond an instruction of their own."""

    def reconstructor(kind: Any, *_: Any) -> Any:  # protocols 0 and 1
        if not (isinstance(kind, type) and issubclass(kind, _Object)):
            raise pickle.UnpicklingError("an object must have a class")
        return kind.__new__(kind)

    def ordered(*items: Any) -> dict[Any, Any]:
        return dict(*items)

    return {
        ("copyreg", "_reconstructor"): reconstructor,
        ("copy_reg", "_reconstructor"): reconstructor,
        ("collections", "OrderedDict"): ordered,
    }


class _ArrayUnpickler(pickle.Unpickler):
    def __init__(self, operation: str, name: str, stream: BinaryIO, objects: bool) -> None:
        super().__init__(stream, encoding="bytes")
        self._operation, self._name, self._objects = operation, name, objects
        self._named = _stand_ins(objects)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._named and self._objects:
            asking = f"{self._operation}: {self._name} must hold {_ALLOWED} and objects alone, but"
            self._named[module, name] = type("Object", (_Object,), {"dotted": f"{module}.{name}", "asking": asking})
        if (module, name) not in self._named:
            raise DataError(
                f"{self._operation}: {self._name} must hold {_ALLOWED} alone, but it asks for {module}.{name}, which "
                "is not allowed. Do not load this file by other means either: it can run any code."
            )
        return self._named[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError(f"a reference to something outside of the file ({pid!r})")


def _with_arrays(content: Any, known: dict[int, Any]) -> Any:
    """Replace records by arrays; refuse anything that is neither an array nor plain.

    `known` has what each object became, so that one that a small file mentions a billion times is looked at once.
    """
    if content is None or isinstance(content, (bool, int, float, str, bytes, bytearray)):
        return content
    if id(content) not in known:
        known[id(content)] = _UNFINISHED
        known[id(content)] = _converted(content, known)
    if known[id(content)] is _UNFINISHED:
        raise pickle.UnpicklingError("a container that holds itself")
    return known[id(content)]


def _converted(content: Any, known: dict[int, Any]) -> Any:
    if isinstance(content, _ArrayRecord):
        array = content.array()
        return array[()] if content.scalar else array
    if isinstance(content, _Dtype) and content.readable:
        return content.dtype()
    if isinstance(content, _Object):
        return _with_arrays(content.plain(), known)
    if isinstance(content, type) and issubclass(content, _Object):
        return content.dotted
    if isinstance(content, dict):
        return {key: _with_arrays(value, known) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        items = [_with_arrays(item, known) for item in content]
        return items if isinstance(content, list) else tuple(items)
    raise pickle.UnpicklingError(f"a {type(content).__name__} where {_ALLOWED} are expected")
