"""What a file says about the network whose weights it holds: plain values, of which nothing is ever run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fastconv._version import __version__
from fastconv.data.network_input import Preprocessing
from fastconv.errors import InvalidTypeError, InvalidValueError, MemoryLimitError, StateFileError, shown
from fastconv.initializers import undrawn
from fastconv.layers import Layer
from fastconv.models.architecture import Architecture
from fastconv.models.registry import by_name
from fastconv.validation.constructors import Constructed

_FORMAT = "fastconv network"
_VERSION = 1


@dataclass(frozen=True)
class ModelCard(metaclass=Constructed):
    """A network without its weights: how to make it, what it takes, what its outputs mean.

    Attributes
    ----------
    architecture : Architecture or None
        None for a network that was not made by `by_name`.
    preprocessing : Preprocessing or None
        What is done to pictures; None where a function of somebody's own does it.
    class_names : tuple of str
        Names of the columns of the scores.
    """

    architecture: Architecture | None = None
    preprocessing: Preprocessing | None = None
    class_names: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, with the version of the format and of fastconv."""
        architecture = None if self.architecture is None else self.architecture._asdict()
        preprocessing = None if self.preprocessing is None else asdict(self.preprocessing)
        about = {"format": _FORMAT, "version": _VERSION, "fastconv": __version__}
        values = {"architecture": architecture, "preprocessing": preprocessing, "class_names": self.class_names}
        plain: dict[str, Any] = json.loads(json.dumps({**about, **values}, allow_nan=False))
        return plain

    @classmethod
    def from_dict(cls, where: str, data: Any) -> ModelCard:
        """Read `to_dict`; `where` names the operation and the file.

        Raises
        ------
        fastconv.errors.StateFileError
            If something is missing, or something else.
        """
        about = _mapping(where, "its description", data)
        if about.get("format") != _FORMAT or about.get("version") != _VERSION:
            found = f"{shown(about.get('format'))}, version {shown(about.get('version'))}"
            raise StateFileError(
                f"{where} must be a network of fastconv, version {_VERSION}, but got {found}. Read it with the version "
                "of fastconv that wrote it."
            )
        made, prepared, names = (about.get(name) for name in ("architecture", "preprocessing", "class_names"))
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise StateFileError(f"{where} must have a list of class_names, but got {shown(names)}.")
        return cls(
            None if made is None else _architecture(where, _mapping(where, "architecture", made)),
            None if prepared is None else _preprocessing(where, _mapping(where, "preprocessing", prepared)),
            tuple(names),
        )

    def network(self, where: str, numbers: int | None = None) -> Layer:
        """Make the network, with other weights; `where` names the operation and the file.

        Parameters
        ----------
        where : str
            The operation and the file, for messages.
        numbers : int, optional
            How many there are to be its weights: a network of many more is not made.

        Raises
        ------
        fastconv.errors.StateFileError
            If there is none that is made so.
        fastconv.errors.MemoryLimitError
            If it does not fit into memory.
        """
        if self.architecture is None:
            raise StateFileError(
                f"{where} has the weights of a network that was not made by its name in fastconv.models. "
                "Pass the network that they are for as model=, or by its name beside --weights."
            )
        name, arguments = self.architecture
        try:
            with undrawn(numbers):
                return by_name(name, **{key: _tuples(value) for key, value in arguments.items()}, rng=0)
        except MemoryError as error:
            raise MemoryLimitError(f"{where} must describe a network that fits into memory, but: {error}") from None
        except (ValueError, TypeError, ArithmeticError) as error:
            raise StateFileError(f"{where} must describe a network of this version, but: {error}") from None


def _mapping(where: str, subject: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise StateFileError(f"{where} must have a mapping as {subject}, but got {shown(value)}.")
    return value


def _architecture(where: str, data: Mapping[str, Any]) -> Architecture:
    name, arguments = data.get("name"), data.get("arguments")
    if not isinstance(name, str):
        raise StateFileError(f"{where} must name its architecture, but got {shown(name)}.")
    return Architecture(name, dict(_mapping(where, "arguments of its architecture", arguments)))


def _preprocessing(where: str, data: Mapping[str, Any]) -> Preprocessing:
    try:
        return Preprocessing(**data)
    except (InvalidValueError, InvalidTypeError, TypeError) as error:
        raise StateFileError(f"{where} must have a whole preprocessing, but: {error}") from None


def _tuples(value: Any) -> Any:
    """Lists as the tuples that they were."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
