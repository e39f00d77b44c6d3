"""``fastconv bench --accuracy``."""

from __future__ import annotations

import contextlib
from typing import Any

from fastconv.backends.settings import use_num_threads
from fastconv.cli.console import progress_bar
from fastconv.cli.output import Outputs, Result
from fastconv.evidence.bench.rounding import measure_rounding


def rounding(outputs: Outputs, *, threads: int | None, **settings: Any) -> None:
    """Measure the errors, print their table, write its files; what is None has its default."""
    outputs.check()
    given = {name: value for name, value in settings.items() if value is not None}
    with contextlib.nullcontext() if threads is None else use_num_threads(threads), progress_bar() as advance:
        found = measure_rounding(progress=advance, **given)
    outputs.deliver(Result.of(found), ok=found.ok)
