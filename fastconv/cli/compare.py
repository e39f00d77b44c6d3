"""``fastconv compare``."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from fastconv.backends.settings import use_num_threads
from fastconv.cli.arguments import given, parse_pair_of_names, unknown
from fastconv.cli.choices import choice
from fastconv.cli.console import console, deprecated, progress_bar
from fastconv.cli.layer import Dilation, InputShape, KernelSize, Layer, Layout, Operation, Padding, Stride, of_layer
from fastconv.cli.model_file import compare_file, is_model_file
from fastconv.cli.output import (
    DebugInPanel,
    Exact,
    Html,
    NumbersInPanel,
    Outputs,
    Result,
    Threads,
    VerboseInPanel,
    exactness,
    in_output,
)
from fastconv.cli.race import run_race
from fastconv.cli.workloads import print_kernels, print_workloads
from fastconv.evidence.compare import compare as run_comparison
from fastconv.evidence.compare.comparison import plot_comparison
from fastconv.evidence.workloads import NAMES

_BACKENDS = ("naive", "numpy", "fast")
_LASTS = "All workloads: less than a minute on two cores, the first time too, which compiles."
_BOTH = "naive,fast"
_QUICK = ("conv3x3_64_56", "conv1x1_256_64_56", "depthwise3x3_128_28", "maxpool2x2_64_56", "avgpool2x2_64_56")
_DTYPES = ("float16", "float32", "float64")
_CANDIDATES = ("fast", "numpy")
_OF_FILES = ("numpy", "fast")  # of a model file: its plain loops would take minutes


def compare(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Workloads to run (--list names them), or an .onnx file; by default layers and real images."
        ),
    ] = None,
    list_names: Annotated[bool, typer.Option("--list", help="List the named workloads and stop.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say which kernel runs for each convolution, and why, and stop.")
    ] = False,
    operation: Operation = None,
    input_shape: InputShape = None,
    x: Annotated[Path | None, of_layer(metavar="FILE", help="Its input, .npy.")] = None,
    weight: Annotated[str | None, of_layer(metavar="FxCxKHxKW|FILE", help="Filters: a shape, or an .npy file.")] = None,
    bias: Annotated[Path | None, of_layer(metavar="FILE", help="Bias of each filter, .npy.")] = None,
    kernel_size: KernelSize = None,
    stride: Stride = None,
    padding: Padding = None,
    dilation: Dilation = None,
    groups: Annotated[int | None, of_layer(help="Groups of channels of a convolution.")] = None,
    layout: Layout = None,
    # once a mode of this command, now `fastconv race`
    module: Annotated[Path | None, typer.Option(hidden=True)] = None,
    mapping: Annotated[list[str] | None, typer.Option("--map", hidden=True)] = None,
    time_limit: Annotated[float | None, typer.Option(hidden=True)] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Images of every named workload.")] = None,
    dtype: Annotated[str | None, choice(_DTYPES, "Dtype of all arrays; float32, or that of your own arrays.")] = None,
    backends: Annotated[str, typer.Option(metavar="REFERENCE,CANDIDATE", help="Whom to compare.")] = _BOTH,
    backend: Annotated[str | None, choice(_CANDIDATES, "Whom to compare with naive, for short.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Five layers if none is named, and one round.")] = False,
    threads: Threads = None,
    exact: Exact = False,
    backward: Annotated[bool, typer.Option("--backward/--no-backward", help="Compare the gradients too.")] = True,
    full: Annotated[bool, typer.Option("--full", help="Run the reference on the whole of every workload.")] = False,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds of timing; the median counts.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of what is drawn.")] = 0,
    verbose: VerboseInPanel = False,
    json: NumbersInPanel = None,
    html: Html = None,
    plot: Annotated[
        Path | None, in_output(metavar="FILE", help="Draw speed-ups and feature maps: png, svg, pdf.")
    ] = None,
    debug: DebugInPanel = False,
) -> None:
    """Compare naive and fast: the verdict, and a line for each workload; --verbose has memory and every gradient.

    Of an .onnx file it compares the outputs, numpy and fast by default. Exits with 1 if a difference is beyond its
    tolerance.
    """
    if backend is not None:
        if backends != _BOTH:
            raise typer.BadParameter("is --backends naive,NAME: give one of them.", param_hint="--backend")
        backends = f"naive,{backend}"
    if quick:
        repeats = 1
    if list_names:
        print_workloads(console())
        return
    if module is not None:
        deprecated("compare --module FILE", "race FILE")
        foreign: dict[str, Any] = {"explain": explain, "operation": operation, "x": x, "bias": bias, "groups": groups}
        foreign |= {"layout": layout, "batch": batch, "backends": backends != _BOTH, "full": full, "plot": plot}
        for option in [*(["named workloads"] if names else []), *given(foreign)]:
            raise typer.BadParameter(f"--module does not go with {option}: it takes the functions of the file.")
        typed = {"input": input_shape, "weight": weight, "kernel_size": kernel_size, "stride": stride}
        typed |= {"padding": padding, "dilation": dilation}
        settings: dict[str, Any] = {"backward": backward, "repeats": repeats, "seed": seed}
        settings |= {} if time_limit is None else {"time_limit": time_limit}
        run_race(module, Outputs("compare", json, html=html), mapping or [], typed, threads, dtype, settings)
        return
    for option in given({"map": mapping or None, "time_limit": time_limit}):
        raise typer.BadParameter(f"{option} goes with --module alone.")
    outputs = Outputs("compare", json, plot=plot, html=html)
    outputs.check()
    pair = parse_pair_of_names("--backends" if backend is None else "--backend", backends, _BACKENDS)
    if any(map(is_model_file, names or [])):
        layers: dict[str, Any] = {
            "explain": explain,
            "operation": operation,
            "input": input_shape,
            "x": x,
            "weight": weight,
        }
        layers |= {"bias": bias, "kernel_size": kernel_size, "stride": stride, "padding": padding}
        layers |= {"dilation": dilation, "groups": groups, "layout": layout, "dtype": dtype, "full": full, "plot": plot}
        chosen = pair if backends != _BOTH else _OF_FILES
        files: dict[str, Any] = {"backends": chosen, "batch": batch or 1, "repeats": repeats, "seed": seed}
        compare_file(names or [], outputs, given(layers), threads=threads, exact=exact, **files)
        return
    layer = Layer(operation, input_shape, x, weight, bias, kernel_size, stride, padding, dilation, groups, layout)
    chosen_names = [*(names or (_QUICK if quick and not given(layer._asdict()) else ()))]
    workloads, arguments = _select(chosen_names, layer, dtype or "float32", seed)
    with contextlib.nullcontext() if threads is None else use_num_threads(threads), exactness(exact):
        if explain:
            print_kernels(workloads, arguments, batch, dtype or "float32")
            return
        if workloads is None:
            typer.echo(_LASTS, err=True)
        with progress_bar() as advance:
            found = run_comparison(
                workloads,
                backends=pair,
                batch=batch,
                dtype=dtype,
                repeats=repeats,
                backward=backward,
                full=full,
                seed=seed,
                progress=lambda name, stage, fraction: advance(f"{name}: {stage}" if name else stage, fraction),
                **arguments,
            )
    outputs.deliver(Result.of(found, partial(plot_comparison, found)), ok=found.ok, verbose=verbose)


def _select(names: list[str], layer: Layer, dtype: str, seed: int) -> tuple[Any, dict[str, Any]]:
    """Return what to compare: names, or an operation with its arguments."""
    described = given(layer._asdict())
    if names and described:
        raise typer.BadParameter(
            f"take either named workloads or a layer of your own, but got {', '.join(names)} and {described[0]}."
        )
    for name in names:
        if name not in NAMES:
            raise unknown("a workload", name, NAMES)
    return layer.call(dtype, seed) if described else (names or None, {})
