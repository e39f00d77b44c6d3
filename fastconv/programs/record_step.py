"""From a training step to its program, which is tried before anybody uses it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np

from fastconv.backends.fast.machine.record import recording
from fastconv.backends.fast.memory.plan_cache import forget_plans
from fastconv.backends.fast.memory.workspace import trim
from fastconv.backends.fast.program import FastProgram
from fastconv.layers import Dropout
from fastconv.optim import OPTIMIZERS, Optimizer
from fastconv.programs.gradients import StepRecorder
from fastconv.programs.recording import Recorded, all_ours, same
from fastconv.programs.rule import Outcome, Rule
from fastconv.programs.state import Kept, Progress, optimizer_slots, state_of
from fastconv.programs.summing import Summing
from fastconv.validation.arrays import Array


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

    recorded: Recorded[FastProgram]
    scores: Array
    due: list[int]
    drawing: list[Dropout]

    def __call__(self, rule: Rule, x: Array, labels: Array, arena: Array | None = None) -> Outcome:
        """Do a step."""
        for layer in self.drawing:
            layer.draw()
        rule.optimizer._prepare(self.due)
        try:
            loss, *others = self.recorded.program(x, labels, arena=arena).tolist()
        except BaseException:  # of a break, or Ctrl-C: the step was not done
            rule.optimizer._steps[self.due] -= 1
            raise
        if self.recorded.program.breaks:  # whose parameters have gradients in the arena
            rule.optimizer.zero_grad()
            rule.model.zero_grad()
        if rule.l2:
            loss += 0.5 * rule.l2 * others.pop()
        outcome = Outcome(loss, self.scores, *others)
        if not outcome.is_finite:
            rule.optimizer._steps[self.due] -= 1
        return outcome


def record_step(rule: Rule, x: Array, labels: Array, fuse: bool) -> RecordedStep | None:
    """Record a step over inputs like these; model and optimiser are as before in the end, but for the mode.

    What is made of this package alone is recorded without running a kernel, in no memory, and tried as a whole. Else
    each layer is tried, to find those that do more than they launch. None if the step cannot be recorded at all.
    """
    kind = type(rule.optimizer)
    if (kind.step, kind.zero_grad) != (Optimizer.step, Optimizer.zero_grad):
        return None  # it does something of its own in each step
    rule.model.train().zero_grad()
    rule.optimizer.zero_grad()
    model, optimizer = Kept(rule.model), Progress(rule.optimizer)
    try:
        with nullcontext() if rule.sums is None else rule.sums.pause():
            return _tried(rule, x, labels, fuse, model, optimizer)
    finally:
        model.restore()
        optimizer.restore()


def _tried(rule: Rule, x: Array, labels: Array, fuse: bool, model: Kept, optimizer: Progress) -> RecordedStep | None:
    """The first recording that is right; None if there is none."""
    for dry in (True, False) if _is_ours(rule) else (False,):
        try:
            step = record_unchecked(rule, x, labels, fuse, dry)
        except Exception:
            if not dry:
                raise
            continue
        finally:
            model.restore()
            optimizer.restore()
        if not (dry and step.recorded.program.constants) and _is_right(step, rule, x, labels, model, optimizer):
            return step
    return None


def record_unchecked(rule: Rule, x: Array, labels: Array, fuse: bool, dry: bool) -> RecordedStep:
    """Record a step; `dry` runs no kernel."""
    model, optimizer = rule.model, rule.optimizer
    x, labels = (np.empty_like(x) if dry else x.copy(order="K")), labels.copy()
    with recording() as heard, np.errstate(all="ignore"):
        forget_plans()  # so that every plan is made while somebody listens, and its tables are known
        recorder = StepRecorder(heard, fuse, dry)
        if rule.sums is not None:
            recorder.summing = Summing(rule.sums, model)
        scores, backward = recorder.layer("", model, x)
        loss, dy = recorder.loss(rule.loss, scores, labels)
        recorder.begin_sums(loss)
        backward(dy, False)
        recorder.end_sums(loss)
        outcome, due = recorder.rest(rule, loss)
    drawing = [layer for _, layer in model.named_layers() if isinstance(layer, Dropout) and layer.drops]
    state = [*state_of(model), *optimizer_slots(optimizer, due), optimizer._numbers, scores]
    return RecordedStep(recorder.recorded([x, labels], outcome, state), scores, due, drawing)


def _is_ours(rule: Rule) -> bool:
    """Whether all of a step is of this package."""
    loss = rule.loss.func if isinstance(rule.loss, partial) else rule.loss
    known = getattr(loss, "__module__", "").startswith("fastconv.")
    return all_ours(rule.model) and known and type(rule.optimizer) in OPTIMIZERS.values()


def _is_right(step: RecordedStep, rule: Rule, x: Array, labels: Array, model: Kept, optimizer: Progress) -> bool:
    """Whether a step has the bits of the layers, from other weights and on other numbers of the same kind."""
    given, x, labels = x, np.empty_like(x), labels[::-1].copy()
    np.multiply(given[::-1], 0.75, out=x, casting="unsafe")
    found: list[list[Array]] = []
    for do in (rule.step, partial(step, rule)):
        model.shift()
        optimizer.shift()
        try:
            with np.errstate(all="ignore"):
                outcome: Outcome = do(x, labels)
        except Exception:  # noqa: BLE001 - somebody's own layer or loss, which does not take such numbers
            return False
        state = [*state_of(rule.model), *optimizer_slots(rule.optimizer, step.due), outcome.scores]
        found.append([np.array([outcome.loss, outcome.norm]), *(array.copy() for array in state)])
        rule.model.release()
        model.restore()
        optimizer.restore()
        trim()  # what the layers took is as much as the arena, which comes on top
    return bool(np.isfinite(found[0][0]).all()) and all(map(same, *found))
