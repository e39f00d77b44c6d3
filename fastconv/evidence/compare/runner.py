"""Problems on two backends, from the first call to finished rows.

First comes what is not timed: compiling, the references, the differences. Another process may work beside that, see
`references`. Then the times are taken, with nothing beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from fastconv.evidence.accuracy import Difference, Results, differences, promised
from fastconv.evidence.compare.reference import Reference
from fastconv.evidence.compare.references import Make, References, call_first
from fastconv.evidence.compare.rows import FeatureMaps, PassResult, Row
from fastconv.evidence.compare.runs import Runs, Seconds, Settings, largest_size
from fastconv.evidence.problem import OperationProblem
from fastconv.evidence.timing import seed_seconds_per_output

Report = Callable[[int, str, float], None]  # told the number of a problem, its stage, and the fraction done

_UNTIMED = 0.8  # of the time that all takes
_STAGES = 3  # of timing a problem
_TIMED_SECONDS = 0.1  # of the reference, unless all of it is run
_EXACT = "numpy in float64"  # who judges what the reference has no time for

_Differences = tuple[Difference, ...]


@dataclass(frozen=True)
class _Judged:
    """What is known of a problem before it is timed."""

    first: Seconds
    near: _Differences
    whole: _Differences
    maps: FeatureMaps | None
    size: tuple[int, int]
    reference_seconds: Seconds
    reference_workspaces: dict[str, int]
    workspace_partial: bool


def compare_problems(makers: Sequence[Make], settings: Settings, report: Report) -> tuple[Row, ...]:
    """Compare and time problems, each of which is made when its turn comes; `report` is told when a stage begins."""
    judged = _judge_all(makers, settings, report)
    done = count()

    def timed(i: int) -> Row:
        share = (1 - _UNTIMED) / (_STAGES * len(makers))
        return _time(makers[i](), settings, judged[i], lambda stage: report(i, stage, _UNTIMED + share * next(done)))

    return tuple(map(timed, range(len(makers))))


def _judge_all(makers: Sequence[Make], settings: Settings, report: Report) -> dict[int, _Judged]:
    """Compile, and find the differences; a process beside this one has a part in that where it pays."""
    compiling = "compiling and " if settings.candidate == "fast" else ""
    first: dict[int, Seconds] = {}
    judged: dict[int, _Judged] = {}

    def tell(i: int, stage: str) -> None:
        report(i, stage, _UNTIMED * (len(first) + len(judged)) / (2 * len(makers)))

    with References(makers, settings) as references:

        def judge(i: int) -> None:
            tell(i, settings.reference)
            judged[i] = _judge(makers[i](), settings, references.take(i), first[i])

        for i, elsewhere in references.first_calls():
            tell(i, f"{settings.candidate}, {compiling}first call")
            first[i] = elsewhere or call_first(makers[i](), settings)
            for other in references.finished():
                if other in first:
                    judge(other)
        for i in references.left():
            judge(i)
    return judged


def _judge(problem: OperationProblem, settings: Settings, reference: Reference, first: Seconds) -> _Judged:
    """Compare the candidate with the reference, and where that is only a part, over the whole with what is exact."""
    dy, names = settings.gradient(problem), (settings.candidate, settings.reference)
    candidate, part = Runs(problem, settings.candidate, dy).results, problem.part(*reference.size)
    whole: _Differences = ()
    if reference.exact is None:
        bounds = promised(problem, dy, reference.sums, *names)
        near = differences(candidate, reference.results, bounds, settings.reference)
    else:
        seen, seen_dy = problem.zero_beyond(part, dy)
        bounds = promised(seen, seen_dy, reference.part_sums, *names)
        results = Runs(seen, settings.candidate, seen_dy).results
        near = differences(
            {name: array[part.place(name)] for name, array in results.items()},
            reference.results,
            {name: bound.part(part.place(name)) for name, bound in bounds.items()},
            settings.reference,
        )
        bounds = promised(problem, dy, reference.sums, settings.candidate)
        whole = differences(candidate, reference.exact, bounds, _EXACT)
    return _Judged(
        first=first,
        near=near,
        whole=whole,
        maps=_maps(problem, candidate, reference, settings),
        size=reference.size,
        reference_seconds=reference.seconds,
        reference_workspaces=reference.workspaces,
        workspace_partial=reference.workspace_partial,
    )


def _maps(
    problem: OperationProblem, candidate: Results, reference: Reference, settings: Settings
) -> FeatureMaps | None:
    """Return the first image with what was made of all of it, where there are pictures."""
    if not problem.image:
        return None
    exact = reference.exact
    source, results = (settings.reference, reference.results) if exact is None else (_EXACT, exact)
    return FeatureMaps(
        image=problem.x[0].copy(),
        reference=results["y"][0].copy(),
        candidate=candidate["y"][0].copy(),
        source=source,
        names=problem.map_names,
    )


def _time(problem: OperationProblem, settings: Settings, judged: _Judged, report: Callable[[str], None]) -> Row:
    """Time a problem that was judged, and put everything together."""
    report(f"{settings.candidate}, timing")
    candidate = Runs(problem, settings.candidate, settings.gradient(problem))
    candidate.time(-(-settings.repeats // 2))
    report("frozen loops")
    loops = _time_loops(problem, settings)
    report(f"{settings.reference}, timing")
    part, seconds = _time_reference(problem, settings, judged)
    memory = candidate.workspaces()
    candidate.time(settings.repeats // 2)  # apart from the others, so that one disturbance does not reach both
    loops = _faster(loops, _time_loops(problem, settings))
    checked = problem.part(*judged.size)
    return Row(
        name=problem.name,
        operation=problem.operation,
        description=problem.description,
        shapes={**{name: array.shape for name, array in problem.arrays().items()}, "y": problem.output_shape},
        arguments=problem.arguments,
        dtype=str(problem.dtype),
        passes=tuple(
            PassResult(
                name=name,
                seconds=candidate.seconds(name),
                compile_seconds=max(0.0, first - candidate.seconds(name)),
                workspace=memory[name],
                reference_seconds=seconds[name] * problem.outputs / part.outputs,
                reference_estimated=part is not problem,
                reference_workspace=judged.reference_workspaces[name],
                reference_workspace_partial=judged.workspace_partial,
                loop_seconds_per_output=loops[name],
                outputs=problem.outputs,
                flops=problem.multiply_adds * (2 if name == "forward" else 4),  # backward: dx and dweight
            )
            for name, first in judged.first.items()
        ),
        differences=judged.near,
        whole_differences=judged.whole,
        images=problem.geometry.batch,
        rows=problem.rows,
        checked_images=checked.geometry.batch,
        checked_rows=checked.rows,
        maps=judged.maps,
    )


def _time_reference(problem: OperationProblem, settings: Settings, judged: _Judged) -> tuple[OperationProblem, Seconds]:
    """Part of a problem, and how long the reference takes for it; what ran in full ran with nothing beside it."""
    if settings.full:
        return problem, judged.reference_seconds
    checked = problem.part(*judged.size)
    share = _TIMED_SECONDS / sum(judged.reference_seconds.values())
    part = checked.part(*largest_size(checked, checked.outputs * share))
    return part, Runs(part, settings.reference, settings.gradient(problem)).first


def _time_loops(problem: OperationProblem, settings: Settings) -> dict[str, float | None]:
    loops = {"forward": seed_seconds_per_output(problem, problem.operation)}
    if settings.backward:
        loops["backward"] = seed_seconds_per_output(problem, f"{problem.operation}_backward")
    return loops


def _faster(first: dict[str, float | None], second: dict[str, float | None]) -> dict[str, float | None]:
    """Return the shorter of two times, so that a disturbance of the yardstick does not flatter what is measured."""
    return {name: time if time is None else min(time, second[name] or time) for name, time in first.items()}
