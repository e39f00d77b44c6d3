"""Training steps, recorded and replayed."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.layers.containers import modes_kept
from fastconv.layers.parameter import changes, note_change
from fastconv.programs.replayed import Replayed, form_of, in_place, table_of
from fastconv.programs.rule import Outcome, Rule
from fastconv.report import Report, Table
from fastconv.report.words import format_shape
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.types import ArrayLike

_RATES = ("lr", "initial_lr")  # which a step reads anew

if TYPE_CHECKING:
    from fastconv.programs.record_step import RecordedStep


class TrainingStep(Replayed["RecordedStep | None"]):
    """A training step, recorded for the shapes that came; see `fastconv.compile`.

    Each call runs the network in training mode, and changes the parameters of the model in place, where they are;
    their gradients are not kept. It goes on from whatever parameters and optimiser hold: from a state that was loaded,
    at another learning rate. One thread at a time does a step. It is pickled as model, loss and optimiser.

    Attributes
    ----------
    model, loss, optimizer, clip_norm, l2
        As they were passed.
    outcome : Outcome or None
        Loss, scores and norm of the last call; the scores stand until the next one.
    """

    def __init__(self, rule: Rule, *, fuse: bool = True, exact: bool | None = None) -> None:
        super().__init__(exact)
        self.rule, self.fuse = rule, fuse
        self.outcome: Outcome | None = None
        self._forget()

    model = property(lambda self: self.rule.model)
    loss = property(lambda self: self.rule.loss)
    optimizer = property(lambda self: self.rule.optimizer)
    clip_norm = property(lambda self: self.rule.clip_norm)
    l2 = property(lambda self: self.rule.l2)

    def _forget(self) -> None:
        self._recorded.clear()
        self._arena = np.empty(0, np.uint8)
        self._changes, self._seen = -1, self._form()

    def __call__(self, x: ArrayLike, labels: ArrayLike) -> float:
        """Do a step.

        Parameters
        ----------
        x : array_like
            Input, batch included.
        labels : array_like
            What the loss compares the output with.

        Returns
        -------
        float
            The loss before the step. Where it is infinite or NaN, no parameter has changed.

        Raises
        ------
        ValueError, TypeError
            If the network does not take the input, or the loss not the labels.
        """
        x, labels = _checked(x, labels)
        with self._lock.now:
            recorded = self._find(x, labels)
            self.outcome = self._layers(x, labels) if recorded is None else self._replay(recorded, x, labels)
            return self.outcome.loss

    def record(self, x: ArrayLike | None, labels: ArrayLike | None) -> None:
        """Record the step for inputs like these, without doing one.

        Parameters
        ----------
        x, labels : array_like
            Examples of a batch.

        Raises
        ------
        ValueError, TypeError
            If the network does not take the input, or the loss not the labels.
        """
        if x is None or labels is None:
            missing = "x" if x is None else "labels"
            raise InvalidValueError(f"compile: an example of a step must have x and labels, but {missing} is missing.")
        with self._lock.now:
            self._find(*_checked(x, labels))

    def _find(self, x: Array, labels: Array) -> RecordedStep | None:
        """Recording for such inputs, made now if there is none; None where the layers have to do it."""
        if self.backend != "fast" or not (x.size and labels.size):
            return None
        if changes() != self._changes or self._seen[0] != _options(self.rule):
            form = self._form()
            if form != self._seen:
                self._forget()
            self._changes = changes()
        key = (x.shape, x.dtype, x.strides, labels.shape, labels.dtype)
        return self._recording(key, lambda: self._record(x, labels))

    def _record(self, x: Array, labels: Array) -> RecordedStep | None:
        from fastconv.programs.record_step import record_step

        with modes_kept(self.rule.model):
            recorded = record_step(self.rule, x, labels, self.fuse)
        self._changes, self._seen = changes(), self._form()
        return recorded

    def _form(self) -> tuple[Any, ...]:
        """What must stay the same for a recording to be true: options, where arrays are, and what is trained."""
        model, optimizer = self.rule.model, self.rule.optimizer
        arrays = [*((id(one.data), one.requires_grad) for one in model.parameters())]
        arrays += [(id(buffer), True) for _, buffer in model.named_buffers()]
        arrays += [(id(array), True) for slots in optimizer._slots.values() for array in slots.values()]
        return _options(self.rule), id(optimizer._numbers), tuple(arrays), form_of(model)

    def _layers(self, x: Array, labels: Array) -> Outcome:
        with self._settings(), modes_kept(self.rule.model):
            self.rule.model.train()
            return self.rule.step(x, labels)

    def _replay(self, step: RecordedStep, x: Array, labels: Array) -> Outcome:
        from fastconv.backends.fast.memory.workspace import aligned
        from fastconv.backends.fast.program import OtherShapeError

        program = step.recorded.program
        if self._arena.nbytes < program.arena_bytes:
            self._arena = aligned(program.arena_bytes)
        if program.breaks:
            with self._settings():
                try:
                    outcome = step(self.rule, x, labels, self._arena)
                except OtherShapeError:  # a layer decides by the values of x
                    return self._layers(x, labels)
        else:
            outcome = step(self.rule, x, labels, self._arena)
        if not outcome.is_finite:
            self.rule.loss(step.scores, labels)  # which says what is wrong with labels, if it is they
        note_change()
        self._changes = changes()
        return outcome

    def __getstate__(self) -> dict[str, Any]:
        state = {**vars(self), "_recorded": OrderedDict(), "outcome": None}
        for name in ("_lock", "_arena", "_changes", "_seen"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._new_lock()
        self._forget()

    def report(self) -> Report:
        """Return the settings, and for each shape that came its layers in order and the kernels that each runs."""
        rule = self.rule
        limits = [f"clip_norm={rule.clip_norm:g}"] if rule.clip_norm is not None else []
        limits += [f"l2={rule.l2:g}"] if rule.l2 else []
        settings = [getattr(rule.loss, "__qualname__", str(rule.loss)), type(rule.optimizer).__name__, *limits]
        settings += self._settings_in_words()
        tables: list[Table] = []
        notes: list[str] = []
        for (shape, dtype, *_), step in self._recorded.items():
            if step is None:
                notes.append(f"{format_shape(shape)} {dtype}: by the layers")
            else:
                tables.append(table_of(shape, dtype, step.recorded))
        verdict = f"Training step of {type(rule.model).__name__} ({', '.join(settings)})"
        return Report(tuple(tables), tuple(notes), verdict=(verdict,))


def _checked(x: ArrayLike, labels: ArrayLike) -> tuple[Array, Array]:
    """Arrays that kernels read in place: themselves, or copies."""
    x, labels = check_array("TrainingStep", "x", x), check_array("TrainingStep", "labels", labels)
    if labels.dtype.kind in "iu":
        labels = labels.astype(np.int64, copy=False)
    return in_place(x), np.ascontiguousarray(labels)


def _options(rule: Rule) -> tuple[Any, ...]:
    """What a recording of an update depends on beside its arrays."""
    groups = (
        tuple(tuple(value) if name == "parameters" else value for name, value in group.items() if name not in _RATES)
        for group in rule.optimizer.groups
    )
    return (rule.clip_norm, rule.l2, rule.loss, *groups)
