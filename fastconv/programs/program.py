"""`compile`, and the programs that it makes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, SupportsIndex, overload
from zlib import crc32

import numpy as np

from fastconv.errors import InvalidTypeError, InvalidValueError, StaleProgramError, shown
from fastconv.layers.base import Layer
from fastconv.layers.inference import inference_mode
from fastconv.layers.parameter import changes
from fastconv.optim import Optimizer
from fastconv.programs.folding import fold
from fastconv.programs.replayed import Replayed, form_of, in_place, table_of
from fastconv.programs.rule import Loss, Rule
from fastconv.programs.step import TrainingStep
from fastconv.report import Report
from fastconv.report.words import plural
from fastconv.validation.arrays import Array, check_array, check_shape
from fastconv.validation.sizes import check_any_shape, check_exact, check_flag
from fastconv.validation.types import ArrayLike

if TYPE_CHECKING:
    from fastconv.backends.fast.grouped import GroupedProgram
    from fastconv.backends.fast.program import FastProgram
    from fastconv.programs.recording import Recorded


@overload
def compile(
    model: Layer,
    x: ArrayLike | None = None,
    labels: None = None,
    *,
    loss: None = None,
    optimizer: None = None,
    input_shape: Sequence[SupportsIndex] | None = None,
    fuse: bool = True,
    exact: bool | None = None,
) -> Program: ...


@overload
def compile(
    model: Layer,
    x: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    *,
    loss: Loss | str | None = None,
    optimizer: Optimizer,
    clip_norm: float | None = None,
    l2: float = 0.0,
    fuse: bool = True,
    exact: bool | None = None,
) -> TrainingStep: ...


def compile(
    model: Layer,
    x: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    *,
    loss: Loss | str | None = None,
    optimizer: Optimizer | None = None,
    clip_norm: float | None = None,
    l2: float = 0.0,
    input_shape: Sequence[SupportsIndex] | None = None,
    fuse: bool = True,
    exact: bool | None = None,
) -> Program | TrainingStep:
    """Record a network in evaluation mode, or with an optimiser a whole training step, to be replayed by native code.

    ``compile(model, x)(x) == model.eval()(x)``, but nothing of Python runs between the layers.
    ``compile(model, x, labels, loss=loss, optimizer=optimizer)`` is a `TrainingStep`: each call of it changes the
    parameters of the model.

    Parameters
    ----------
    model : Layer
        A network of the package, or a layer of one's own that is made of them. Its mode does not matter. In evaluation
        it is copied.
    x : array_like, optional
        An example of an input, batch included, whose shape is recorded now.
    labels : array_like, optional
        An example of what the loss compares the output with.
    loss : callable or str, optional
        ``loss(scores, labels) -> (loss, gradient)``, or a name of `fastconv.losses.LOSSES`; by default
        `fastconv.losses.softmax_cross_entropy`.
    optimizer : Optimizer, optional
        Over parameters of the model: what makes a training step of it.
    clip_norm : float, optional
        Limit of the norm of all gradients together, see `fastconv.optim.clip_grad_norm`.
    l2 : float
        ``l2 / 2`` times the sum of squares of all parameters with more than one axis is added to the loss.
    input_shape : sequence of int, optional
        In evaluation, the shape of an example in the dtype of the parameters. With no example, recording waits for
        the first call.
    fuse : bool
        Do several layers in one pass over memory: `docs/programs.md` tells which. Batch norm in evaluation is folded
        into the layer before it, and then differs by rounding; without, results have the bits of the layers.
    exact : bool, optional
        Whether convolutions are exact, but for layers that say something else; by default as the options say now, see
        `fastconv.set_options`.

    Returns
    -------
    Program or TrainingStep
        Call it with an input, or with an input and labels.

    Raises
    ------
    TypeError
        If `model` is not a layer, or `input_shape` no sequence of integers.
    ValueError
        If there are both `x` and `input_shape`, labels without an optimiser, or the network does not take them.

    Notes
    -----
    The backend, the number of threads and the options are those of now. Other shapes are recorded when they come;
    the last eight recordings are kept. What NumPy computes between the layers is done by NumPy:
    ``print(program)`` names it.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> from fastconv.layers import Conv2d, Flatten, Linear, ReLU, Sequential
    >>> model = Sequential(Conv2d(3, 8, 3, padding=1, rng=0), ReLU(), Flatten(), Linear(8 * 5 * 6, 4, rng=1))
    >>> x, labels = np.ones((2, 3, 5, 6), np.float32), np.array([1, 3])
    >>> program = fc.compile(model, x)
    >>> bool((program(x) == model(x)).all())
    True
    >>> step = fc.compile(model, x, labels, optimizer=fc.optim.SGD(model.parameters(), lr=0.01))
    >>> step(x, labels) > step(x, labels)
    True
    """
    if not isinstance(model, Layer):
        raise InvalidTypeError(f"compile: model must be a Layer, but got {shown(model)}.")
    fuse, exact = check_flag("compile", "fuse", fuse), check_exact("compile", exact)
    if optimizer is not None:
        if input_shape is not None:
            raise InvalidValueError(
                "compile: a training step is recorded from an example, but got input_shape. Pass x and labels, or none."
            )
        step = TrainingStep(Rule(model, loss, optimizer, clip_norm, l2), fuse=fuse, exact=exact)
        if x is not None or labels is not None:
            step.record(x, labels)
        return step
    given = {"labels": labels is not None, "loss": loss is not None, "clip_norm": clip_norm is not None, "l2": l2 != 0}
    if any(given.values()):
        names = ", ".join(name for name, there in given.items() if there)
        raise InvalidValueError(f"compile: a training step must have an optimizer, but got {names} without one.")
    if x is not None and input_shape is not None:
        raise InvalidValueError("compile: an input is told by x or by input_shape, but got both.")
    program = Program(model, fuse=fuse, exact=exact)
    if input_shape is not None:
        kind = next((parameter.dtype for parameter in model.parameters()), np.dtype(np.float32))
        x = np.zeros(check_any_shape("compile", "input_shape", input_shape, rule=_BATCHED), kind)
    if x is not None:
        program(x)
    return program


_BATCHED = "a sequence of integers, the batch first"


class Program(Replayed["Recorded[FastProgram | GroupedProgram]"]):
    """A network in evaluation mode, recorded for the shapes that came; see `compile`.

    A program is a snapshot of the weights. When those of the model were replaced, loaded or trained, the next call
    raises `StaleProgramError`, until `update` takes them. Several Python threads may call one program: each call has
    memory of its own. It is pickled as its model and the shapes.

    Attributes
    ----------
    model : Layer
        What was recorded.
    folded : int
        Batch norms that are a part of the layer before them.
    """

    def __init__(self, model: Layer, *, fuse: bool = True, exact: bool | None = None) -> None:
        super().__init__(exact)
        self.model, self.fuse = model, fuse
        self.update()

    @property
    def is_stale(self) -> bool:
        """Whether the model has other weights, or other layers, than those that were recorded."""
        return changes() != self._changes and _fingerprint(self.model) != self._fingerprint

    def update(self) -> None:
        """Take the weights that the model has now; shapes are recorded again when they come."""
        with self._lock.now:
            self._changes = changes()
            self._fingerprint = _fingerprint(self.model)
            self._network = deepcopy(self.model).eval()
            self.folded = fold(self._network) if self.fuse else 0
            self._recorded.clear()

    def __call__(self, x: ArrayLike, out: Array | None = None) -> Array:
        """Output of the network.

        Parameters
        ----------
        x : array_like
            Input, batch included.
        out : ndarray, optional
            Where to put the output: of its shape and dtype.

        Returns
        -------
        ndarray
            Output, `out` if that was given.

        Raises
        ------
        StaleProgramError
            If the weights of the model are others than those that were recorded.
        ValueError
            If the network does not take the input, or `out` has another shape or dtype.
        """
        x = check_array("Program", "x", x)
        if changes() != self._changes:
            self._notice()
        y = self._run(x, out if isinstance(out, np.ndarray) else None)
        if out is None or y is out:
            return y
        if getattr(out, "dtype", None) != y.dtype:
            raise InvalidTypeError(f"Program: out must be an array of {y.dtype}, but got {getattr(out, 'dtype', out)}.")
        check_shape("Program", "out", out.shape, y.shape, "the shape of the output")
        out[...] = y
        return out

    def _notice(self) -> None:
        """Refuse to go on with weights that the model no longer has."""
        now = changes()
        if self.is_stale:
            raise StaleProgramError(
                "Program: the weights of the model, or its layers and their options, have changed since they were "
                "recorded. Take the new ones with update(), or keep the old ones with a program of a copy of the model."
            )
        self._changes = now

    def _run(self, x: Array, out: Array | None) -> Array:
        if self.backend != "fast" or not x.size:
            return self._layers(x)
        x = in_place(x)
        recorded = self._recording((x.shape, x.dtype, x.strides), lambda: self._record(x))
        if recorded is None:
            return self._layers(x)
        if not recorded.program.breaks:
            return recorded.program(x, out=out)
        from fastconv.backends.fast.program import OtherShapeError

        with self._settings(), inference_mode():
            try:
                return recorded.program(x)
            except OtherShapeError:  # its layer decides by the values of x
                return self._network.forward(x)

    def _layers(self, x: Array) -> Array:
        with self._settings(), inference_mode():
            return self._network.forward(x)

    def _record(self, x: Array) -> Recorded[FastProgram | GroupedProgram]:
        from fastconv.programs.network import record

        return record(self._network, x.copy(order="K"), self.fuse)

    def __getstate__(self) -> dict[str, Any]:
        state = {**vars(self), "_recorded": [(shape, dtype) for shape, dtype, _ in self._recorded]}
        del state["_lock"], state["_network"], state["_changes"], state["_fingerprint"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        shapes = state.pop("_recorded")
        vars(self).update(state, _recorded=OrderedDict())
        self._new_lock()
        self.update()
        for shape, dtype in shapes:
            self._run(np.zeros(shape, dtype), None)

    def report(self) -> Report:
        """Return the settings, and for each shape that came its layers in order and the kernels that each runs."""
        settings = self._settings_in_words()
        if self.folded:
            settings.append(f"{plural(self.folded, 'batch norm')} folded")
        tables = tuple(table_of(shape, dtype, recorded) for (shape, dtype, _), recorded in self._recorded.items())
        return Report(tables, verdict=(f"Program of {type(self.model).__name__} ({', '.join(settings)})",))


def _fingerprint(model: Layer) -> tuple[object, ...]:
    arrays = [*(parameter.data for parameter in model.parameters()), *(value for _, value in model.named_buffers())]
    return form_of(model), tuple(crc32(array.tobytes()) for array in arrays)
