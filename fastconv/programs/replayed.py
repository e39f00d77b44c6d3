"""What programs of a network and of a training step have in common: settings, a lock, and the last recordings."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from fastconv.backends import get_backend, use_backend
from fastconv.backends.geometry import CHANNELS_LAST
from fastconv.backends.locks import RenewedLock
from fastconv.backends.settings import Options, get_num_threads, get_options, options, use_num_threads
from fastconv.layers.base import Layer
from fastconv.report import Table, format_bytes
from fastconv.report.record import Shown
from fastconv.report.words import format_shape, plural
from fastconv.validation.arrays import Array

if TYPE_CHECKING:
    from fastconv.programs.recording import Recorded

_SHAPES = 8  # recordings that are kept, the last ones
R = TypeVar("R")


class Replayed(Shown, Generic[R]):
    """Something that is recorded once for each shape that comes, with the settings of the time when it was made.

    `exact` is the option of that name, or None for what it is then.
    """

    exact: bool | None = None  # also of programs that were pickled before there was a choice

    def __init__(self, exact: bool | None = None) -> None:
        self.exact = exact
        self.backend, self.threads, self.options = self._settings_now()
        self._recorded: OrderedDict[Any, R] = OrderedDict()
        self._new_lock()

    def _new_lock(self) -> None:
        self._lock = RenewedLock()

    @property
    def is_current(self) -> bool:
        """Whether the settings are those of now."""
        return (self.backend, self.threads, self.options) == self._settings_now()

    def _settings_now(self) -> tuple[str, int, Options]:
        here = get_options()
        return get_backend(), get_num_threads(), here if self.exact is None else replace(here, exact=self.exact)

    @contextmanager
    def _settings(self) -> Iterator[None]:
        """Those of the time when this was made."""
        with use_backend(self.backend), use_num_threads(self.threads), options(**vars(self.options)):
            yield

    def _recording(self, key: Any, record: Callable[[], R]) -> R | None:
        """Recording under a key, made now if there is none; None while another one is made, by whichever thread."""
        try:
            return self._recorded[key]
        except KeyError:
            pass
        if _records():  # this program is inside of what is being recorded
            return None
        from fastconv.backends.fast.machine.record import BusyError

        with self._lock.now:
            if key not in self._recorded:
                try:
                    with self._settings():
                        self._recorded[key] = record()
                except BusyError:
                    return None
                if len(self._recorded) > _SHAPES:
                    self._recorded.popitem(last=False)
            return self._recorded[key]

    def _settings_in_words(self) -> list[str]:
        return [
            f"backend {self.backend}",
            plural(self.threads, "thread"),
            *(f"{name}={value}" for name, value in vars(self.options).items()),
        ]


def table_of(shape: tuple[int, ...], dtype: object, recorded: Recorded[Any]) -> Table:
    """What is shown of a recording."""
    program = recorded.program
    about = (
        f"{format_shape(shape)} {dtype}: {plural(len(program.runs), 'run')} of kernels "
        f"(+ {program.constants} done once), {plural(len(program.breaks), 'break')}, "
        f"arena {format_bytes(program.arena_bytes)}"
    )
    return Table(about, ("layer", "kernels"), recorded.rows(), 2)


def _records() -> bool:
    from fastconv.backends.fast.machine.record import is_recording

    return is_recording()


def in_place(x: Array) -> Array:
    """Return an array whose numbers lie side by side, as planes or with the channels last: itself, or a copy."""
    order = CHANNELS_LAST.get(x.ndim)
    dense = x.flags.c_contiguous or (order is not None and x.transpose(order).flags.c_contiguous)
    if dense and x.flags.aligned and x.dtype.isnative:
        return x
    copy: Array = x.astype(x.dtype.newbyteorder("="), order="C")
    return copy


_SIMPLE = (int, float, str, bool, tuple, type(None))


def form_of(model: Layer) -> tuple[object, ...]:
    """Layers of a network, and the plain options of each, but for its mode: what recordings are made for."""
    return tuple(
        (id(layer), type(layer), *((name, value) for name, value in vars(layer).items() if _is_option(name, value)))
        for _, layer in model.named_layers()
    )


def _is_option(name: str, value: object) -> bool:
    return isinstance(value, _SIMPLE) and not name.startswith("_") and name != "training"
