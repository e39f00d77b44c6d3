"""Results as plain data and as JSON, and back: frozen dataclasses whose fields say all that there is to know."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

from fastconv.errors import FastconvError, InvalidValueError
from fastconv.files import open_regular, write_whole
from fastconv.report.page import fragment
from fastconv.report.table import Report

NOT_SAVED = {"saved": False}  # metadata of a field that is left out of the JSON
ADDED = {"added": True}  # metadata of a field with a default, which files from before it lack
_NON_FINITE = {None: math.inf, "inf": math.inf, "-inf": -math.inf, "nan": math.nan}
_T = TypeVar("_T")


class Shown:
    """What prints as its report, in a REPL and a notebook too."""

    def report(self) -> Report:
        """Return its tables and notes."""
        raise NotImplementedError(f"{type(self).__name__} must say what its tables are.")

    def __str__(self) -> str:
        return self.report().text()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return fragment(self.report())


class Record(Shown):
    """A result that prints as its report, and is saved as JSON.

    Its subclasses are frozen dataclasses with ``repr=False``.

    Attributes
    ----------
    FORMAT : str
        What the JSON says it is; empty for a format without a name.
    DERIVED : tuple of str
        Properties that the JSON has beside the fields. Any dataclass inside may have them too.
    NON_FINITE_AS_TEXT : bool
        Whether the JSON tells apart what is not finite: "nan", "inf", "-inf" instead of null.
    """

    FORMAT: ClassVar[str] = ""
    DERIVED: ClassVar[tuple[str, ...]] = ()
    NON_FINITE_AS_TEXT: ClassVar[bool] = False

    def markdown(self) -> str:
        """Return its tables and notes as Markdown, for a page to include."""
        return self.report().markdown()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data.

        Returns
        -------
        dict
            Dicts, lists, strings and numbers; what is not finite, such as a difference from NaN, is None.
        """
        data: dict[str, Any] = plain_data(self, as_text=self.NON_FINITE_AS_TEXT)
        return {"format": self.FORMAT, **data} if self.FORMAT else data

    def to_json(self) -> str:
        """Return `to_dict` as JSON."""
        return json_text(self.to_dict())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the JSON to a file, whole or not at all.

        Parameters
        ----------
        path : path-like
            The file; an older one is replaced.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        data = self.to_json().encode()
        write_whole(path, lambda stream: stream.write(data))


def json_text(data: object) -> str:
    """Return plain data as JSON with a line for each value."""
    return json.dumps(data, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a file that one of the commands wrote.

    Parameters
    ----------
    path : path-like
        The file.

    Raises
    ------
    ValueError
        If it holds no JSON object.
    OSError
        If it cannot be read.
    """
    try:
        with open_regular("report", path, InvalidValueError) as stream:
            data = json.loads(stream.read().decode("utf-8"))
    except FastconvError:
        raise
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or a number of thousands of digits
        raise InvalidValueError(
            f"report: {os.fspath(path)} must be JSON that a fastconv command wrote, but it is damaged or something "
            f"else ({error})."
        ) from None
    if not isinstance(data, dict):
        raise InvalidValueError(f"report: {os.fspath(path)} must hold a JSON object, but got {type(data).__name__}.")
    return data


def plain_data(value: Any, *, as_text: bool = False) -> Any:
    """Return dicts, lists, strings and numbers; None for what is not finite, which JSON has no word for.

    A dataclass becomes a dict of its fields, but those that are `NOT_SAVED`, and of what it has in DERIVED.

    Parameters
    ----------
    value : object
        What there is.
    as_text : bool
        Write "nan", "inf" or "-inf" instead of None.

    Examples
    --------
    >>> plain_data({"sizes": (3, 4), "error": float("nan")})
    {'sizes': [3, 4], 'error': None}
    """
    if is_dataclass(value):
        names = [field.name for field in fields(value) if field.metadata.get("saved", True)]
        value = {name: getattr(value, name) for name in (*names, *getattr(value, "DERIVED", ()))}
    if isinstance(value, Mapping):
        return {str(key): plain_data(item, as_text=as_text) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_data(item, as_text=as_text) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(float(value)) if as_text else None
    if isinstance(value, (bool, int, str)) or value is None:
        return value
    # a NumPy scalar or array; anything else
    return plain_data(value.tolist(), as_text=as_text) if hasattr(value, "tolist") else str(value)


def read_record(kind: type[_T], data: Any) -> _T:
    """Return the dataclass that `plain_data` made plain data of.

    Parameters
    ----------
    kind : type
        The dataclass; its annotations say what every value must be.
    data : object
        Its plain data. A number that is None where there must be one was not finite, and is infinite again.

    Raises
    ------
    KeyError
        If something is missing.
    TypeError
        If something is of another type.
    """
    found: _T = _read(kind, data, kind.__name__)
    return found


def _read(kind: Any, value: Any, place: str) -> Any:
    origin, inside = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if is_dataclass(kind):
        return _read_fields(kind, _of(dict, value, place))
    if origin in (Union, UnionType):
        (only,) = (each for each in inside if each is not NoneType)
        return None if value is None else _read(only, value, place)
    if origin is tuple:
        items = _of(list, value, place)
        kinds = inside[:1] * len(items) if inside[-1] is Ellipsis else inside
        if len(kinds) != len(items):
            raise TypeError(f"{place} has {len(items)} values")
        return tuple(_read(each, item, place) for each, item in zip(kinds, items))
    if origin is dict:
        return {key: _read(inside[1], item, f"{place}.{key}") for key, item in _of(dict, value, place).items()}
    if kind is float and (value is None or isinstance(value, str)) and value in _NON_FINITE:
        return _NON_FINITE[value]
    if kind is float:
        return float(_of((int, float), value, place))
    return _of(kind, value, place)


def _read_fields(kind: Any, data: dict[str, Any]) -> Any:
    hints = get_type_hints(kind)
    saved = [field for field in fields(kind) if field.metadata.get("saved", True)]
    names = [field.name for field in saved if field.name in data or not field.metadata.get("added", False)]
    return kind(**{name: _read(hints[name], data[name], f"{kind.__name__}.{name}") for name in names})


def _of(kind: Any, value: Any, place: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{place} is {value!r}")
    return value
