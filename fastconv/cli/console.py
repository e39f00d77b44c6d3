"""What all commands share: where they print, how errors become one line, and how work shows its progress."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn
from rich.table import Column

from fastconv.cli.words import in_words_of, usage
from fastconv.errors import ExaminationError, FastconvError

FAILURE, NO_VERDICT, INTERRUPTED = 1, 2, 130
_TELLING, _WORTH_SAYING = 0.05, 2.0  # the fraction done, and the seconds passed, that tell how long is left
WIDE = 200  # columns where nobody looks: a file or a pipe
_EXPECTED = (FastconvError, OSError, ImportError, MemoryError)

Advance = Callable[[str, float], None]
_LONGEST = 300  # characters of a word in an error


def console(*, stderr: bool = False) -> Console:
    """Return a console as wide as the terminal, or wide enough for any table where there is none."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else WIDE
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)


class Speech(NamedTuple):
    """In whose words errors are told.

    Attributes
    ----------
    command : str
        The command that runs; "" for none.
    options : dict of str to sequence of str
        Spellings of its arguments, as `in_words_of` takes them.
    commands : sequence of str
        All that there are.
    """

    command: str = ""
    options: Mapping[str, Sequence[str]] = {}
    commands: Sequence[str] = ()


def exit_code_of(run: Callable[[], object], speech: Callable[[], Speech] = Speech) -> int:
    """Run a command line; turn what it raises into one line on the standard error stream and an exit code.

    ``--debug`` among the arguments prints the traceback as well. `speech` is asked for where something is wrong.
    """
    try:
        code = run()
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:  # noqa: BLE001 (the outermost layer: every error becomes a line and a code)
        code = _report(error, speech)
    if code == INTERRUPTED:
        _complain("interrupted")
    return code if isinstance(code, int) else 0


def _report(error: Exception, speech: Callable[[], Speech]) -> int:
    if isinstance(error, BrokenPipeError):  # the reader of a pipe has gone: nobody to tell
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    if "--debug" in sys.argv:
        traceback.print_exception(error)
    ours = speech()
    if hasattr(error, "format_message"):  # wrong usage; the class has moved between versions of typer
        _complain(in_words_of(ours.options, usage(error, ours.commands), sys.argv, ours.command))
        return int(getattr(error, "exit_code", 2))
    if isinstance(error, OSError) and error.strerror:
        where = "" if error.filename is None else f"{os.fspath(error.filename)}: "
        _complain(f"{where}{error.strerror}")
    elif isinstance(error, _EXPECTED):
        _complain(in_words_of(ours.options, str(error), sys.argv, ours.command))
    else:
        _complain(f"unexpected {type(error).__name__}: {error} (--debug shows where)")
    return NO_VERDICT if isinstance(error, ExaminationError) else FAILURE


def _complain(message: str) -> None:
    words = (word if len(word) <= _LONGEST else f"{word[:_LONGEST]}..." for word in message.split())
    print("fastconv:", " ".join(words), file=sys.stderr)


def deprecated(old: str, new: str) -> None:
    """Say what to write instead of a spelling that a later version will not know."""
    _complain(f"`fastconv {old}` will be gone in the next version; write `fastconv {new}` instead")


def require(package: str, extra: str, purpose: str) -> None:
    """Raise ImportError, naming the extra, where a package is not installed."""
    from importlib.util import find_spec

    if find_spec(package) is None:
        raise ImportError(
            f'{purpose} needs the extra "{extra}" ({package} is not installed); '
            f'install it with: python -m pip install "fastconv[{extra}]"'
        )


@contextlib.contextmanager
def progress_bar() -> Iterator[Advance]:
    """Show progress on the standard error stream while the block runs.

    Yields a function that takes what is being done now and the fraction done. In a terminal that is a bar, elsewhere
    one line whenever the text changes.
    """
    target = console(stderr=True)
    if not target.is_terminal:
        yield _Lines()
        return
    columns = (SpinnerColumn(), BarColumn(12), TaskProgressColumn(), TextColumn("{task.fields[left]}"), what_is_done())
    with Progress(*columns, console=target, transient=True) as bar:
        task = bar.add_task("starting", total=1.0, left="")
        clock = Clock()
        yield lambda text, fraction: bar.update(task, description=text, completed=fraction, left=clock.left(fraction))


def what_is_done() -> TextColumn:
    """Return the words beside a bar, which end in "…" where the terminal does."""
    return TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis"))


class Clock:
    """How long is left, as far as what is done already tells; it starts when it is made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def left(self, fraction: float) -> str:
        """Say how long is left; nothing before there is enough to go by."""
        passed = time.monotonic() - self._start
        if not _TELLING <= fraction < 1 or passed < _WORTH_SAYING:
            return ""
        minutes, seconds = divmod(round(passed * (1 - fraction) / fraction), 60)
        return f"{minutes}:{seconds:02d} left"


class _Lines:
    """Progress as lines of text."""

    def __init__(self) -> None:
        self._last = ""
        self._clock = Clock()

    def __call__(self, text: str, fraction: float) -> None:
        if text != self._last:
            left = self._clock.left(fraction)
            print(f"[{fraction:4.0%}] {text}" + f" ({left})" * bool(left), file=sys.stderr, flush=True)
        self._last = text
