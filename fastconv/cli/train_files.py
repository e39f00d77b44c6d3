"""What ``fastconv train`` leaves behind: the network, the history and its curve, after Ctrl-C too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import typer
from rich.console import Console

from fastconv.cli.output import Outputs, Result
from fastconv.report import Report, plain_data
from fastconv.report.record import json_text
from fastconv.training import Metrics, Trainer
from fastconv.training.plot import plot_history
from fastconv.training.records import epoch_table


class RunFiles(NamedTuple):
    """Where the results of a run go.

    Attributes
    ----------
    outputs : Outputs
        History and curve.
    network, checkpoint : Path or None
        A file and a folder.
    steps_per_epoch : int
        Of the run.
    """

    outputs: Outputs
    network: Path | None
    checkpoint: Path | None
    steps_per_epoch: int

    def save_network(self, trainer: Trainer) -> None:
        """Write the network, if that was asked for."""
        if self.network is not None:
            trainer.save(self.network)

    def write_history(self, trainer: Trainer, test: Metrics | None, verdict: str) -> None:
        """Write history, curve and page; `test` is None where the run did not come so far."""
        history = trainer.history
        values = {**history.to_dict(), "test": None if test is None else test._asdict()}
        numbers = partial(json_text, plain_data(values))
        draw = partial(plot_history, history, steps_per_epoch=self.steps_per_epoch) if history.step_losses else None
        report = Report((epoch_table(history),), verdict=(verdict,))
        self.outputs.write(Result(report, numbers, str, draw))
        if self.outputs.json == "-":
            typer.echo(numbers(), nl=False)

    @contextmanager
    def kept_after_ctrl_c(self, trainer: Trainer, out: Console) -> Iterator[None]:
        """Write everything that was asked for if Ctrl-C ends the block, and say what there is."""
        try:
            yield
        except KeyboardInterrupt:
            if self.checkpoint is not None:
                last = self.checkpoint / "last.npz"
                out.print(f"stopped; the same command with --resume goes on from {last}", soft_wrap=True)
            if self.network is not None:
                self.save_network(trainer)
                out.print(f"stopped; {self.network} has the network of the last step", soft_wrap=True)
            self.write_history(trainer, None, "stopped before its end")
            drawn = self.outputs.plot if trainer.history.step_losses else None
            for path in (drawn, self.outputs.json, self.outputs.html):
                if path not in (None, "-"):
                    out.print(f"stopped; {path} has the run so far", soft_wrap=True)
            raise
