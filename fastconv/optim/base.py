"""What every optimiser is: groups of parameters, their state, and steps, by kernels or in blocks that stay in cache."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import Any, ClassVar, TypeVar

import numpy as np

from fastconv.backends import resolve_backend
from fastconv.errors import InvalidTypeError, InvalidValueError, meant, shown
from fastconv.layers.parameter import Parameter, note_change
from fastconv.optim.arguments import check_fraction, check_not_negative, check_parameters, check_positive
from fastconv.validation.arrays import Array, compute_dtype
from fastconv.validation.constructors import Constructed
from fastconv.validation.sizes import check_flag, check_integer, check_number

Group = dict[str, Any]
Slots = dict[str, Array]
_Function = TypeVar("_Function", bound=Callable[..., None])

_BLOCK = 2**14  # elements at a time: the parameter, its gradient, two slots and two scratch arrays fit into an L2 cache

# What the options of the optimisers must be.
_CHECKS: dict[str, Callable[[str, str, object], Any]] = {
    "alpha": check_fraction,
    "eps": check_positive,
    "momentum": check_not_negative,
    "weight_decay": check_not_negative,
    "dampening": check_number,
    "amsgrad": check_flag,
    "nesterov": check_flag,
}


def rule(name: str) -> Callable[[_Function], _Function]:
    """Name the rule by which `Backend.update` does the same as an `_update`, to the last bit."""

    def decorate(function: _Function) -> _Function:
        function.rule = name  # type: ignore[attr-defined]
        return function

    return decorate


class Optimizer(metaclass=Constructed):
    """Base class of the optimisers: each step changes every parameter in place, by its gradient.

    A parameter without a gradient, or with ``requires_grad=False``, is left alone, and so is its state.

    Parameters
    ----------
    parameters : iterable of Parameter, or of dict
        What is trained. A dict is a group with options of its own: ``{"parameters": [...], "lr": 0.01}``.
    options : dict
        Options of groups that do not say otherwise, ``lr`` among them.

    Raises
    ------
    ValueError
        If there is no parameter, one appears twice, or an option has an impossible value.
    TypeError
        If something is not a `Parameter`, or a group has an option that the optimiser does not know.

    Attributes
    ----------
    groups : list of dict
        ``parameters`` and the options of each group.
    """

    slot_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parameters: Iterable[Parameter] | Iterable[Mapping[str, Any]], options: dict[str, Any]) -> None:
        self.groups = [self._group(given, options) for given in _as_groups(type(self).__name__, parameters)]
        self._slots: dict[int, Slots] = {}
        self._steps = np.zeros(0, np.int64)
        self._numbers = np.zeros((0, 0))
        self._scratch: dict[np.dtype[Any], Array] = {}
        everything = self._parameters()
        if not everything:
            raise InvalidValueError(
                f"{self._name}: parameters must not be empty. Pass model.parameters() of a model that has some."
            )
        if len({id(parameter) for parameter in everything}) != len(everything):
            raise InvalidValueError(f"{self._name}: parameters must all be different, but one appears twice.")

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _group(self, given: Mapping[str, Any], options: dict[str, Any]) -> Group:
        unknown = [name for name in given if name not in options and name != "parameters"]
        if unknown or "parameters" not in given:
            raise InvalidTypeError(
                f"{self._name}: a group must have parameters, and options among {', '.join(options)}, but got "
                f"{', '.join(map(repr, given)) or 'nothing'}.{meant(unknown[0], options) if unknown else ''}"
            )
        group = {**options, **given, "parameters": list(check_parameters(self._name, given["parameters"]))}
        group["lr"] = check_positive(self._name, "lr", group["lr"])
        self._check(group)
        return group

    def _check(self, group: Group) -> None:
        """Refuse impossible options of a group, and keep the others as they are checked."""
        for name, check in _CHECKS.items():
            if name in group:
                group[name] = check(self._name, name, group[name])

    def _numbers_of(self, group: Group, step: int) -> tuple[float, ...]:
        """What an update takes of the options of a group and the number of the step, in the order of its rule."""
        return (group["lr"],)

    @abstractmethod
    def _update(
        self, data: Array, grad: Array, slots: Slots, scratch: tuple[Array, Array], group: Group, step: int
    ) -> None:
        """Change `data` and `slots`, a block of a parameter, in place; `step` counts its updates from 1.

        `grad` stays as it is; the two scratch arrays have its shape and dtype.
        """

    def slots_of(self, group: Group) -> tuple[str, ...]:
        """Names of the arrays, each as large as a parameter, that are kept between steps.

        Parameters
        ----------
        group : dict
            One of `groups`.

        Returns
        -------
        tuple of str
            The optimiser takes that many times the bytes of the parameters of the group.
        """
        return self.slot_names

    # the work

    def step(self) -> None:
        """Change every parameter that has a gradient."""
        due = self._due()
        self._prepare(due)
        self._apply(due)
        note_change()

    def _due(self) -> list[int]:
        """Positions of the parameters that a step changes."""
        return [
            index
            for index, (_, parameter) in enumerate(self._members())
            if parameter.requires_grad and parameter.grad is not None
        ]

    def _prepare(self, due: list[int]) -> None:
        """Make slots that are missing, count the step, and write down the numbers that it takes."""
        new = [index for index in due if index not in self._slots]
        if new:
            self._make_slots(new)
        self._make_room()
        self._steps[due] += 1
        first = 0
        for group in self.groups:
            members = slice(first, first + len(group["parameters"]))
            steps, first = self._steps[members], members.stop
            for step in {*steps.tolist()} - {0}:
                self._numbers[members][steps == step] = self._numbers_of(group, step)

    def _make_slots(self, due: list[int]) -> None:
        members = list(self._members())
        for index in due:
            (group, parameter), kind = members[index], compute_dtype(members[index][1].dtype)
            self._slots[index] = {name: np.zeros_like(parameter.data, kind) for name in self.slots_of(group)}

    def _make_room(self) -> None:
        """Steps and numbers for every parameter: the same arrays as before, unless the groups have grown."""
        count = sum(len(group["parameters"]) for group in self.groups)
        if len(self._numbers) != count:
            self._numbers = np.zeros((count, len(self._numbers_of(self.groups[0], 1))))
        if len(self._steps) != count:
            self._steps = np.resize(np.append(self._steps, np.zeros(count, np.int64)), count)

    def _apply(self, due: list[int], guard: Array | None = None) -> None:
        """Change the parameters and their slots, unless a number in `guard` is not finite."""
        members, left = list(self._members()), due
        name = getattr(self._update, "rule", None)
        if name is not None:
            arrays = {index: self._arrays(index, *members[index]) for index in due}
            left = resolve_backend(None).update(name, arrays, self._numbers, guard)
        if left and (guard is None or np.isfinite(guard).all()):
            for index in left:
                self._update_in_blocks(index, *members[index])

    def _arrays(self, index: int, group: Group, parameter: Parameter) -> list[Array]:
        """A parameter, its gradient, and its slots."""
        assert parameter.grad is not None
        slots = self._slots[index]
        return [parameter.data, parameter.grad, *[slots[name] for name in self.slots_of(group)]]

    @np.errstate(all="ignore")
    def _update_in_blocks(self, index: int, group: Group, parameter: Parameter) -> None:
        grad, step = parameter.grad, int(self._steps[index])
        assert grad is not None
        for block in _blocks(parameter.shape):
            self._update_block(parameter.data[block], grad[block], self._slots[index], block, group, step)

    def _update_block(self, data: Array, grad: Array, slots: Slots, block: Any, group: Group, step: int) -> None:
        """Change one block; float16 is computed, and its slots are kept, in float32, where eps is not zero."""
        stored, kind = data, compute_dtype(data.dtype)
        if kind != data.dtype:
            data, grad = data.astype(kind), grad.astype(kind)
        views = {name: array[block] for name, array in slots.items()}
        self._update(data, grad, views, self._scratch_like(data), group, step)
        if data is not stored:
            stored[...] = data

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self._parameters():
            parameter.zero_grad()

    def _scratch_like(self, part: Array) -> tuple[Array, Array]:
        """Two arrays like `part`; the memory is the same in every step."""
        flat = self._scratch.get(part.dtype)
        if flat is None or flat.size < 2 * part.size:
            flat = self._scratch[part.dtype] = np.empty(2 * part.size, part.dtype)
        return flat[: part.size].reshape(part.shape), flat[part.size : 2 * part.size].reshape(part.shape)

    def _members(self) -> Iterator[tuple[Group, Parameter]]:
        for group in self.groups:
            for parameter in group["parameters"]:
                yield group, parameter

    def _parameters(self) -> list[Parameter]:
        return [parameter for _, parameter in self._members()]

    # the learning rate

    @property
    def lr(self) -> float:
        """The learning rate, of the first group if they differ; assigning one sets that of all groups."""
        return float(self.groups[0]["lr"])

    @lr.setter
    def lr(self, value: float) -> None:
        rate = check_positive(self._name, "lr", value)
        for group in self.groups:
            group["lr"] = rate
            group.pop("initial_lr", None)

    # state

    def options(self) -> list[dict[str, Any]]:
        """Options of each group without its parameters.

        Returns
        -------
        list of dict
            Plain numbers and booleans.
        """
        return [{name: value for name, value in group.items() if name != "parameters"} for group in self.groups]

    def state_dict(self) -> dict[str, Any]:
        """What a run that continues needs: copies of everything but the parameters themselves.

        Returns
        -------
        dict
            ``kind``, the name of the class; ``groups``, the options of each; ``steps``, the updates of each parameter
            so far; ``slots``, arrays by ``"position.name"``.
        """
        self._make_room()
        return {
            "kind": self._name,
            "groups": self.options(),
            "steps": self._steps.tolist(),
            "slots": {
                f"{index}.{name}": array.copy() for index, slots in self._slots.items() for name, array in slots.items()
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where another optimiser of the same kind, over parameters of the same shapes, was.

        Parameters
        ----------
        state : mapping
            As `state_dict` returns it. Options are taken over too.

        Raises
        ------
        ValueError
            If it is not whole, or belongs to another kind of optimiser or to other parameters; nothing is changed then.
        TypeError
            If something in it has another type.
        """
        where, members = f"{self._name}.load_state_dict", list(self._members())
        if not isinstance(state, Mapping):
            raise InvalidTypeError(f"{where}: state must be a mapping, but got {shown(state)}.")
        missing = [name for name in ("kind", "groups", "steps", "slots") if name not in state]
        if missing:
            raise InvalidValueError(f"{where}: state must be whole, but {', '.join(missing)} cannot be found.")
        if not isinstance(state["kind"], str) or state["kind"] != self._name:
            raise InvalidValueError(f"{where}: state must be of {self._name}, but got that of {shown(state['kind'])}.")
        for name, kind in (("groups", Sequence), ("steps", Sequence), ("slots", Mapping)):
            if not isinstance(state[name], kind):
                raise InvalidTypeError(
                    f"{where}: {name} must be a {kind.__name__.lower()}, but got {shown(state[name])}."
                )
        if len(state["groups"]) != len(self.groups) or len(state["steps"]) != len(members):
            raise InvalidValueError(
                f"{where}: state must have {len(self.groups)} groups with {len(members)} parameters, but got "
                f"{len(state['groups'])} with {len(state['steps'])}."
            )
        groups = [self._continued(where, group, options) for group, options in zip(self.groups, state["groups"])]
        steps = [check_integer(where, "every step", step, 0) for step in state["steps"]]
        slots = self._continued_slots(where, groups, steps, state["slots"])
        for group, options in zip(self.groups, groups):
            group.pop("initial_lr", None)
            group.update(options)
        self._slots = {index: self._in_place(index, given) for index, given in slots.items()}
        self._steps = np.array(steps, np.int64)
        note_change()

    def _in_place(self, index: int, given: Slots) -> Slots:
        """Slots of a parameter with the values given, in the arrays that are there, as far as they fit."""
        for name, old in self._slots.get(index, {}).items():
            if name in given and (old.dtype, old.shape) == (given[name].dtype, given[name].shape):
                old[...] = given[name]
                given[name] = old
        return given

    def _continued(self, where: str, group: Group, options: Any) -> Group:
        """Return the options of a group as a state has them, checked as those of a new group are."""
        own = group.keys() - {"parameters", "initial_lr"}
        if not isinstance(options, Mapping) or options.keys() - {"initial_lr"} != own:
            found = ", ".join(map(str, options)) if isinstance(options, Mapping) else type(options).__name__
            raise InvalidValueError(
                f"{where}: a group must have the options {', '.join(sorted(own))}, but got {found}."
            )
        checked = dict(options)
        for name in checked.keys() & {"lr", "initial_lr"}:
            checked[name] = check_not_negative(where, name, checked[name])  # a schedule may have come down to 0
        self._check(checked)
        return checked

    def _continued_slots(
        self, where: str, groups: list[Group], steps: list[int], given: Mapping[str, Any]
    ) -> dict[int, Slots]:
        """Return slots as a state has them: one for each name and each parameter that was ever changed."""
        parameters = self._parameters()
        options = [after for group, after in zip(self.groups, groups) for _ in group["parameters"]]
        wanted = {
            f"{index}.{name}" for index, step in enumerate(steps) if step for name in self.slots_of(options[index])
        }
        missing = sorted(wanted - given.keys())
        if missing:
            raise InvalidValueError(
                f"{where}: state must have the slots of every parameter that was changed, but {', '.join(missing)} "
                "cannot be found."
            )
        slots: dict[int, Slots] = {}
        for key, array in given.items():
            number, _, name = key.partition(".")
            if not number.isdecimal() or int(number) >= len(parameters):
                raise InvalidValueError(f"{where}: slot {key} must belong to one of {len(parameters)} parameters.")
            parameter = parameters[int(number)]
            if np.shape(array) != parameter.shape:
                raise InvalidValueError(
                    f"{where}: slot {key} must have shape {parameter.shape}, but got {np.shape(array)}."
                )
            if np.asarray(array).dtype.kind not in "iubf":
                raise InvalidTypeError(f"{where}: slot {key} must be real numbers, but got {np.asarray(array).dtype}.")
            slots.setdefault(int(number), {})[name] = np.array(array, compute_dtype(parameter.dtype))
        return slots

    def __repr__(self) -> str:
        lines = [", ".join(f"{name}={value!r}" for name, value in options.items()) for options in self.options()]
        if len(lines) == 1:
            return f"{self._name}({len(self._parameters())} parameters, {lines[0]})"
        groups = (f"  {len(group['parameters'])} parameters, {line}" for group, line in zip(self.groups, lines))
        return "\n".join([f"{self._name}(", *groups, ")"])


def _as_groups(name: str, parameters: Any) -> list[Mapping[str, Any]]:
    """Return groups, also for plain parameters."""
    if isinstance(parameters, (list, tuple)) and parameters and all(isinstance(one, Mapping) for one in parameters):
        return list(parameters)
    return [{"parameters": list(check_parameters(name, parameters))}]


def with_decay(grad: Array, data: Array, decay: float, out: Array) -> Array:
    """Return a gradient with that of the L2 penalty, ``grad + decay * data``, in `out`; itself if there is none."""
    if not decay:
        return grad
    np.multiply(data, decay, out=out)
    out += grad
    return out


def _blocks(shape: tuple[int, ...]) -> Iterator[Any]:
    """Slices of the first axis with about `_BLOCK` elements each, whatever the strides."""
    if not shape or prod(shape) <= _BLOCK:
        yield ...
        return
    rows = max(1, _BLOCK // prod(shape[1:]))
    for first in range(0, shape[0], rows):
        yield slice(first, first + rows)
