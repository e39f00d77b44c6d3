"""``fastconv compare``."""

from __future__ import annotations

import contextlib
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from fastconv.backends.settings import use_num_threads
from fastconv.cli.arguments import (
    is_shape,
    load_array,
    parse_padding,
    parse_pair_of_names,
    parse_shape,
    parse_sizes,
)
from fastconv.cli.compare_explain import print_kernels
from fastconv.cli.compare_module import compare_module, refuse
from fastconv.cli.console import FAILURE, console, progress_bar, require
from fastconv.cli.listing import print_workloads
from fastconv.cli.tables import print_comparison
from fastconv.comparison import Comparison
from fastconv.comparison import compare as run_comparison
from fastconv.comparison.api import workload_names
from fastconv.comparison.files import check_writable
from fastconv.comparison.text import failures
from fastconv.validation.arrays import Array

__all__ = ["compare"]

_BACKENDS = ("naive", "numpy", "fast")
_PLOTS = (".pdf", ".png", ".svg")
_LAYER, _MODULE, _OUTPUT = "A layer or arrays of your own", "Functions of your own", "Output"
_BOTH = "naive,fast"


class Operation(str, Enum):
    """Operations that can be compared."""

    CONV2D = "conv2d"
    MAX_POOL2D = "max_pool2d"
    AVG_POOL2D = "avg_pool2d"


class DType(str, Enum):
    """Dtypes of arrays that are drawn."""

    FLOAT16 = "float16"
    FLOAT32 = "float32"
    FLOAT64 = "float64"


class Layout(str, Enum):
    """Order of the axes."""

    NCHW = "NCHW"
    NHWC = "NHWC"


class _Layer(NamedTuple):
    """The options that describe a layer, as they were typed."""

    operation: Operation | None
    input: str | None
    x: Path | None
    weight: str | None
    bias: Path | None
    kernel_size: str | None
    stride: str | None
    padding: str | None
    dilation: str | None
    groups: int | None
    layout: Layout | None


def compare(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Workloads to run (--list names them); by default the layers and the real images."),
    ] = None,
    list_names: Annotated[bool, typer.Option("--list", help="List the named workloads and stop.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say which kernel runs for each convolution, and why, and stop.")
    ] = False,
    operation: Annotated[
        Operation | None, typer.Option(help="What the layer computes; conv2d by default.", rich_help_panel=_LAYER)
    ] = None,
    input_shape: Annotated[
        str | None, typer.Option("--input", metavar="N,C,H,W", help="Shape of its input.", rich_help_panel=_LAYER)
    ] = None,
    x: Annotated[Path | None, typer.Option(metavar="FILE", help="Its input, .npy.", rich_help_panel=_LAYER)] = None,
    weight: Annotated[
        str | None,
        typer.Option(metavar="F,C,KH,KW|FILE", help="Filters: a shape, or an .npy file.", rich_help_panel=_LAYER),
    ] = None,
    bias: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Bias of each filter, .npy.", rich_help_panel=_LAYER)
    ] = None,
    kernel_size: Annotated[
        str | None, typer.Option(metavar="K|KH,KW", help="Window of a pooling.", rich_help_panel=_LAYER)
    ] = None,
    stride: Annotated[
        str | None, typer.Option(metavar="S|SH,SW", help="Step of the window.", rich_help_panel=_LAYER)
    ] = None,
    padding: Annotated[
        str | None,
        typer.Option(
            metavar="P|PH,PW|B:A,B:A|NAME",
            help="Per axis, before:after, or valid, same, same_lower.",
            rich_help_panel=_LAYER,
        ),
    ] = None,
    dilation: Annotated[
        str | None, typer.Option(metavar="D|DH,DW", help="Step between the taps.", rich_help_panel=_LAYER)
    ] = None,
    groups: Annotated[
        int | None, typer.Option(help="Groups of channels of a convolution.", rich_help_panel=_LAYER)
    ] = None,
    layout: Annotated[Layout | None, typer.Option(help="Order of the axes.", rich_help_panel=_LAYER)] = None,
    module: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Time the functions of a Python file against fast.", rich_help_panel=_MODULE),
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map", metavar="NAME=CONVENTION", help="Say what one of them is (check --list).", rich_help_panel=_MODULE
        ),
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(metavar="S", help="Seconds for each of their calls; 60.", rich_help_panel=_MODULE),
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Images of every named workload.")] = None,
    dtype: Annotated[
        DType | None, typer.Option(help="Dtype of all arrays; float32, or that of your own arrays.")
    ] = None,
    backends: Annotated[str, typer.Option(metavar="REFERENCE,CANDIDATE", help="Whom to compare.")] = _BOTH,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the fast backend.")] = None,
    backward: Annotated[bool, typer.Option("--backward/--no-backward", help="Compare the gradients too.")] = True,
    full: Annotated[bool, typer.Option("--full", help="Run the reference on the whole of every workload.")] = False,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds of timing; the median counts.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of what is drawn.")] = 0,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the numbers; - for stdout.", rich_help_panel=_OUTPUT)
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw speed-ups and feature maps: png, svg, pdf.", rich_help_panel=_OUTPUT),
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=_OUTPUT)
    ] = False,
) -> None:
    """Compare naive and fast: differences of the result and of every gradient, times, speed-up and memory.

    With --module, the functions of a Python file stand in for naive; the file is run, in a process of its own. Exits
    with 1 if a difference is beyond its tolerance.
    """
    if list_names:
        print_workloads(console())
        return
    if module is not None:
        refuse(
            {
                "named workloads": names,
                "--explain": explain,
                "--operation": operation,
                "--x": x,
                "--bias": bias,
                "--groups": groups,
                "--layout": layout,
                "--batch": batch,
                "--backends": backends != _BOTH,
                "--full": full,
                "--plot": plot,
            }
        )
        typed = {"--input": input_shape, "--weight": weight, "--kernel-size": kernel_size}
        compare_module(
            module,
            mapping=mapping or [],
            time_limit=60.0 if time_limit is None else time_limit,
            sizes={**typed, "--stride": stride, "--padding": padding, "--dilation": dilation},
            dtype=None if dtype is None else dtype.value,
            backward=backward,
            repeats=repeats,
            threads=threads,
            seed=seed,
            json=json,
        )
        return
    for option, value in (("--map", mapping), ("--time-limit", time_limit)):
        if value:
            raise typer.BadParameter(f"{option} goes with --module alone.")
    _check_outputs(json, plot)
    layer = _Layer(operation, input_shape, x, weight, bias, kernel_size, stride, padding, dilation, groups, layout)
    workloads, arguments = _select(names or [], layer, dtype, seed)
    if explain:
        with contextlib.nullcontext() if threads is None else use_num_threads(threads):
            print_kernels(workloads, arguments, batch, "float32" if dtype is None else dtype.value)
        return
    settings: dict[str, Any] = {
        "backends": parse_pair_of_names("--backends", backends, _BACKENDS),
        "batch": batch,
        "dtype": None if dtype is None else dtype.value,
        "repeats": repeats,
        "backward": backward,
        "full": full,
        "seed": seed,
    }
    with contextlib.nullcontext() if threads is None else use_num_threads(threads), progress_bar() as advance:
        result = run_comparison(
            workloads,
            progress=lambda name, stage, fraction: advance(f"{name}: {stage}" if name else stage, fraction),
            **settings,
            **arguments,
        )
    _deliver(result, json, plot)


def _check_outputs(json: str | None, plot: Path | None) -> None:
    """Find out before the work whether its results can be written."""
    if json not in (None, "-"):
        check_writable(json)
    if plot is not None:
        if plot.suffix.lower() not in _PLOTS:
            raise typer.BadParameter(f"must end in {', '.join(_PLOTS)}, but got {str(plot)!r}.", param_hint="--plot")
        require("matplotlib", "plot", "compare --plot")
        check_writable(plot)


def _select(names: list[str], layer: _Layer, dtype: DType | None, seed: int) -> tuple[Any, dict[str, Any]]:
    """Return what to compare: names, or an operation with its arguments."""
    described = [option for option, value in layer._asdict().items() if value is not None]
    if names and described:
        raise typer.BadParameter(
            f"take either named workloads or a layer of your own, but got {', '.join(names)} and "
            f"--{described[0].replace('_', '-')}."
        )
    for name in names:
        if name not in workload_names():
            raise typer.BadParameter(f"a workload must be one of {', '.join(workload_names())}, but got {name!r}.")
    if not described:
        return names or None, {}
    operation = Operation.CONV2D if layer.operation is None else layer.operation
    return operation.value, {**_arrays(operation, layer, dtype, seed), **_options(operation, layer)}


def _arrays(operation: Operation, layer: _Layer, dtype: DType | None, seed: int) -> dict[str, Array]:
    """Read or draw the arrays of a layer."""
    rng, precision = np.random.default_rng(seed), np.dtype((dtype or DType.FLOAT32).value)
    if (layer.x is None) == (layer.input is None):
        raise typer.BadParameter("a layer needs its input: either --input N,C,H,W or --x FILE.")
    if layer.x is not None:
        arrays = {"x": load_array("--x", layer.x)}
    else:
        arrays = {"x": rng.standard_normal(parse_shape("--input", str(layer.input), 4)).astype(precision)}
    if operation is Operation.CONV2D:
        if layer.weight is None:
            raise typer.BadParameter("a convolution needs its filters: --weight F,C,KH,KW or --weight FILE.")
        if is_shape(layer.weight):
            shape = parse_shape("--weight", layer.weight, 4)
            drawn = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
            arrays["weight"] = drawn.astype(precision)
        else:
            arrays["weight"] = load_array("--weight", Path(layer.weight))
        if layer.bias is not None:
            arrays["bias"] = load_array("--bias", layer.bias)
    return arrays


def _options(operation: Operation, layer: _Layer) -> dict[str, Any]:
    """Return the keyword arguments of the operation that were given."""
    pooling = operation is not Operation.CONV2D
    for option, value in (("--weight", layer.weight), ("--bias", layer.bias), ("--groups", layer.groups)):
        if pooling and value is not None:
            raise typer.BadParameter(f"{option} belongs to conv2d, but the operation is {operation.value}.")
    if pooling == (layer.kernel_size is None):
        raise typer.BadParameter(
            f"{operation.value} needs --kernel-size." if pooling else "--kernel-size belongs to a pooling operation."
        )
    options: dict[str, Any] = {}
    for name in ("kernel_size", "stride", "dilation"):
        if (text := getattr(layer, name)) is not None:
            options[name] = parse_sizes(f"--{name.replace('_', '-')}", text)
    if layer.padding is not None:
        options["padding"] = parse_padding("--padding", layer.padding)
    if layer.groups is not None:
        options["groups"] = layer.groups
    if layer.layout is not None:
        options["layout"] = layer.layout.value
    return options


def _deliver(result: Comparison, json: str | None, plot: Path | None) -> None:
    """Print the tables, write the files, and exit with 1 if the backends do not agree."""
    print_comparison(result, console(stderr=json == "-"))
    if json == "-":
        typer.echo(result.to_json(), nl=False)
    elif json is not None:
        result.save(json)
    if plot is not None:
        from fastconv.plotting import plot_comparison

        plot_comparison(result, plot)
    for failure in failures(result):
        typer.echo(f"fastconv: compare: {failure}", err=True)
    if not result.ok:
        raise typer.Exit(FAILURE)
