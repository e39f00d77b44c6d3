"""A training step, recorded layer by layer: forward, loss, backward and the update of the parameters.

Each layer is recorded with both of its passes, and what they launched is tried together: what a layer keeps from one
pass to the other is a part of it, and so are its gradients and its running statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.backends.fast.machine.record import recording
from fastconv.backends.fast.memory.copying import empty_in_order_of
from fastconv.backends.fast.memory.plan_cache import forget_plans
from fastconv.backends.fast.memory.strided import copy_into
from fastconv.backends.fast.program import Break, again
from fastconv.functional.copies import concatenated
from fastconv.functional.relu import add
from fastconv.layers import Concat, Dropout, Layer, Parameter, Residual, Sequential
from fastconv.layers.containers import is_plain
from fastconv.optim import Optimizer
from fastconv.optim.clipping import _clip
from fastconv.optim.penalty import add_penalty_gradient, sum_of_squares
from fastconv.programs.fused import Normalized, fused
from fastconv.programs.normalizing import BatchNorm, normalizes
from fastconv.programs.recording import (
    Group,
    Named,
    Recorded,
    Recorder,
    flat,
    inside,
    label,
    overwrite,
    same,
    trials,
)
from fastconv.validation.arrays import Array

if TYPE_CHECKING:
    from fastconv.programs.rule import Loss, Rule

Back = Callable[["Array | None", bool], "Array | None"]  # from dy to dx, where it is asked for


def is_trained(layer: Layer) -> bool:
    """Whether a layer, or one inside, has a parameter that is trained."""
    return any(parameter.requires_grad for parameter in layer.parameters())


def state_of(model: Layer) -> list[Array]:
    """Arrays of a network that change in training, or that one step draws anew."""
    arrays = [parameter.data for parameter in model.parameters()]
    arrays += [buffer for _, buffer in model.named_buffers()]
    return [array for array in [*arrays, *seeds_of(model)] if array.size]


def seeds_of(model: Layer) -> list[Array]:
    """What layers draw in each forward pass."""
    return [layer._seed for _, layer in model.named_layers() if isinstance(layer, Dropout)]


@dataclass
class _Kept:
    """Everything about a layer that a pass changes: its attributes, its arrays, its generators and its gradients."""

    layer: Layer

    def __post_init__(self) -> None:
        self._layers = [layer for _, layer in self.layer.named_layers()]
        self._attributes = [dict(vars(layer)) for layer in self._layers]
        self._parameters = self.layer.parameters()
        self.gradients = [parameter._grad for parameter in self._parameters]
        self.arrays = state_of(self.layer)
        self._values = [array.copy() for array in self.arrays]
        found = (value for layer in self._layers for value in vars(layer).values())
        self._generators = [one for one in found if isinstance(one, np.random.Generator)]
        self._states = [generator.bit_generator.state for generator in self._generators]

    def scatter(self) -> None:
        """Give parameters and statistics numbers that no layer begins with."""
        for array in self.arrays:
            if array.dtype.kind == "f":
                array[...] = _scattered(array)

    def restore(self) -> None:
        """Go back."""
        for layer, attributes in zip(self._layers, self._attributes):
            vars(layer).clear()
            vars(layer).update(attributes)
        for parameter, gradient in zip(self._parameters, self.gradients):
            parameter._grad = gradient
        overwrite(self.arrays, self._values)
        for generator, state in zip(self._generators, self._states):
            generator.bit_generator.state = state


class StepRecorder(Recorder):
    """What a training step launches."""

    def layer(self, name: str, layer: Layer, x: Array) -> tuple[Array, Back]:
        """Record the forward pass of a layer; return its output, and what records its backward pass."""
        if isinstance(layer, Sequential) and is_plain(layer):
            return self.chain(list(flat(name, layer)), x)
        if type(layer) is Residual:
            return self.residual(name, layer, x, None)[:2]
        if type(layer) is Concat:
            return self.concat(name, layer, x)
        return self.unit(name, layer, x)

    def chain(self, layers: list[Named], x: Array) -> tuple[Array, Back]:
        """Record layers that run one after the other."""
        backs: list[tuple[Back, bool]] = []
        trained = False
        while layers:
            (name, layer), *layers = layers
            after = layers[0][1] if layers and self.fuse else None
            one = fused(layer, after, x)
            done = one is not None
            if type(layer) is Residual:
                x, back, done = self.residual(name, layer, x, after)
            else:
                x, back = self.layer(name, one or layer, x)
            layers = layers[done:]
            backs.append((back, trained))  # and whether anybody before it wants its gradient
            trained = trained or is_trained(layer)

        def backward(dy: Array | None, needed: bool) -> Array | None:
            for back, wanted in reversed(backs):
                dy = back(dy, needed or wanted)
            return dy

        return x, backward

    def residual(self, name: str, layer: Residual, x: Array, after: Layer | None) -> tuple[Array, Back, bool]:
        """Record branches and their sum, in the pass of a batch norm at the end of one; and whether `after` is done."""
        title = label(name, layer)
        branches = [list(flat(inside(name, child), branch)) for child, branch in layer.named_children()]
        if len(branches) == 1:
            branches.insert(0, [])
        last = next((i for i, branch in enumerate(branches) if branch and isinstance(branch[-1][1], BatchNorm)), None)
        if not self.fuse or len(branches) != 2 or last is None:
            arms = [self.chain(branch, x) for branch in branches]
            return *self._sum(title, arms), False
        *before, (norm_name, norm) = branches[last]
        (other, other_back), (y, y_back) = self.chain(branches[1 - last], x), self.chain(before, x)
        trained = any(is_trained(one) for _, one in before)
        relu = after if normalizes(norm, after, y, other) else None
        if not normalizes(norm, relu, y, other):
            end, end_back = self.layer(norm_name, norm, y)
            return *self._sum(title, [(other, other_back), (end, _then(y_back, end_back, trained))]), False
        total, back = self.unit(norm_name, Normalized(norm, relu), y, other)

        def backward(dy: Array | None, needed: bool) -> Array | None:
            dx, shared = back(dy, needed or trained) or (None, None)
            return self._summed(title, [other_back(shared, needed), y_back(dx, needed)])

        return total, backward, relu is not None

    def _sum(self, title: str, arms: list[tuple[Array, Back]]) -> tuple[Array, Back]:
        """Record the sum of branches, each of which gets all of its gradient."""
        total = arms[0][0]
        for y, _ in arms[1:]:
            total = self.step(title, add, total, y)
        backs = [back for _, back in arms]
        return total, lambda dy, needed: self._summed(title, [back(dy, needed) for back in backs])

    def _summed(self, title: str, gradients: list[Array | None]) -> Array | None:
        """Record the sum of the gradients that branches have for their input."""
        total: Array | None = None
        for dx in gradients:
            if dx is not None:
                total = dx if total is None else self.step(f"{title} backward", add, total, dx)
        return total

    def concat(self, name: str, layer: Concat, x: Array) -> tuple[Array, Back]:
        """Record branches, and their outputs side by side."""
        arms = [self.chain(list(flat(inside(name, child), branch)), x) for child, branch in layer.named_children()]
        outputs, title = [y for y, _ in arms], label(name, layer)
        y = self.step(title, lambda *parts: concatenated("Concat", parts, layer.axis), *outputs)
        cuts = np.cumsum([part.shape[layer.axis] for part in outputs])[:-1]

        def backward(dy: Array | None, needed: bool) -> Array | None:
            parts: list[Any] = [None] * len(arms)
            if dy is not None:
                parts = [self.step(f"{title} backward", _copied, part) for part in np.split(dy, cuts, layer.axis)]
            return self._summed(title, [back(part, needed) for (_, back), part in zip(arms, parts)])

        return y, backward

    def unit(self, name: str, layer: Layer, *inputs: Array) -> tuple[Array, Callable[[Array | None, bool], Any]]:
        """Record one layer, with both of its passes; of one with several inputs there are as many gradients."""
        title, before = label(name, layer), _Kept(layer)
        y: Array
        y, forward = self.hear(title, layer.forward, *inputs)

        def backward(dy: Array | None, needed: bool) -> Any:
            done = None
            if dy is not None and (needed or is_trained(layer)):
                function = partial(layer.backward, input_gradient=needed)
                dx, group = self.hear(f"{title} backward", function, dy)
                done = dy, dx, needed, group
            self._try(layer, before, (inputs, y, forward), done)
            return done and done[1]

        return y, backward

    def _try(
        self,
        layer: Layer,
        before: _Kept,
        forward: tuple[tuple[Array, ...], Array, Group],
        backward: tuple[Array, Any, bool, Group] | None,
    ) -> None:
        """Make breaks of a layer that does more than it launches."""
        inputs, y, group = forward
        with self.heard.paused():
            if self._is_whole(layer, before, forward, backward):
                return
        group.steps = [Break(lambda *inputs: (layer.forward(*inputs),), inputs, (y,))]
        if backward is None:
            return
        dy, dx, needed, second = backward
        trained = [one for one in layer.parameters() if one.grad is not None]
        gradients = [parameter.grad for parameter in trained]

        def function(dy: Array, *_: Array) -> Iterator[Array]:  # what follows is needed until then
            layer.zero_grad()
            yield from _arrays(layer.backward(dy, input_gradient=needed))
            yield from _taken(trained)

        outputs = (*_arrays(dx), *(one for one in gradients if one is not None))
        second.steps = [Break(function, (dy, *inputs, y), outputs)]

    def _is_whole(
        self,
        layer: Layer,
        before: _Kept,
        forward: tuple[tuple[Array, ...], Array, Group],
        backward: tuple[Array, Any, bool, Group] | None,
    ) -> bool:
        """Whether the runs of both passes are all that a layer does: with other numbers they give what it gives."""
        inputs, y, group = forward
        dy, dx, needed, second = backward or (None, None, False, None)
        given = [*inputs, *([] if dy is None else [dy])]
        results = [y, *_arrays(dx)]
        if not all(isinstance(one, np.ndarray) for one in results) or not all(one.flags.writeable for one in given):
            return False
        runs = [*group.runs, *(second.runs if second else [])]
        after, seeds = _Kept(layer), seeds_of(layer)
        results += [one for one in after.gradients if one is not None]
        touched = [*results, *given]
        saved, drawn = [array.copy() for array in touched], [seed.copy() for seed in seeds]
        results = [*touched, *after.arrays]
        memory = self.memory(*group.arrays, *(second.arrays if second else []), *results)
        try:
            for numbers in trials(layer, given):
                before.restore()
                before.scatter()
                overwrite(given, numbers)
                with np.errstate(all="ignore"):
                    expected = [layer.forward(*inputs)]
                    if dy is not None:
                        expected += _arrays(layer.backward(dy, input_gradient=needed))
                expected += [*_taken(layer.parameters())]
                expected = [array.copy() for array in (*expected, *given, *after.arrays)]
                seeded = [seed.copy() for seed in seeds]
                before.restore()
                before.scatter()
                overwrite(seeds, seeded)
                overwrite(given, numbers)
                with np.errstate(all="ignore"):
                    again(runs, memory, after.arrays)
                if len(results) != len(expected) or not all(map(same, results, expected)):
                    return False
        except Exception:  # noqa: BLE001 - somebody's own layer, which does not take such numbers
            return False
        finally:
            before.restore()
            overwrite(seeds, drawn)
            again(runs, memory, after.arrays)
            overwrite(touched, saved)  # also where the runs are not all
            after.restore()
        return True

    def loss(self, function: Loss, scores: Array, labels: Array) -> tuple[Array, Array]:
        """Record a loss; return an array with its value, and its gradient."""
        known = len(self.heard.numbers)
        (value, dy), group = self.hear("loss", function, scores, labels)
        number = self.heard.numbers[-1] if len(self.heard.numbers) > known else None
        with self.heard.paused():
            if number is not None and self._is_loss(group, function, scores, labels, number, dy):
                return number, dy

            def compute(scores: Array, labels: Array) -> tuple[Array, Array]:
                value, dy = function(scores, labels)
                return np.array([value], np.float64), np.asarray(dy)

            number, dy = np.array([value], np.float64), np.array(dy)
            group.steps = [Break(compute, (scores, labels), (number, dy))]
        return number, dy

    def _is_loss(self, group: Group, function: Loss, scores: Array, labels: Array, number: Array, dy: Array) -> bool:
        """Whether the runs are all that a loss does: with other scores, and labels that change places."""
        touched = (scores, labels, number, dy)
        memory, saved = self.memory(*group.arrays, *touched), [array.copy() for array in touched]
        try:
            (numbers,) = trials(None, [scores])
            overwrite((scores, labels), (*numbers, labels[::-1].copy()))
            value, gradient = function(scores, labels)
            again(group.runs, memory)
            return same(number[0], np.float64(value)) and same(dy, gradient)
        finally:
            overwrite(touched, saved)

    def act(
        self, name: str, function: Callable[..., object], changed: Sequence[Array], inputs: Sequence[Array]
    ) -> None:
        """Record a function that changes some arrays in place, and reads others."""
        arrays = [*changed, *inputs]
        before = [array.copy() for array in arrays]
        _, group = self.hear(name, function, *arrays)
        with self.heard.paused():
            saved = [array.copy() for array in arrays]
            numbers = [*(_scattered(array) for array in changed), *next(trials(None, inputs))]
            overwrite(arrays, numbers)
            function(*arrays)
            expected = [array.copy() for array in changed]
            overwrite(arrays, numbers)
            again(group.runs, self.memory(*group.arrays), changed)
            whole = all(map(same, changed, expected))
            overwrite(arrays, saved if whole else before)
        if not whole:
            function(*arrays)

            def compute(*arrays: Array) -> tuple[()]:
                function(*arrays)
                return ()

            group.steps = [Break(compute, tuple(arrays), ())]

    def rest(self, rule: Rule, loss: Array) -> tuple[Array, list[int]]:
        """Record what comes after the backward pass; return what must be finite, and the parameters that are due."""
        optimizer, parameters = rule.optimizer, [one for one in rule.model.parameters() if one.grad is not None]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        outcome = np.zeros(1 + (rule.clip_norm is not None) + (rule.l2 != 0))  # loss, norm, squares
        self.act("loss", copy_into, [outcome[:1]], [loss])
        if rule.l2:
            penalised = rule.penalised
            data = [parameter.data for parameter in penalised]
            trained = [one for one in penalised if one.grad is not None]
            own = [one.grad for one in trained if one.grad is not None]
            factor = np.array([rule.l2])

            def penalise(*arrays: Array) -> None:
                _give(trained, arrays)
                add_penalty_gradient(trained, factor)

            self.act("penalty", lambda out, *_: sum_of_squares(penalised, out), [outcome[-1:]], data)
            self.act("penalty", penalise, own, data)
        if rule.clip_norm is not None:
            limit, norm = np.array([rule.clip_norm]), outcome[1:2]

            def clip(norm: Array, *gradients: Array) -> None:
                _give(parameters, gradients)
                _clip(parameters, limit, norm)

            self.act("clip_norm", clip, [norm, *gradients], [])
        due = optimizer._due()
        optimizer._prepare(due)
        updated = [optimizer._parameters()[index] for index in due]
        own = [one.grad for one in updated if one.grad is not None]
        state = [*(parameter.data for parameter in updated), *optimizer_slots(optimizer, due)]

        def update(*arrays: Array) -> None:
            guard, *gradients = arrays[len(state) :]
            _give(updated, gradients)
            optimizer._apply(due, guard)

        self.act(f"update ({type(optimizer).__name__})", update, state, [outcome, *own])
        return outcome, due


def _give(parameters: Iterable[Parameter], gradients: Iterable[Array]) -> None:
    """Let parameters have gradients, which may lie in an arena."""
    for parameter, gradient in zip(parameters, gradients):
        parameter._grad = gradient


def _scattered(array: Array) -> Array:
    """Numbers, none of them negative, that no array begins with."""
    kind = np.float32 if array.dtype == np.float32 else np.float64
    return np.random.default_rng(array.size).random(array.shape, kind) + kind(0.5)


@dataclass(frozen=True)
class RecordedStep:
    """A training step for inputs of one shape.

    Attributes
    ----------
    recorded : Recorded
        The program, whose output is the loss, followed by what else is to be finite.
    scores : ndarray
        What the network said in the last call.
    due : list of int
        Positions of the parameters that are updated.
    drawing : list of Dropout
        Layers that draw in each call.
    """

    recorded: Recorded
    scores: Array
    due: list[int]
    drawing: list[Dropout]


def record_step(rule: Rule, x: Array, labels: Array, fuse: bool) -> RecordedStep:
    """Record a step over inputs like these, which are overwritten; model and optimiser are as before in the end."""
    model, optimizer = rule.model, rule.optimizer
    model.zero_grad()
    before, optimizer_before = _Kept(model), _Progress(optimizer)
    try:
        model.train()
        with recording() as heard:
            forget_plans()  # so that every plan is made while somebody listens, and its tables are known
            recorder = StepRecorder(heard, fuse)
            scores, backward = recorder.layer("", model, x)
            loss, dy = recorder.loss(rule.loss, scores, labels)
            backward(dy, False)
            outcome, due = recorder.rest(rule, loss)
        drawing = [layer for _, layer in model.named_layers() if isinstance(layer, Dropout) and layer.drops]
        state = [*state_of(model), *optimizer_slots(optimizer, due), optimizer._numbers, scores]
        return RecordedStep(recorder.recorded([x, labels], outcome, state), scores, due, drawing)
    finally:
        before.restore()
        model.zero_grad()
        optimizer_before.restore()


def optimizer_slots(optimizer: Optimizer, due: list[int]) -> list[Array]:
    """Arrays of an optimiser that a step changes."""
    return [array for index in due for array in optimizer._slots.get(index, {}).values()]


class _Progress:
    """How far an optimiser is."""

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer, self._steps = optimizer, optimizer._steps.copy()
        self._values = {
            i: {name: array.copy() for name, array in slots.items()} for i, slots in optimizer._slots.items()
        }

    def restore(self) -> None:
        """Go back; slots that are new are zero."""
        self._optimizer._steps = self._steps
        for i, slots in self._optimizer._slots.items():
            for name, array in slots.items():
                array[...] = self._values[i][name] if i in self._values else 0


def _arrays(gradients: Any) -> list[Array]:
    """Gradients that there are, of one input or of several."""
    return [one for one in (gradients if isinstance(gradients, tuple) else (gradients,)) if one is not None]


def _then(first: Back, second: Back, trained: bool) -> Back:
    """What records the backward passes of two, of which the first is `trained`."""
    return lambda dy, needed: first(second(dy, needed or trained), needed)


def _taken(parameters: list[Parameter]) -> Iterator[Array]:
    """Gradients, which their parameters then have no more."""
    for parameter in parameters:
        if parameter.grad is not None:
            yield parameter.grad
            parameter.zero_grad()


def _copied(x: Array) -> Array:
    y = empty_in_order_of(x, x.shape)
    copy_into(y, x)
    return y
