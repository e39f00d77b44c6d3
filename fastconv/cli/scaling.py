"""``fastconv bench scaling``: training over the ranks of this machine, and predicted for more."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import typer

from fastconv.cli.console import progress_bar
from fastconv.cli.output import Outputs, Result
from fastconv.evidence.scaling import plot_scaling, run_scaling

WORD = "scaling"  # among the names of workloads


def scaling(names: Sequence[str], outputs: Outputs, **options: Any) -> None:
    """Measure, print the tables, write the files.

    Parameters
    ----------
    names : sequence of str
        The network, if one was named.
    outputs : Outputs
        Where the results go.
    **options
        Of `run_scaling`; what is None has its default.
    """
    outputs.check()
    if len(names) > 1:
        raise typer.BadParameter(f"takes one network, but got {', '.join(names)}.", param_hint=WORD)
    settings = {name: value for name, value in options.items() if value is not None}
    with progress_bar() as advance:
        found = run_scaling(*names, progress=advance, **settings)
    outputs.deliver(Result.of(found, partial(plot_scaling, found)), ok=True)
