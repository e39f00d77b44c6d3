"""Reading pickles of arrays without running what is in them.

A pickle can name a handful of stand-ins here (`validation.pickles`). They keep what they are called with; arrays are
made afterwards, from checked dtypes, sizes and bytes. Where objects are asked for, every other name has a stand-in too,
which keeps the attributes and cannot be called.

A batch of CIFAR-10 is mostly one string of bytes, so that the unpickler in Python takes no longer than the one in C.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from math import prod
from typing import IO, Any

import numpy as np

from fastconv.errors import DataError, shown
from fastconv.validation.arrays import Array
from fastconv.validation.pickles import Allowance, RestrictedUnpickler, Source, bytes_left, check_keys

_ITEM_KINDS = "biuf"
_UNFINISHED = object()
_MOST_INSTRUCTIONS = 2**20  # a batch of CIFAR-10 has 31,000
_MOST_WITH_OBJECTS = 2**22  # nine for each step of a Solver whose losses are numbers of NumPy
_ALLOWED = "arrays, numbers, strings, lists, tuples, dictionaries"


def load_arrays(operation: str, name: str, stream: IO[bytes], size: int | None = None, *, objects: bool = False) -> Any:
    """Read a pickle of arrays and plain containers.

    Parameters
    ----------
    operation, name : str
        What is being done, and the file: for messages.
    stream : binary file
        Pickle of any protocol, written by Python 2 or 3.
    size : int, optional
        Bytes that it has; by default all that are left in the stream.
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
        source = Source(stream, bytes_left(stream) if size is None else size)
        decoded, swapped = Allowance(source.left), Allowance(source.left)
        content = _ArrayUnpickler(operation, name, source, objects, decoded.spend).load()
        if source.left:
            raise pickle.UnpicklingError(f"it must end with its last instruction, but {source.left} bytes follow")
        return _Converter(swapped.spend).converted(content)
    except DataError:
        raise
    except RecursionError:
        raise DataError(f"{operation}: {name} must be a pickle of arrays, but it is nested too deeply.") from None
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
            raise pickle.UnpicklingError(f"the dtype must be numeric, but got {shown(self.code)}")
        if self.order not in ("|", "<", ">", "="):
            raise pickle.UnpicklingError(f"the byte order must be one of | < > =, but got {shown(self.order)}")
        return np.dtype(self.order.replace("|", "=") + self.code)


class _ArrayRecord:
    """Stands for an array that is being built."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None
        self.scalar = False

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        self.state = shape, dtype, content, "F" if fortran else "C"

    def array(self, spend: Callable[[int], None]) -> Array:
        if self.state is None:
            raise pickle.UnpicklingError("an array without content")
        shape, record, content, order = self.state
        if not isinstance(record, _Dtype) or not isinstance(content, (bytes, bytearray, memoryview)):
            raise pickle.UnpicklingError("an array must have a dtype and bytes")
        dtype = record.dtype()
        if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
            raise pickle.UnpicklingError(f"the shape of an array must be a tuple of sizes, but got {shown(shape)}")
        if prod(shape) * dtype.itemsize != len(content):
            raise pickle.UnpicklingError(
                f"an array of shape {shape} and {dtype} must have {prod(shape) * dtype.itemsize} bytes, but got "
                f"{len(content)}"
            )
        flat = np.frombuffer(content, dtype)  # no copy, however many arrays share their bytes
        array: Array = flat.reshape(shape, order="F" if order == "F" else "C")
        if not dtype.isnative:
            spend(array.nbytes)
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


def _stand_ins(objects: bool, spend: Callable[[int], None]) -> dict[tuple[str, str], Any]:
    """Return what a pickle may name. New for each file: a pickle can set attributes of what it names."""

    class Dtype(_Dtype):
        readable = objects

    class Ndarray:
        """Stands for the name `numpy.ndarray`, which a pickle mentions and never calls."""

        def __init__(self, *_: Any) -> None:
            raise pickle.UnpicklingError("numpy.ndarray must not be called")

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
            raise pickle.UnpicklingError(f"_codecs.encode must turn a string into latin1, but got {shown(encoding)}")
        spend(len(text))
        return text.encode("latin1")

    named: dict[tuple[str, str], Any] = {
        ("__builtin__", "bytes"): lambda: b"",  # how protocols 0 to 2 write those of an empty array
        ("builtins", "bytes"): lambda: b"",
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

    def ordered(items: Any = ()) -> dict[Any, Any]:
        pairs = list(items)
        check_keys(key for key, _ in pairs)
        return dict(pairs)

    return {
        ("copyreg", "_reconstructor"): reconstructor,
        ("copy_reg", "_reconstructor"): reconstructor,
        ("collections", "OrderedDict"): ordered,
    }


class _ArrayUnpickler(RestrictedUnpickler):
    def __init__(self, operation: str, name: str, source: Source, objects: bool, spend: Callable[[int], None]) -> None:
        most = _MOST_WITH_OBJECTS if objects else _MOST_INSTRUCTIONS
        super().__init__(source, _stand_ins(objects, spend), most)
        self._operation, self._name, self._objects = operation, name, objects

    def unknown(self, module: str, name: str) -> Any:
        if self._objects:
            asking = f"{self._operation}: {self._name} must hold {_ALLOWED} and objects alone, but"
            return type("Object", (_Object,), {"dotted": f"{module}.{name}", "asking": asking})
        raise DataError(
            f"{self._operation}: {self._name} must hold {_ALLOWED} alone, but it asks for {module}.{name}, which "
            "is not allowed. Do not load this file by other means either: it can run any code."
        )


class _Converter:
    """Replaces records by arrays, and refuses anything that is neither an array nor plain."""

    def __init__(self, spend: Callable[[int], None]) -> None:
        self._spend = spend
        self._known: dict[int, Any] = {}  # what each became: a small file may mention one a billion times

    def converted(self, content: Any) -> Any:
        if content is None or isinstance(content, (bool, int, float, str, bytes, bytearray)):
            return content
        if isinstance(content, memoryview):
            return bytes(content)
        if id(content) not in self._known:
            self._known[id(content)] = _UNFINISHED
            self._known[id(content)] = self._made(content)
        if self._known[id(content)] is _UNFINISHED:
            raise pickle.UnpicklingError("a container that holds itself")
        return self._known[id(content)]

    def _made(self, content: Any) -> Any:
        if isinstance(content, _ArrayRecord):
            array = content.array(self._spend)
            return array[()] if content.scalar else array
        if isinstance(content, _Dtype) and content.readable:
            return content.dtype()
        if isinstance(content, _Object):
            return self.converted(content.plain())
        if isinstance(content, type) and issubclass(content, _Object):
            return content.dotted
        if isinstance(content, dict):
            return {key: self.converted(value) for key, value in content.items()}
        if isinstance(content, (list, tuple)):
            items = [self.converted(item) for item in content]
            return items if isinstance(content, list) else tuple(items)
        raise pickle.UnpicklingError(f"a {type(content).__name__} where {_ALLOWED} are expected")
