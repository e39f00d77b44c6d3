"""What a convention is: names, signatures and shapes in which somebody writes an operation; and what is written so."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

from fastconv.dropin.conventions.calls import Calls
from fastconv.dropin.conventions.expected import POOL_ROLES, Results
from fastconv.dropin.conventions.problem import Pair, Problem
from fastconv.dropin.conventions.spelling import is_backward, words
from fastconv.dropin.conventions.structure import WHOLE, Structure, structure_of
from fastconv.errors import InvalidTypeError

Function = Callable[..., Any]

UNUSED = {"padding": (0, 0), "dilation": (1, 1)}
OUTPUT = Structure({"y": WHOLE})


@dataclass(frozen=True)
class Target:
    """One function of somebody's, and where it is found.

    Parameters
    ----------
    owner : module, class, object or None
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
        if self.owner is None or isinstance(self.owner, ModuleType):
            return self.name
        return f"{getattr(self.owner, '__name__', type(self.owner).__name__)}.{self.name}"


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
        targets = {role: replace(it, function=functions.get(role, it.function)) for role, it in self.targets.items()}
        cls = self.cls
        if cls is not None:
            methods = {self.targets[role].name: function for role, function in functions.items() if role in self}
            cls = type(cls.__name__, (cls,), {"__module__": cls.__module__, **methods})
        return replace(self, targets=targets, cls=cls)


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
        Roles, and which of y, dx, dweight and dbias each computes; those of a pooling, unless said otherwise.
    cached : bool
        Whether the backward pass takes what the forward pass has kept.
    missing : tuple of str
        Sizes that the calls have no word for: "dilation", unless said otherwise.
    single : tuple of str
        Sizes of which the calls have one for both axes: "stride" and "padding", unless said otherwise.
    usual_bias : str or None
        The shape of the bias in this form; None where it has no such shape.
    """

    name: str
    operations: tuple[str, ...]
    form: str
    source: str
    gives: Mapping[str, tuple[str, ...]] = POOL_ROLES
    cached: bool = True
    missing: tuple[str, ...] = ("dilation",)
    single: tuple[str, ...] = ("stride", "padding")
    usual_bias: str | None = None

    @property
    def first(self) -> str:
        """The role of the forward function."""
        return next(iter(self.gives))

    def role_of(self, name: str, found: Any) -> str | None:
        """Return the role of a function of this name and signature; None if it is none of this convention."""
        return None

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
        backwards = is_backward(name) or "col2im" in words(name)
        return [*self.gives][backwards if len(self.gives) > 1 else 0]

    def cannot_express(self, implementation: Implementation, problem: Problem) -> str | None:
        """Return why a problem cannot be written as a call of these functions; None if it can."""
        usual = {**UNUSED, "stride": self.usual_stride(problem)}
        missing, single = self.limits(implementation)
        for name in missing:
            if getattr(problem, name) != usual[name]:
                return f"it has no {name}"
        for name in single:
            height, width = getattr(problem, name)
            if height != width:
                return f"it has one {name} for both axes"
        return None

    def limits(self, implementation: Implementation) -> tuple[Sequence[str], Sequence[str]]:
        """Return `missing` and `single` of these functions."""
        return self.missing, self.single

    def usual_stride(self, problem: Problem) -> Pair:
        """Return the stride of a function that has no such parameter."""
        return (1, 1)

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

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        """Call the backward function, after `forward`.

        Parameters
        ----------
        implementation : Implementation
            With a backward function.
        problem : Problem
            With a `dy`.
        context : object
            What `forward` has returned.
        role : str
            Which one, where there are several; by default all of them.

        Returns
        -------
        Results
            Gradients as fastconv orders their axes.
        """
        raise NotImplementedError

    def arrays(self, implementation: Implementation, role: str) -> tuple[str, ...]:
        """Return the arrays that a role of this implementation computes: not every one returns dbias, or dx."""
        known = str(implementation.details.get("gradients", "")).split() if role == "backward" else ()
        return tuple(known) or self.gives[role]

    def words(self, role: str) -> str:
        """What a function was found to compute by trying, in the words of a person; nothing where its name says it."""
        return ""

    def likes(self, found: Any) -> bool:
        """Return whether the names of the parameters say that a function is of this convention and no like one."""
        return False

    def remark(self, details: Mapping[str, Any]) -> str:
        """Say how functions that are right differ from the form of this convention; empty where they do not.

        Parameters
        ----------
        details : mapping
            Those of the implementation, or the plain ones of them.
        """
        if self.usual_bias is None:
            return ""
        bias, gradients = details.get("bias", self.usual_bias), str(details.get("gradients", "dbias")).split()
        remarks = {
            f"its bias is of {bias}, not {self.usual_bias}": bias != self.usual_bias,
            "its sizes are pairs": bool(details.get("paired")),
            "it returns no gradient of the bias": "dbias" not in gradients,
        }
        return ", ".join(text for text, said in remarks.items() if said)

    def trial_sizes(self, implementation: Implementation) -> Sequence[Mapping[str, Pair]]:
        """Return sizes of problems on which it is tried how these functions are called."""
        return [{}] if "padding" in self.missing else [{}, {"padding": (1, 1)}]

    def cannot_replace(self, implementation: Implementation, role: str) -> str | None:
        """Return why no equivalent can stand in for a function that is right; None if one can."""
        others = structure_of(implementation.details, role, OUTPUT).others
        return f"its result holds more: {', '.join(others)}" if others else None

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


def takes(function: Any, count: int) -> bool:
    """Whether a function can be called with so many arguments by position."""
    try:
        signature = inspect.signature(function)
        signature.bind(*[None] * count)
    except (TypeError, ValueError):
        return False
    return len(signature.parameters) >= count


def parameter_names(function: Any) -> list[str]:
    """Return the names of the parameters of a function in lower case; none where they cannot be known."""
    try:
        return [name.lower() for name in inspect.signature(function).parameters]
    except (TypeError, ValueError):
        return []
