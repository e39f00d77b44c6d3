"""``fastconv bench``: the suite, with ``--against`` the contest with other engines, with ``--ladder`` the ladder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from fastconv.cli.arguments import unknown
from fastconv.cli.choices import some_of, words
from fastconv.cli.console import console, deprecated
from fastconv.cli.contest import contest, contest_of_networks
from fastconv.cli.ladder import ladder as climb
from fastconv.cli.layer import InputShape, Padding, Stride, of_layer
from fastconv.cli.model_file import is_model_file
from fastconv.cli.output import DebugInPanel, Exact, Html, NumbersInPanel, Outputs, exactness, in_output, print_table
from fastconv.cli.rounding import rounding
from fastconv.cli.scaling import WORD, scaling
from fastconv.cli.suite import is_name, suite, writable
from fastconv.evidence.bench.cases import BACKENDS, DTYPES, FAMILY, TABLE, Selection
from fastconv.evidence.bench.cases import names as workloads
from fastconv.report import Table

_in_suite = partial(typer.Option, rich_help_panel="The suite")
_in_contest = partial(typer.Option, rich_help_panel="Against other engines")
_in_ladder = partial(typer.Option, rich_help_panel="The ladder")
_in_scaling = partial(typer.Option, rich_help_panel="scaling")
_in_rounds = partial(typer.Option, rich_help_panel="Against other engines, and the ladder")


def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Workloads to run (--list names them); family: all operations and layers; with --against, one-image: "
            "layers over one image, or an .onnx file; scaling [NETWORK]: training over ranks."
        ),
    ] = None,
    list_names: Annotated[bool, typer.Option("--list", help="List the workloads and stop.")] = False,
    batch: Annotated[int | None, typer.Option(min=1, help="Images of every layer; its own number by default.")] = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            metavar="DTYPES",
            help="float32 (by default of the suite), float64 or both (of --against).",
            callback=some_of(*DTYPES),
        ),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of everybody; all by default.")] = None,
    exact: Exact = False,
    quick: Annotated[bool, typer.Option("--quick", help="Time everything for a moment only.")] = False,
    backend: Annotated[
        str | None,
        _in_suite(
            metavar="BACKENDS",
            help=f"Who runs: some of {','.join(BACKENDS)}; all by default.",
            callback=some_of(*BACKENDS),
        ),
    ] = None,
    save: Annotated[
        str | None, _in_suite(metavar="NAME", help="Keep it for --compare, in .benchmarks/NAME.json.")
    ] = None,
    compare: Annotated[str | None, _in_suite(metavar="NAME|FILE", help="Put what was saved beside it.")] = None,
    fail_over: Annotated[
        float | None, _in_suite(min=0, metavar="PERCENT", help="Exit with 1 where something takes so much longer.")
    ] = None,
    accuracy: Annotated[
        bool, _in_suite("--accuracy", help="Time nothing: errors of 3×3 layers over the number of channels.")
    ] = False,
    against: Annotated[
        str | None, _in_contest(metavar="ENGINES", help="Whom to compare with: torch,onnxruntime,jax,ncnn.")
    ] = None,
    networks: Annotated[
        bool, _in_contest("--networks", help="Whole networks; there is openvino to compare with, too.")
    ] = False,
    ladder: Annotated[
        bool,
        _in_ladder("--ladder", help="One convolution, from plain loops to the engine; by default 3x3 64->64 @56."),
    ] = False,
    input_shape: InputShape = None,
    weight: Annotated[str | None, of_layer(metavar="FxCxKHxKW", help="Shape of its filters.")] = None,
    stride: Stride = None,
    padding: Padding = None,
    passes: Annotated[
        str | None, _in_rounds(metavar="PASSES", help="forward,backward by default; of networks inference,training.")
    ] = None,
    dtypes: Annotated[str | None, typer.Option(hidden=True)] = None,  # once that of --against
    rounds: Annotated[int | None, _in_rounds(min=1, help="Rounds of turns at most; 15 by default.")] = None,
    seconds: Annotated[
        float | None,
        _in_rounds(min=0, help="What they all may take; 600 by default, 180 for networks, 60 for the ladder."),
    ] = None,
    seed: Annotated[int | None, _in_rounds(min=0, help="Seed of what is drawn; 0 by default.")] = None,
    latency: Annotated[float | None, _in_scaling(min=0, help="Microseconds between ranks; 2 by default.")] = None,
    bandwidth: Annotated[float | None, _in_scaling(min=0, help="GB/s in and out of a rank; 10 by default.")] = None,
    ranks: Annotated[int | None, _in_scaling(min=1, help="Ranks to predict; 1024 by default.")] = None,
    json: NumbersInPanel = None,
    html: Html = None,
    markdown: Annotated[Path | None, in_output(metavar="FILE", help="Write the tables as Markdown.")] = None,
    plot: Annotated[Path | None, in_output(metavar="FILE", help="Draw the chart: png, svg, pdf.")] = None,
    debug: DebugInPanel = False,
) -> None:
    """Time convolution and pooling on every backend, checked before they are timed, and against the frozen loops.

    With --accuracy: how exact they are, directly and by Winograd's algorithm.
    With --against: convolution against other engines, each in its own process, in interleaved rounds; with --networks
    too: inference and training steps of whole networks; of an .onnx file its inference. With --ladder: one convolution
    in every way from plain loops to the engine. `bench scaling` measures training on the ranks of this machine (extra
    mpi), and predicts it for more.
    Exits with 1 if a result of fastconv is beyond its tolerance, or slower than --fail-over allows.
    """
    if list_names:
        rows = tuple((each.name, each.kind, each.description) for each in TABLE)
        print_table(Table("Workloads", ("name", "kind", "what it is"), rows, 3), console())
        return
    if dtypes is not None:
        deprecated("bench --dtypes", "bench --dtype")
        dtype = dtypes if dtype is None else dtype
    files = [name for name in names or () if is_model_file(name)]
    networks = networks or bool(files)
    theirs: dict[str, Any] = {"passes": passes, "rounds": rounds, "seconds": seconds, "seed": seed}
    ours: dict[str, Any] = {"backend": backend, "save": save, "compare": compare, "fail-over": fail_over}
    layer = {"input": input_shape, "weight": weight, "stride": stride, "padding": padding}
    between_ranks = {"latency": latency, "bandwidth": bandwidth, "ranks": ranks}
    if names and names[0] == WORD:
        _refuse({**theirs, **ours, **layer, "against": against, "dtype": dtype}, f"does not go with {WORD}.")
        speed = {"latency": latency and latency / 1e6, "bandwidth": bandwidth and bandwidth * 1e9}
        outputs = Outputs("bench", json, markdown, plot, html)
        scaling(names[1:], outputs, batch=batch, threads=threads, quick=quick, most_ranks=ranks, **speed)
        return
    _refuse(between_ranks, f"goes with {WORD}.")
    if accuracy:
        judged = {**ours, "against": against}
        switches = {
            name: True
            for name, on in (("exact", exact), ("quick", quick), ("networks", networks), ("ladder", ladder))
            if on
        }
        others = {**theirs, "seed": None, "dtype": dtype, "plot": plot}
        _refuse({**judged, **layer, **others, **switches}, "does not go with --accuracy.")
        if names:
            raise typer.BadParameter(f"takes no workloads, but got {', '.join(names)}.", param_hint="--accuracy")
        rounding(Outputs("bench", json, markdown, html=html), batch=batch, threads=threads, seed=seed)
        return
    if ladder:
        others = {"against": against, "networks": networks or None, "exact": exact or None}
        _refuse({**others, **ours}, "does not go with --ladder.")
        settings = {**theirs, "passes": words(passes), "batch": batch, "threads": threads, "dtypes": words(dtype)}
        climb(names or [], layer, Outputs("bench", json, markdown, plot, html), quick=quick, **settings)
        return
    _refuse(layer, "goes with --ladder.")
    if against is None:
        if files:
            raise typer.BadParameter(f"must be given for {files[0]}, such as onnxruntime.", param_hint="--against")
        _refuse({"networks": networks or None}, "goes with --against.")
        _refuse(theirs, "goes with --against, or with --ladder.")
        if fail_over is not None and compare is None:
            raise typer.BadParameter("must have something to compare with: add --compare.", param_hint="--fail-over")
        for name in names or ():
            if name not in (known := (*workloads(), FAMILY, WORD)):
                raise unknown("a workload", name, known)
        chosen = Selection(
            tuple(names or ()), words(backend) or BACKENDS, words(dtype) or DTYPES[:1], batch, threads, quick
        )
        if save is not None and not is_name(save):
            deprecated(f"bench --save {save}", f"bench --json {save}")
            save, json = None, save if json is None else json
        kept = [] if save is None else [writable(save)]
        with exactness(exact):
            suite(chosen, Outputs("bench", json, markdown, plot, html), compare=compare, fail_over=fail_over, kept=kept)
    else:
        _refuse(ours, "does not go with --against.")
        outputs = Outputs("bench", json, markdown, plot, html)
        engines, settings = words(against), {**theirs, "passes": words(passes), "batch": batch, "threads": threads}
        if networks:
            _refuse({"dtype": dtype}, "does not go with --networks: they run in float32.")
        with exactness(exact):
            if networks:
                contest_of_networks(names or [], outputs, engines, quick=quick, **settings)
            else:
                contest(names or [], outputs, engines, quick=quick, dtypes=words(dtype), **settings)


def _refuse(options: dict[str, Any], reason: str) -> None:
    for name, value in options.items():
        if value is not None:
            raise typer.BadParameter(reason, param_hint=f"--{name}")
