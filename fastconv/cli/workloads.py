"""What ``fastconv compare`` prints instead of comparing: ``--list`` and ``--explain``."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import typer
from rich.console import Console

from fastconv.backends.geometry import ConvGeometry
from fastconv.backends.settings import get_num_threads
from fastconv.cli.console import console
from fastconv.cli.output import print_table, print_words
from fastconv.evidence.workloads import IMAGE_NAMES, LAYERS, POOLS, Options, Workload, by_name, image_workloads
from fastconv.report import Table

_CONV = "conv2d"


def print_kernels(workloads: Any, arguments: dict[str, Any], batch: int | None, dtype: str) -> None:
    """Print which kernel of the fast backend runs for every convolution, and why.

    Parameters
    ----------
    workloads : list of str, str or None
        Names of workloads, or the operation that `arguments` belong to.
    arguments : dict
        Arrays and options of a layer; nothing for named workloads.
    batch : int or None
        Images of every workload.
    dtype : str
        Of arrays that are not given.
    """
    from fastconv.backends.fast.explain import explain  # imports Numba

    chosen = [_described(workloads, arguments)] if arguments else _named(workloads)
    for workload in chosen:
        if workload.weight_shape is None:
            raise typer.BadParameter(f"--explain is for convolutions, but {workload.name} is {workload.operation}.")
    arrays = [arguments[name] for name in ("x", "weight", "bias") if name in arguments]
    precision = np.result_type(*arrays) if arrays else np.dtype(dtype)
    itemsize = 4 if precision in (np.float16, np.float32) else 8  # as they are computed
    out = console()
    for workload in chosen:
        geometry = cast(ConvGeometry, (workload if batch is None else workload.with_batch(batch)).geometry)
        shapes = ("×".join(map(str, shape)) for shape in (geometry.input_shape, geometry.weight_shape))
        print_words(f"{workload.name}: {' ⋆ '.join(shapes)}", out)
        for line in explain(geometry, itemsize, get_num_threads()):
            print_words(f"  {line}", out)


def _named(names: list[str] | None) -> list[Workload]:
    """Return named workloads, or every convolution."""
    if names is not None:
        return [by_name(name) for name in names]
    images: tuple[Workload, ...] = ()
    with contextlib.suppress(ImportError):  # no scikit-learn: no images
        images = image_workloads()
    return [workload for workload in (*LAYERS, *images) if workload.operation == _CONV]


def _described(operation: str, arguments: dict[str, Any]) -> Workload:
    """Return the workload that a layer's options describe."""
    shape = arguments["x"].shape
    if len(shape) != 4:
        raise typer.BadParameter(f"--explain needs an input of 4 axes, but got {shape}.")
    if arguments.get("layout") == "NHWC":
        shape = (shape[0], shape[3], *shape[1:3])
    weight_shape = arguments["weight"].shape if "weight" in arguments else None
    kernel = weight_shape[2:] if weight_shape else (1, 1)
    options = {name: arguments[name] for name in Options._fields if name in arguments}
    return Workload(operation, operation, shape, kernel, weight_shape, True, Options(**options))


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
        print_words(missing, console)


def _cells(workload: Workload) -> tuple[str, ...]:
    one = workload.with_batch(1)
    sizes = ("×".join(map(str, shape[1:])) for shape in (one.input_shape, one.output_shape))
    count = one.multiply_adds()
    return (workload.name, workload.description, *sizes, f"{count:,}" if count else "–")
