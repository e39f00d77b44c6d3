"""Networks from Python files: the file is run, so it must be one that you trust."""

from __future__ import annotations

import linecache
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from fastconv.errors import InvalidTypeError, InvalidValueError, meant
from fastconv.files import is_there, open_regular
from fastconv.layers import Layer
from fastconv.validation.sizes import check_path

_OPERATION = "load_model_file"
_USUAL = "model"


def is_model_file(name: str) -> bool:
    """Whether ``"file.py"`` or ``"file.py:name"`` is meant, and not one of `MODELS`."""
    return name.endswith(".py") or ".py:" in name


def load_model_file(path: str | os.PathLike[str], **options: Any) -> Layer:
    r"""Run a Python file and return the network that it defines.

    Parameters
    ----------
    path : path-like
        ``"file.py"`` or ``"file.py:name"``. Without a name, ``model`` is taken, or else the only `Layer` in the file.
    **options
        Passed on where the name belongs to a function or class that returns a `Layer`; if it takes none of them, it is
        called without.

    Returns
    -------
    Layer
        The network.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file fails, with the line where it does; if the name is not in it; or if there are several networks and
        none is called ``model``.
    TypeError
        If what has the name is neither a `Layer` nor makes one.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "net.py")
    >>> _ = file.write_text("from fastconv.layers import Linear\nmodel = Linear(3, 2)\n")
    >>> load_model_file(str(file))
    Linear(3, 2)
    """
    file, name = _split(path)
    namespace = _run(file)
    found = _chosen(file, namespace, name)
    if isinstance(found, Layer):
        return found
    if not callable(found):
        raise InvalidTypeError(
            f"{_OPERATION}: {name or _USUAL} in {file} must be a Layer, or a function that returns one, but got "
            f"{type(found).__name__}."
        )
    model = _call(file, found, options)
    if not isinstance(model, Layer):
        raise InvalidTypeError(
            f"{_OPERATION}: {name or _USUAL} in {file} must return a Layer, but returned {type(model).__name__}."
        )
    return model


def _split(path: object) -> tuple[Path, str | None]:
    """File and name; a colon without a name of Python after it belongs to the file."""
    file = check_path(_OPERATION, path)
    head, colon, tail = str(file).rpartition(":")
    if colon and tail.isidentifier() and not file.exists():
        return Path(head), tail
    return file, None


def _run(file: Path) -> dict[str, Any]:
    """Return the names of a file that has been run, as if it had been imported from its own folder."""
    if not is_there(file):
        raise FileNotFoundError(2, "no such Python file", str(file))
    with open_regular(_OPERATION, file, InvalidValueError) as stream:
        source = stream.read()
    module = ModuleType(f"fastconv_model_{file.stem}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module  # classes of the file can be pickled and are found by dataclasses
    folder = str(file.resolve().parent)
    sys.path.insert(0, folder)
    try:
        exec(compile(source, str(file), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:  # whatever it does wrong
        raise InvalidValueError(f"{_OPERATION}: {_where(file, error)}") from error
    finally:
        sys.path.remove(folder)
        linecache.checkcache(str(file))
    return module.__dict__


def _call(file: Path, make: Any, options: Mapping[str, Any]) -> Any:
    """Call what makes a network, with those of the options that it takes by name."""
    from inspect import Parameter, signature

    try:
        taken = signature(make).parameters.values()
    except (TypeError, ValueError):  # a callable of C code, which does not tell
        return make()
    everything = any(one.kind is Parameter.VAR_KEYWORD for one in taken)
    names = {one.name for one in taken if one.kind in (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD)}
    try:
        return make(**{name: value for name, value in options.items() if everything or name in names})
    except Exception as error:
        raise InvalidValueError(f"{_OPERATION}: {_where(file, error)}") from error


def _where(file: Path, error: BaseException) -> str:
    """Say what went wrong, and in which line of the file."""
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{file} must be Python, but got {what}."
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    line = f", line {lines[-1]}" if lines else ""
    return f"{file} must run, but got {what} ({file}{line})."


def _chosen(file: Path, namespace: dict[str, Any], name: str | None) -> Any:
    """Return what has the name; without one, `model`, or the only network that there is."""
    networks = [each for each, value in namespace.items() if isinstance(value, Layer)]
    if name is None and _USUAL not in namespace and len(networks) != 1:
        raise InvalidValueError(
            f"{_OPERATION}: {file} must define one network, or call one of them {_USUAL!r}, but got "
            f"{', '.join(networks) or 'none'}." + (f" Choose with {file}:{networks[0]}." if networks else "")
        )
    wanted = name or (_USUAL if _USUAL in namespace else networks[0])
    if wanted not in namespace:
        functions = [each for each, value in namespace.items() if callable(value)]
        raise InvalidValueError(
            f"{_OPERATION}: {file} must define {wanted}, but its networks are {', '.join(networks) or 'none'}."
            f"{meant(wanted, networks + functions)}"
        )
    return namespace[wanted]
