"""``fastconv compare --list``."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from fastconv.cli.output import print_table
from fastconv.evidence.workloads import IMAGE_NAMES, LAYERS, POOLS, Workload, image_workloads
from fastconv.report import Table

__all__ = ["print_workloads"]


def print_workloads(console: Console) -> None:
    """Print every named workload with its sizes."""
    images: Sequence[Workload] = ()
    missing = ""
    try:
        images = image_workloads()
    except ImportError as error:
        missing = f"{', '.join(IMAGE_NAMES)}: {error}"
    rows = tuple(_cells(workload) for workload in (*LAYERS, *POOLS, *images))
    print_table(
        Table("Named workloads", ("name", "what it is", "one image", "output", "multiply-adds"), rows, 2), console
    )
    if missing:
        console.print(missing, soft_wrap=not console.is_terminal)


def _cells(workload: Workload) -> tuple[str, ...]:
    one = workload.with_batch(1)
    sizes = ("×".join(map(str, shape[1:])) for shape in (one.input_shape, one.output_shape))
    count = one.multiply_adds()
    return (workload.name, workload.description, *sizes, f"{count:,}" if count else "–")
