"""What a convention is: names, signatures and shapes in which somebody writes an operation."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastconv.dropin.conventions.calls import Calls
from fastconv.dropin.conventions.expected import Results
from fastconv.dropin.conventions.implementation import Function, Implementation
from fastconv.dropin.conventions.problem import Pair, Problem

__all__ = ["CONV_ROLES", "POOL_ROLES", "Cache", "Convention", "one", "parameter_names", "uneven", "words"]


CONV_ROLES = {"forward": ("y",), "backward": ("dx", "dweight", "dbias")}
POOL_ROLES = {"forward": ("y",), "backward": ("dx",)}


class Cache(tuple[Any, ...]):
    """What a fast forward function returns for the backward pass: a tuple, as in the original, that is told apart."""

    __slots__ = ()


class Convention:
    """Names, signatures and shapes in which an operation is written.

    Attributes
    ----------
    name : str
        Such as "cs231n.conv2d".
    operations : tuple of str
        What it computes: one of `fastconv.dropin.conventions.problem.OPERATIONS`, or two where an argument decides.
    form : str
        The calls, on one line.
    source : str
        Who writes it so.
    gives : mapping of str to tuple of str
        Roles, and which of y, dx, dweight and dbias each computes.
    cached : bool
        Whether the backward pass takes what the forward pass has kept.
    """

    name: str
    operations: tuple[str, ...]
    form: str
    source: str
    gives: Mapping[str, tuple[str, ...]]
    cached: bool = True

    def role_of(self, name: str, found: Any) -> str | None:
        """Return the role of a function of this name and signature; None if it is none of this convention."""
        raise NotImplementedError

    def methods_of(self, cls: type, *, said: bool = False) -> dict[str, str] | None:
        """Return the names of the methods of a class, by role; None if it is none of this convention.

        Parameters
        ----------
        cls : type
            The class.
        said : bool
            Somebody says that it is of this convention: its name does not matter.
        """
        return None

    def default_role(self, name: str) -> str:
        """Return the role of a function that somebody says is of this convention."""
        backwards = {"backward", "bwd", "back", "backprop", "grad", "gradient", "col2im"} & set(words(name))
        return [*self.gives][bool(backwards) if len(self.gives) > 1 else 0]

    def cannot_express(self, implementation: Implementation, problem: Problem) -> str | None:
        """Return why a problem cannot be written as a call of these functions; None if it can."""
        return None

    def adapted(self, implementation: Implementation, problem: Problem) -> Problem:
        """Return the problem, or the part of it that these functions take."""
        return problem

    def forward(self, implementation: Implementation, problem: Problem) -> tuple[Any, Any]:
        """Call the forward function.

        Returns
        -------
        y : ndarray or None
            Its output as (N, F, OH, OW), or what it returned in its place; None where there is no forward function.
        context : object
            What `backward` needs to know.
        """
        raise NotImplementedError

    def backward(
        self, implementation: Implementation, problem: Problem, context: Any, role: str | None = None
    ) -> Results:
        """Call the backward function, after `forward`.

        Parameters
        ----------
        implementation : Implementation
            With a backward function.
        problem : Problem
            With a `dy`.
        context : object
            What `forward` has returned.
        role : str, optional
            Which one, where there are several; by default all of them.

        Returns
        -------
        Results
            Gradients as fastconv orders their axes.
        """
        raise NotImplementedError

    def arrays(self, implementation: Implementation, role: str) -> tuple[str, ...]:
        """Return the arrays that a role of this implementation computes."""
        return self.gives[role]

    def likes(self, found: Any) -> bool:
        """Return whether the names of the parameters say that a function is of this convention and no like one."""
        return False

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        """Return a drop-in equivalent for every role: same arguments, same results, by the fast backend."""
        raise NotImplementedError

    def resuming(self, implementation: Implementation, roles: Sequence[str]) -> dict[str, Function]:
        """Return originals that can go on after a fast forward pass, which keeps nothing for them.

        Parameters
        ----------
        implementation : Implementation
            The originals.
        roles : sequence of str
            Those that are replaced.

        Returns
        -------
        dict of str to callable
            By role: the original, which runs its own forward pass first; without those that can go on as they are.
        """
        return {}

    def __repr__(self) -> str:
        return f"<convention {self.name}: {self.form}>"


def words(name: str) -> list[str]:
    """Return the words of a name in lower case: "ConvForward_naive2" gives conv, forward, naive2."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return [word for word in re.split(r"[_\W]+", spaced.lower()) if word]


def parameter_names(function: Any) -> list[str]:
    """Return the names of the parameters of a function in lower case; none where they cannot be known."""
    try:
        return [name.lower() for name in inspect.signature(function).parameters]
    except (TypeError, ValueError):
        return []


def one(pair: Pair) -> int:
    """Return the one size of both axes."""
    return pair[0]


def uneven(problem: Problem, *names: str) -> str | None:
    """Return why a form with one size for both axes cannot say what a problem says; None if it can."""
    for name in names:
        height, width = getattr(problem, name)
        if height != width:
            return f"it has one {name} for both axes"
    return None
