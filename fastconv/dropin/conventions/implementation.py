"""Somebody's functions or class, as one thing that can be called, judged and replaced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastconv.errors import InvalidTypeError

if TYPE_CHECKING:
    from fastconv.dropin.conventions.convention import Convention

__all__ = ["Implementation", "Target"]

Function = Callable[..., Any]


@dataclass(frozen=True)
class Target:
    """One function of somebody's, and where it is found.

    Parameters
    ----------
    owner : module, class or None
        What holds it as an attribute; None for a function that nothing is known to hold.
    name : str
        Name of the attribute.
    function : callable
        The function itself.
    """

    owner: Any
    name: str
    function: Function

    @property
    def label(self) -> str:
        """The name as a person says it: with the class, without the module."""
        return f"{self.owner.__name__}.{self.name}" if isinstance(self.owner, type) else self.name


@dataclass(frozen=True)
class Implementation:
    """The functions of somebody's that belong together: forward and backward of one operation.

    Parameters
    ----------
    convention : Convention
        How they are called.
    targets : mapping of str to Target
        By role, such as "forward" and "backward". Any may be missing.
    cls : type, optional
        The class whose methods they are, where the convention is one of classes.
    details : dict
        What the convention found out about them by trying.
    """

    convention: Convention
    targets: Mapping[str, Target]
    cls: type | None = None
    details: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def label(self) -> str:
        """Names of the functions, such as "conv_forward_naive / conv_backward_naive"."""
        return " / ".join(target.label for target in self.targets.values())

    def __contains__(self, role: str) -> bool:
        return role in self.targets

    def __getitem__(self, role: str) -> Function:
        return self.targets[role].function

    def made(self, *arguments: Any) -> Any:
        """Return an object of the class."""
        if self.cls is None:
            raise InvalidTypeError(f"Implementation: {self.label} must have a class, but got functions.")
        return self.cls(*arguments)

    def with_functions(self, functions: Mapping[str, Function]) -> Implementation:
        """Return the same thing with other functions in some roles; nothing of theirs is touched.

        Parameters
        ----------
        functions : mapping of str to callable
            By role. Those of a class become methods of a subclass.
        """
        targets = {
            role: Target(target.owner, target.name, functions.get(role, target.function))
            for role, target in self.targets.items()
        }
        cls = self.cls
        if cls is not None:
            methods = {self.targets[role].name: function for role, function in functions.items()}
            cls = type(cls.__name__, (cls,), {"__module__": cls.__module__, **methods})
        return Implementation(self.convention, targets, cls, self.details)
