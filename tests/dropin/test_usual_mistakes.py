"""The usual mistakes: each is found where it was made, by formulas of its own, and none where everything is right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv.dropin.check.case_results import CaseResult
from fastconv.dropin.check.findings import Finding, chosen, suspected
from fastconv.dropin.conventions import CASES, Problem, Results, Verdict, draw, expected
from fastconv.dropin.conventions.diagnosis import contradicts, mistakes_in
from fastconv.dropin.conventions.mistakes import MISTAKES, suspicions
from fastconv.dropin.conventions.problem import OPERATIONS

CONV = draw("conv2d", size=(7, 9), kernel=(3, 2), stride=(2, 2), padding=(1, 1))
DILATED = draw("conv2d", size=(7, 9), kernel=(3, 2), dilation=(2, 2))
MAX = draw("max_pool2d", size=(7, 9), kernel=(3, 2), stride=(2, 2), padding=(1, 0), values="negative")
AVG = draw("avg_pool2d", size=(7, 9), kernel=(3, 2), stride=(2, 2), padding=(1, 0))
BARE_MAX = draw("max_pool2d", size=(7, 9), kernel=(3, 2), stride=(2, 2), values="negative")
BARE_AVG = draw("avg_pool2d", size=(7, 9), kernel=(3, 2), stride=(2, 2))
PLANE = draw("conv2d", size=(7, 9), kernel=(3, 2))
OPTIONS = {"backend": "numpy"}


def conv(problem: Problem, **changes: Any) -> Any:
    made = replace(problem, **changes)
    weight, bias = made.filters
    return fc.conv2d(made.x, weight, bias, **made.options, **OPTIONS)


def gradients(problem: Problem, **changes: Any) -> Any:
    made = replace(problem, **changes)
    return fc.conv2d_backward(made.gradient, made.x, made.filters[0], **made.options, **OPTIONS)


def from_the_left(problem: Problem) -> Any:
    """Windows at stride 1, as many as there should be."""
    weight, bias = problem.filters
    y = fc.conv2d(problem.x, weight, bias, padding=problem.padding, **OPTIONS)
    return y[:, :, : problem.out[0], : problem.out[1]]


def sums(problem: Problem) -> Any:
    return conv(problem, bias=np.zeros_like(problem.filters[1]))


OVER_ZEROS = np.pad(MAX.x, ((0, 0), (0, 0), (1, 1), (0, 0)))
X, W, B = CONV.x, *CONV.filters
RIGHT, DX = expected(CONV), expected(CONV).dx

# Mistake, array, the problem, what it gives.
FOUND: list[tuple[str, str, Problem, Any]] = [
    ("stride forgotten", "y", CONV, from_the_left(CONV)),
    ("dilation ignored", "y", DILATED, conv(DILATED, dilation=(1, 1))[:, :, : DILATED.out[0], : DILATED.out[1]]),
    ("padding on one side", "y", CONV, conv(CONV, x=np.pad(X, ((0, 0), (0, 0), (2, 0), (2, 0))), padding=(0, 0))),
    ("padding repeats", "y", CONV, conv(CONV, x=np.pad(X, ((0, 0), (0, 0), (1, 1), (1, 1)), "edge"), padding=(0, 0))),
    ("kernel flipped", "y", CONV, conv(CONV, weight=W[:, :, ::-1, ::-1])),
    ("kernel flipped in the gradient", "dx", CONV, gradients(CONV, weight=W[:, :, ::-1, ::-1]).dx),
    ("kernel flipped in the gradient", "dweight", CONV, RIGHT.dweight[:, :, ::-1, ::-1]),
    ("bias in every cell", "y", CONV, sums(CONV) + 18 * B[:, None, None]),
    ("bias in every channel", "y", CONV, sums(CONV) + 3 * B[:, None, None]),
    ("bias twice", "y", CONV, sums(CONV) + 2 * B[:, None, None]),
    ("bias forgotten", "y", CONV, sums(CONV)),
    ("bias subtracted", "y", CONV, sums(CONV) - B[:, None, None]),
    ("bias of one filter", "y", CONV, sums(CONV) + B[0]),
    ("mean of products", "y", CONV, sums(CONV) / 18 + B[:, None, None]),
    ("first channel alone", "y", CONV, conv(CONV, x=X[:, :1], weight=W[:, :1])),
    ("last channel alone", "y", CONV, conv(CONV, x=X[:, 2:], weight=W[:, 2:])),
    ("first filter for all", "y", CONV, conv(CONV, weight=W[[0, 0, 0, 0]])),
    ("negative results lost", "y", CONV, np.maximum(RIGHT.y, 0)),
    ("first image for all", "y", CONV, RIGHT.y[[0, 0]]),
    ("first image alone", "dweight", CONV, gradients(CONV, x=X[:1], dy=CONV.gradient[:1]).dweight),
    ("last image alone", "dweight", CONV, gradients(CONV, x=X[1:], dy=CONV.gradient[1:]).dweight),
    ("last position alone", "dbias", CONV, CONV.gradient[:, :, -1, -1].sum(0)),
    ("last filter alone", "dx", CONV, gradients(CONV, weight=W[3:], bias=B[3:], dy=CONV.gradient[:, 3:]).dx),
    ("divided by images", "dx", CONV, DX / 2),
    ("mean over positions", "dbias", CONV, CONV.gradient.mean((0, 2, 3))),
    ("sum over filters", "dbias", CONV, np.full(4, CONV.gradient.sum())),
    ("padding not cut off", "dx", CONV, np.zeros((2, 3, 9, 11))),
    ("cut with exchanged axes", "dx", CONV, np.zeros((2, 3, 8, 7))),
    ("empty cut", "dx", PLANE, np.zeros((2, 3, 0, 0))),
    ("rounded up", "y", draw("max_pool2d", size=(7, 8), kernel=(2, 2), stride=(2, 2)), np.zeros((2, 3, 4, 4))),
    ("one missing", "y", PLANE, np.zeros((2, 4, 4, 7))),
    ("one too many", "y", MAX, np.zeros((2, 3, 5, 5))),
    ("padding not in the size", "y", CONV, np.zeros((2, 4, 3, 4))),
    ("stride not in the size", "y", CONV, np.zeros((2, 4, 7, 10))),
    ("size of the other axis", "y", CONV, np.zeros((2, 4, 4, 4))),
    ("as large as the image", "y", PLANE, np.zeros((2, 4, 7, 9))),
    ("height and width exchanged", "y", CONV, RIGHT.y.transpose(0, 1, 3, 2)),
    ("axes in another order", "y", CONV, RIGHT.y.transpose(0, 2, 3, 1)),
    (
        "zero padding of maxima",
        "y",
        MAX,
        fc.max_pool2d(np.pad(MAX.x, ((0, 0), (0, 0), (1, 1), (0, 0))), (3, 2), stride=2),
    ),
    ("maximum from zero", "y", BARE_MAX, np.zeros((2, 3, 3, 4))),
    ("minimum", "y", BARE_MAX, -fc.max_pool2d(-BARE_MAX.x, (3, 2), stride=2)),
    ("mean for maximum", "y", BARE_MAX, fc.avg_pool2d(BARE_MAX.x, (3, 2), stride=2)),
    ("maximum for mean", "y", BARE_AVG, fc.max_pool2d(BARE_AVG.x, (3, 2), stride=2)),
    ("sum for mean", "dx", AVG, 6 * expected(AVG).dx),
    ("divided by a square", "y", AVG, expected(AVG).y * 6 / 9),
    ("sign", "dx", CONV, -DX),
    ("twice", "dweight", CONV, 2 * RIGHT.dweight),
    ("all zeros", "dx", CONV, np.zeros(DX.shape)),
    ("rounded", "y", CONV, RIGHT.y.round(7)),
]


@pytest.mark.parametrize(("name", "array", "problem", "got"), FOUND, ids=[f"{each[0]}-{each[1]}" for each in FOUND])
def test_a_mistake_is_the_first_that_explains_it(name: str, array: str, problem: Problem, got: Any) -> None:
    found = [mistake.name for mistake in mistakes_in(array, got, problem)]
    assert found[:1] == [name], found
    assert [mistake.name for mistake in mistakes_in(array, got, problem, {name})][:1] == [name]
    assert (
        not any(mistakes_in(array, got * 1.5 + 0.1, problem, {name}))
        or got.shape != expected(problem)._asdict()[array].shape
    )


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_right_has_no_mistake(operation: str) -> None:
    for case in CASES:
        problem = case.draw(operation)
        if problem is not None:
            for name, right in expected(problem)._asdict().items():
                if right is not None:
                    assert list(mistakes_in(name, right, problem)) == [], (case.name, name)
                    assert list(mistakes_in(name, right * (1 + 1e-16), problem)) == [], (case.name, name)


def test_every_mistake_has_words_and_an_idea() -> None:
    for mistake in MISTAKES.values():
        assert mistake.words
        assert mistake.fix
        assert mistake.words[0].islower() or mistake.words[0] == "["
    for operation in OPERATIONS:
        problem = draw(operation, size=(7, 7), padding=(1, 1), stride=(2, 2))
        for name in Results._fields:
            if getattr(expected(problem), name) is not None:
                assert {each.name for each in suspicions(name, problem)} <= {*MISTAKES}


def test_a_mistake_is_refuted_by_a_case_that_is_right() -> None:
    stepping, single = draw("conv2d", size=(7, 9), stride=(2, 2)), draw("conv2d", size=(7, 9))
    (mistake,) = {each.name: each for each in mistakes_in("y", from_the_left(stepping), stepping)}.values()
    assert contradicts(mistake, "y", stepping)
    assert not contradicts(mistake, "y", single)  # where it changes nothing


def test_of_several_mistakes_the_one_that_explains_most_is_told() -> None:
    case = CASES[0]
    right = Finding(case, CaseResult("right", "", "ok"), problem=draw("max_pool2d", kernel=(2, 2), size=(4, 4)))
    one, other = MISTAKES["one missing"], MISTAKES["rounded up"]
    failed = CaseResult("bad", "", "wrong", array="y")
    findings = [Finding(case, failed, mistakes=(one, other)), Finding(case, failed, mistakes=(other,)), right]
    assert [finding.mistake for finding in chosen(findings)] == [other, other, None]


def test_what_is_seen_beside_the_numbers() -> None:
    verdict = Verdict("wrong", "its input x is modified in place", "x", np.inf)
    assert [mistake.name for mistake in suspected(verdict, CONV, "unmodified")] == ["changes its input"]
    said = "a second call is not like the first: dweight differs by up to 3"
    twice = Verdict("wrong", said, "dweight", 3.0, 2 * RIGHT.dweight, RIGHT.dweight)
    assert [mistake.name for mistake in suspected(twice, CONV, "repeat")] == ["adds up between calls"]
    first = suspected(replace(twice, text="dweight differs"), CONV, "repeat")
    assert "twice" in {mistake.name for mistake in first}
    nothing = Verdict("wrong", "y is no array but None", "y", np.inf)
    assert [mistake.name for mistake in suspected(nothing, CONV, "unmodified")] == ["nothing returned"]
    locked = Verdict("raised", "ValueError: assignment destination is read-only (conv, line 3)")
    assert [mistake.name for mistake in suspected(locked, CONV, "")] == ["changes its input"]
