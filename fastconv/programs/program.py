"""`compile`, and the programs that it makes."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING, Any, SupportsIndex
from weakref import WeakSet
from zlib import crc32

import numpy as np

from fastconv.backends import get_backend, use_backend
from fastconv.backends.geometry import CHANNELS_LAST
from fastconv.backends.settings import get_num_threads, get_options, options, use_num_threads
from fastconv.errors import InvalidTypeError, InvalidValueError, StaleProgramError
from fastconv.layers.base import Layer
from fastconv.layers.inference import inference_mode
from fastconv.layers.parameter import changes
from fastconv.programs.folding import fold
from fastconv.report.words import format_bytes, format_shape, plural
from fastconv.validation.arrays import Array, check_array, check_shape
from fastconv.validation.sizes import check_flag, check_integer, entries_of
from fastconv.validation.types import ArrayLike

if TYPE_CHECKING:
    from fastconv.programs.recording import Recorded

_SHAPES = 8  # recordings that are kept, the last ones


def compile(
    model: Layer, x: ArrayLike | None = None, *, input_shape: Sequence[SupportsIndex] | None = None, fuse: bool = True
) -> Program:
    """Record a network in evaluation mode, to be replayed by native code.

    ``compile(model, x)(x) == model.eval()(x)``, but nothing of Python runs between the layers.

    Parameters
    ----------
    model : Layer
        A network of the package, or a layer of one's own that is made of them. It is copied; its mode does not matter.
    x : array_like, optional
        An example of an input, batch included, whose shape is recorded now.
    input_shape : sequence of int, optional
        The same by its shape, in the dtype of the parameters. With neither, recording waits for the first call.
    fuse : bool
        Fold batch norm into the layer before it, and let a convolution add what a residual branch adds, and take the
        ReLU, before it stores its result. Batch norm then differs by rounding; without, results have the bits of the
        layers.

    Returns
    -------
    Program
        Call it with an input.

    Raises
    ------
    TypeError
        If `model` is not a layer, or `input_shape` no sequence of integers.
    ValueError
        If there are both `x` and `input_shape`, or the network does not take them.

    Notes
    -----
    The backend, the number of threads and the options are those of now. Other shapes are recorded when they come;
    the last eight recordings are kept. What NumPy computes between the layers is done by NumPy:
    ``print(program)`` names it.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> from fastconv.layers import Conv2d, ReLU, Sequential
    >>> model = Sequential(Conv2d(3, 8, 3, padding=1, rng=0), ReLU())
    >>> x = np.ones((2, 3, 5, 6), np.float32)
    >>> program = fc.compile(model, x)
    >>> bool((program(x) == model(x)).all())
    True
    """
    if not isinstance(model, Layer):
        raise InvalidTypeError(f"compile: model must be a Layer, but got {model!r}.")
    if x is not None and input_shape is not None:
        raise InvalidValueError("compile: an input is told by x or by input_shape, but got both.")
    program = Program(model, fuse=check_flag("compile", "fuse", fuse))
    if input_shape is not None:
        kind = next((parameter.dtype for parameter in model.parameters()), np.dtype(np.float32))
        x = np.zeros(_checked_shape(input_shape), kind)
    if x is not None:
        program(x)
    return program


def _checked_shape(input_shape: object) -> tuple[int, ...]:
    rule = "a sequence of integers, the batch first"
    sizes = entries_of(input_shape)
    if sizes is None:
        raise InvalidTypeError(f"compile: input_shape must be {rule}, but got {input_shape!r}.")
    return tuple(check_integer("compile", "input_shape", size, 0, rule) for size in sizes)


class Program:
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

    def __init__(self, model: Layer, *, fuse: bool = True) -> None:
        self.model, self.fuse = model, fuse
        self.backend, self.threads, self.options = get_backend(), get_num_threads(), get_options()
        self._new_lock()
        self._recorded: OrderedDict[Any, Recorded] = OrderedDict()
        self.update()

    def _new_lock(self) -> None:
        self._lock = threading.Lock()
        _programs.add(self)

    def update(self) -> None:
        """Take the weights that the model has now; shapes are recorded again when they come."""
        with self._lock:
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
        y = self._run(x)
        if out is None:
            return y
        if getattr(out, "dtype", None) != y.dtype:
            raise InvalidTypeError(f"Program: out must be an array of {y.dtype}, but got {getattr(out, 'dtype', out)}.")
        check_shape("Program", "out", out.shape, y.shape, "the shape of the output")
        out[...] = y
        return out

    def _notice(self) -> None:
        """Refuse to go on with weights that the model no longer has."""
        now = changes()
        if _fingerprint(self.model) != self._fingerprint:
            raise StaleProgramError(
                "Program: the weights of the model have changed since they were recorded. Take the new ones with "
                "update(), or keep the old ones with a program of a copy of the model."
            )
        self._changes = now

    def _run(self, x: Array) -> Array:
        if self.backend != "fast" or not x.size:
            return self._layers(x)
        if not _is_dense(x):
            x = np.array(x, x.dtype.newbyteorder("="), order="C")
        key = (x.shape, x.dtype, x.strides)
        recorded = self._recorded.get(key)
        if recorded is None and _records():  # a program inside the network that is being recorded
            return self._layers(x)
        if recorded is None:
            with self._lock:
                recorded = self._recorded.get(key) or self._record(x)
                if recorded is None:
                    return self._layers(x)
                self._recorded[key] = recorded
                if len(self._recorded) > _SHAPES:
                    self._recorded.popitem(last=False)
        if not recorded.program.breaks:
            return recorded.program(x)
        from fastconv.backends.fast.program import OtherShapeError

        with self._settings(), inference_mode():
            try:
                return recorded.program(x)
            except OtherShapeError:  # its layer decides by the values of x
                return self._network.forward(x)

    def _layers(self, x: Array) -> Array:
        with self._settings(), inference_mode():
            return self._network.forward(x)

    @contextmanager
    def _settings(self) -> Iterator[None]:
        """Those of the time of recording."""
        with use_backend(self.backend), use_num_threads(self.threads), options(**vars(self.options)):
            yield

    def _record(self, x: Array) -> Recorded | None:
        """A recording for inputs like `x`; None while another thread goes on with its own."""
        from fastconv.backends.fast.machine.record import BusyError
        from fastconv.programs.recording import record

        try:
            with self._settings():
                return record(self._network, x.copy(order="K"), self.fuse)
        except BusyError:
            return None

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
            self._run(np.zeros(shape, dtype))

    def __repr__(self) -> str:
        settings = [f"backend {self.backend}", plural(self.threads, "thread")]
        settings += [f"{name}={value}" for name, value in vars(self.options).items()]
        if self.folded:
            settings.append(f"{plural(self.folded, 'batch norm')} folded")
        lines = [f"Program of {type(self.model).__name__} ({', '.join(settings)})"]
        for (shape, dtype, _), recorded in self._recorded.items():
            program = recorded.program
            lines.append(
                f"  {format_shape(shape)} {dtype}: {plural(len(program.runs), 'run')} of kernels "
                f"(+ {program.constants} done once), {plural(len(program.breaks), 'break')}, "
                f"arena {format_bytes(program.arena_bytes)}"
            )
            lines += [f"    {text}" for text in recorded.lines()]
        return "\n".join(lines)


_programs: WeakSet[Program] = WeakSet()


def _after_fork() -> None:
    """A thread that held a lock is not in the child."""
    for program in list(_programs):
        program._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _records() -> bool:
    from fastconv.backends.fast.machine.record import is_recording

    return is_recording()


def _is_dense(x: Array) -> bool:
    """Whether numbers lie side by side, as planes or with the channels last, so that they can be read in place."""
    order = CHANNELS_LAST.get(x.ndim)
    dense = x.flags.c_contiguous or (order is not None and x.transpose(order).flags.c_contiguous)
    return dense and x.flags.aligned and x.dtype.isnative


def _fingerprint(model: Layer) -> tuple[int, ...]:
    arrays = [*(parameter.data for parameter in model.parameters()), *(value for _, value in model.named_buffers())]
    return tuple(crc32(array.tobytes()) for array in arrays)
