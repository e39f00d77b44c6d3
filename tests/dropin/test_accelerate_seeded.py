"""`accelerate` on more than a hundred seeded mistakes in several styles: none is replaced, what raises goes on raising.

A backward function that forgets the stride was once replaced by one that does not, in spite of ``on_mismatch="raise"``:
it raised without padding, that was left out of the proof, and no case had both. So here mistakes are put everywhere:
one after the other, under a condition ("wrong where the stride is larger"), and behind an exception ("and raises where
there is no padding"). The code without mistakes has to be replaced, so that refusing everything does not pass.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from itertools import product
from types import ModuleType
from typing import Any

import loop_code
import pytest
from loop_code import changed, load
from programs import FULL
from seeded_mistakes import MISTAKES, STYLES, WHERE, Change, Style

import fastconv as fc
from fastconv.dropin.conventions import RAISED, WRONG, Problem, Verdict, draw, judge, recognise, run
from fastconv.dropin.conventions.judge import Run
from fastconv.testing import assert_close

# Calls that no case makes, to see where a replacement differs from what it replaces.
PROBES: tuple[dict[str, Any], ...] = tuple(
    {"images": images, "channels": channels, "filters": 3, "size": size, "kernel": kernel, "seed": 5, **sizes}
    for (images, channels), size, kernel in (
        ((2, 2), (7, 7), (3, 3)),
        ((1, 2), (6, 9), (3, 3)),
        ((3, 1), (7, 7), (2, 2)),
        ((1, 1), (8, 6), (3, 2)),
    )
    for sizes in (
        {},
        {"stride": (2, 2)},
        {"padding": (1, 1)},
        {"stride": (2, 2), "padding": (1, 1)},
        {"stride": (3, 3), "padding": (1, 1)},
    )
)
CONDITIONAL = [*product(STYLES, WHERE)]
HIDDEN = [(style, hole, where) for style, hole, where in product(STYLES, WHERE, WHERE) if hole != where]


def some(everything: Sequence[Any], step: int, *, full: int = 1) -> Sequence[Any]:
    """One of so many: in the usual run, and in the full one."""
    return everything[:: full if FULL else step]


def put(style: Style, *lines: str) -> Change:
    """Lines before the last line of a function, where its sizes have their names."""
    depth = style.last[: len(style.last) - len(style.last.lstrip())]
    return style.last, "".join(f"{depth}{line}\n" for line in (style.sizes, *lines)) + style.last


def wrong(style: Style, where: str) -> str:
    return f"if {WHERE[where]}: {style.mistake}"


def raising(where: str) -> str:
    return f"if {WHERE[where]}: raise ValueError('not here')"


def loaded(patch: pytest.MonkeyPatch, source: str, label: str, *changes: Change) -> ModuleType:
    """A module with nothing of its own but a function and its partner; the others seem to be imported."""
    module = load(patch, changed(getattr(loop_code, source), *changes))
    stem = label.partition(".")[0].replace("backward", "forward")
    for name, value in list(vars(module).items()):
        if name.replace("backward", "forward") != stem and inspect.isroutine(value) | inspect.isclass(value):
            value.__module__ = "elsewhere"
    return module


def probed(module: ModuleType, label: str) -> list[tuple[Problem, Run, dict[str, Verdict]]]:
    """What a function and its partner do with every probe."""
    found = next(each for each in recognise(module) if label in [target.label for target in each.targets.values()])
    done = []
    for sizes in PROBES:
        problem = draw(found.convention.operations[0], **sizes)
        if found.convention.cannot_express(found, problem) is None:
            problem = found.convention.adapted(found, problem)
            done.append((problem, run(found, problem), judge(found, problem)))
    assert done
    return done


@pytest.mark.slow
def test_the_code_without_mistakes_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    named = [(style.source, style.label, (put(style),)) for style in STYLES.values()]
    bare = {(source, label): (source, label, ()) for source, label, _ in MISTAKES}
    for source, label, changes in [*some(named, 3), *some([*bare.values()], 4)]:
        accelerated = fc.accelerate(loaded(monkeypatch, source, label, *changes), on_mismatch="raise")
        assert label in accelerated
        assert bool(accelerated.partly) == (label == "Pooling.backward")  # it says itself that it has no padding


def test_there_are_a_hundred_mistakes() -> None:
    assert len({(source, changes) for source, _, changes in MISTAKES}) == len(MISTAKES) >= 110
    assert len(STYLES) > 10


@pytest.mark.slow
@pytest.mark.parametrize(("source", "label", "changes"), some(MISTAKES, 9))
def test_a_mistake_is_not_replaced(
    source: str, label: str, changes: tuple[Change, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = loaded(monkeypatch, source, label, *changes)
    before = probed(module, label)
    accelerated = fc.accelerate(module, on_mismatch="skip")
    assert (label in accelerated.refused) != (label in accelerated.partly)
    unchanged(before, probed(module, label))


@pytest.mark.slow
@pytest.mark.parametrize(("style", "where"), some(CONDITIONAL, 23))
def test_a_mistake_under_a_condition_is_not_replaced(style: str, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = STYLES[style]
    module = loaded(monkeypatch, given.source, given.label, put(given, wrong(given, where)))
    before = probed(module, given.label)
    accelerated = fc.accelerate(module, on_mismatch="skip")
    unchanged(before, probed(module, given.label))
    if any(verdict.kind == WRONG for _, _, found in before for verdict in found.values()):
        assert given.label in {*accelerated.refused, *accelerated.partly}


@pytest.mark.slow
@pytest.mark.parametrize(("style", "hole", "where"), some(HIDDEN, 499, full=7))
def test_a_mistake_behind_an_exception_stays_what_it_is(
    style: str, hole: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever raises in one place and is wrong in another: nothing comes out that did not come out before."""
    given = STYLES[style]
    module = loaded(monkeypatch, given.source, given.label, put(given, raising(hole), wrong(given, where)))
    before = probed(module, given.label)
    accelerated = fc.accelerate(module, on_mismatch="skip")
    unchanged(before, probed(module, given.label))
    if any(verdict.kind in (RAISED, WRONG) for _, _, found in before for verdict in found.values()):
        assert given.label in {*accelerated.refused, *accelerated.partly}


def unchanged(before: list[Any], after: list[Any]) -> None:
    for (problem, one, _), (_, other, _) in zip(before, after):
        assert one.errors == other.errors, problem
        for name, mine, theirs in zip(one.results._fields, other.results, one.results):
            assert type(mine) is type(theirs)
            if mine is not None:
                assert_close(mine, theirs, magnitude=100, name=f"{name} ({problem})")
