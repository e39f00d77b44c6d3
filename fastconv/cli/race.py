"""``fastconv race``: somebody's functions against fast."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Any

import typer

from fastconv.backends.settings import use_num_threads
from fastconv.cli.arguments import option_of, parse_shape, parse_sizes, refused
from fastconv.cli.check import parse_mapping, wrong_usage
from fastconv.cli.choices import choice
from fastconv.cli.console import progress_bar
from fastconv.cli.layer import Dilation, InputShape, KernelSize, Padding, Stride, of_layer
from fastconv.cli.output import Debug, Numbers, Outputs, Result, Threads

_DTYPES = ("float32", "float64")


def race(
    file: Annotated[
        Path, typer.Argument(help="A Python file, a notebook or a folder with convolution or pooling in it.")
    ],
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="NAME=CONVENTION", help="Say what a function is (check --list names them)."),
    ] = None,
    time_limit: Annotated[float, typer.Option(metavar="S", help="Seconds for each of its calls.")] = 60.0,
    input_shape: InputShape = None,
    weight: Annotated[str | None, of_layer(metavar="FxCxKHxKW", help="Shape of the filters.")] = None,
    kernel_size: KernelSize = None,
    stride: Stride = None,
    padding: Padding = None,
    dilation: Dilation = None,
    dtype: Annotated[str | None, choice(_DTYPES, "float64 by default.")] = None,
    threads: Threads = None,
    backward: Annotated[bool, typer.Option("--backward/--no-backward", help="Time the gradients too.")] = True,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds of timing; the median counts.")] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="One round.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of what is drawn.")] = 0,
    json: Numbers = None,
    debug: Debug = False,
) -> None:
    """Time the functions of a Python file against fast ones that compute the same, and say how far they differ.

    The file is run as far as it runs, in a process of its own, so it must be one that you trust. Exits with 1 if a
    result is wrong.
    """
    typed = {"input": input_shape, "weight": weight, "kernel_size": kernel_size, "stride": stride}
    typed |= {"padding": padding, "dilation": dilation}
    settings = {"backward": backward, "repeats": 1 if quick else repeats, "time_limit": time_limit, "seed": seed}
    run_race(file, Outputs("race", json), mapping or [], typed, threads, dtype, settings)


def run_race(
    file: Path,
    outputs: Outputs,
    mapping: list[str],
    typed: dict[str, str | None],
    threads: int | None,
    dtype: str | None,
    settings: dict[str, Any],
) -> None:
    """Time the functions of a file against fast, print the tables and write the JSON."""
    from fastconv.dropin.race import race as time_both

    outputs.check()
    if dtype is not None and dtype not in _DTYPES:
        raise refused("--dtype", f"be one of {', '.join(_DTYPES)}", dtype)
    names, sizes = parse_mapping("--map", mapping), _sizes(typed)
    use_threads = contextlib.nullcontext() if threads is None else use_num_threads(threads)
    with use_threads, wrong_usage(), progress_bar() as advance:
        found = time_both(file, names, sizes=sizes, dtype=dtype or "float64", progress=advance, **settings)
    outputs.deliver(Result.of(found), ok=found.ok)


def _sizes(typed: dict[str, str | None]) -> Any:
    """Read the sizes that were typed."""
    from fastconv.dropin.race import Sizes

    sizes: dict[str, Any] = {}
    for name, text in typed.items():
        if text is None:
            continue
        if name in ("input", "weight"):
            sizes[f"{name}_shape"] = parse_shape(option_of(name), text, 4)
        else:
            sizes[name] = parse_sizes(option_of(name), text)
    return Sizes(**sizes)
