"""Loss, penalty, limit and update of a training step, recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from fastconv.backends.fast.memory.strided import copy_into
from fastconv.backends.fast.program import Break, again
from fastconv.layers import Layer
from fastconv.optim.clipping import _clip
from fastconv.optim.penalty import add_penalty_gradient, sum_of_squares
from fastconv.programs.recording import Group, Recorder, overwrite, same, trials
from fastconv.programs.rule import Loss, Rule
from fastconv.programs.state import give, optimizer_slots, scattered
from fastconv.programs.summing import Summing
from fastconv.validation.arrays import Array


class UntriedError(Exception):
    """A dry recording has met what only a try can tell."""


class UpdateRecorder(Recorder):
    """What a step does beside the passes of its layers."""

    summing: Summing | None = None

    def await_gradients(self, layer: Layer) -> None:
        """Note that the backward pass of a layer is still to come."""
        if self.summing is not None:
            self.summing.expect(layer)

    def begin_sums(self, loss: Array) -> None:
        """Record that the sums over ranks begin: with the loss."""
        if self.summing is not None:
            self._breaks([self.summing.first(loss)])

    def start_sums(self, layer: Layer) -> None:
        """Record that those begin whose gradients are known after the backward pass of a layer."""
        if self.summing is not None:
            self._breaks(self.summing.known(layer))

    def end_sums(self, loss: Array) -> None:
        """Record that the sums are waited for, and take the place of loss and gradients."""
        if self.summing is not None:
            self._breaks(self.summing.last(loss))

    def _breaks(self, steps: Iterable[Break]) -> None:
        self.groups += [Group("sums over all ranks", [step], []) for step in steps]

    def loss(self, function: Loss, scores: Array, labels: Array) -> tuple[Array, Array]:
        """Record a loss; return an array with its value, and its gradient."""
        known = len(self.heard.numbers)
        (value, dy), group = self.hear("loss", function, scores, labels)
        number = self.heard.numbers[-1] if len(self.heard.numbers) > known else None
        if self.dry:
            if number is None:
                raise UntriedError
            return number, dy
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
            overwrite((scores, labels), (scores[::-1].copy(), labels[::-1].copy()))  # which are scores, too
            overwrite([scores], [scores * scores.dtype.type(0.75)])
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
        if self.dry:
            self.hear(name, function, *arrays)
            return
        before = [array.copy() for array in arrays]
        _, group = self.hear(name, function, *arrays)
        with self.heard.paused():
            saved = [array.copy() for array in arrays]
            numbers = [*(scattered(array) for array in changed), *next(trials(None, inputs))]
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
                give(trained, arrays)
                add_penalty_gradient(trained, factor)

            self.act("penalty", lambda out, *_: sum_of_squares(penalised, out), [outcome[-1:]], data)
            self.act("penalty", penalise, own, data)
        if rule.clip_norm is not None:
            limit, norm = np.array([rule.clip_norm]), outcome[1:2]

            def clip(norm: Array, *gradients: Array) -> None:
                give(parameters, gradients)
                _clip(parameters, limit, norm)

            self.act("clip_norm", clip, [norm, *gradients], [])
        due = optimizer._due()
        optimizer._prepare(due)
        updated = [optimizer._parameters()[index] for index in due]
        own = [one.grad for one in updated if one.grad is not None]
        state = [*(parameter.data for parameter in updated), *optimizer_slots(optimizer, due)]

        def update(*arrays: Array) -> None:
            guard, *gradients = arrays[len(state) :]
            give(updated, gradients)
            optimizer._apply(due, guard)

        self.act(f"update ({type(optimizer).__name__})", update, state, [outcome, *own])
        return outcome, due
