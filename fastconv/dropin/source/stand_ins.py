"""What stands in for modules that cannot be imported, and for IPython: nothing happens until it is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastconv.errors import FastconvError


class MissingImportError(FastconvError, ImportError):
    """Something was used that could not be imported."""


class MissingImport:
    """What a name is bound to whose import failed: an error when it is used.

    Parameters
    ----------
    name : str
        What was to be imported, such as "cv2" or "keras.datasets.mnist".
    why : str
        What is said when it is used.

    Examples
    --------
    >>> cv2 = MissingImport("cv2", "cv2 could not be imported (line 1): No module named 'cv2'")
    >>> cv2.imread("cat.png")
    Traceback (most recent call last):
        ...
    fastconv.dropin.source.stand_ins.MissingImportError: cv2 could not be imported (line 1): No module named 'cv2'
    """

    def __init__(self, name: str, why: str) -> None:
        self._name, self._why = name, why

    def _fail(self, *args: Any, **kwargs: Any) -> Any:
        raise MissingImportError(self._why, name=self._name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # Python and its `inspect` ask whether it is there
            raise AttributeError(name)
        self._fail()

    __call__ = __getitem__ = __iter__ = __enter__ = __mro_entries__ = _fail

    def __repr__(self) -> str:
        return f"<{self._name}, which could not be imported>"


class Shell:
    """What ``get_ipython()`` gives outside of IPython: whatever is asked of it, nothing happens."""

    def __getattr__(self, name: str) -> Any:
        return self

    def _itself(self, *args: Any, **kwargs: Any) -> Any:
        return self

    __call__ = __getitem__ = _itself

    def __contains__(self, item: Any) -> bool:
        return False

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __bool__(self) -> bool:
        return False


def names_of_ipython() -> dict[str, Any]:
    """Return what IPython adds to the names of a program."""
    shell = Shell()
    return {"get_ipython": lambda: shell, "display": lambda *args, **kwargs: None}
