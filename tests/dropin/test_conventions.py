"""How other people write convolution and pooling: problems, cases, recognition, judgement, words for mistakes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import loop_code
import numpy as np
import pytest
from loop_code import changed, load
from programs import ROOT

import fastconv as fc
from fastconv.dropin.conventions import (
    CANNOT,
    CASES,
    CONVENTIONS,
    OK,
    RAISED,
    WRONG,
    Implementation,
    judge,
    recognise,
    run,
)
from fastconv.dropin.conventions import draw as draw_problem
from fastconv.dropin.conventions.diagnosis import diagnose
from fastconv.dropin.conventions.expected import expected
from fastconv.dropin.conventions.judge import compared, worst
from fastconv.dropin.conventions.problem import MEMORIES, OPERATIONS, stored
from fastconv.dropin.conventions.properties import Properties, properties_of, proven_by, unproven
from fastconv.dropin.conventions.recognise import by_name
from fastconv.dropin.conventions.spelling import words
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.testing import assert_close

RIGHT = ("CS231N", "COURSERA", "SCRATCH", "TUTORIAL", "COLUMNS", "PLAIN", "IMAGES", "AVERAGE")


def source(name: str) -> str:
    text: str = getattr(loop_code, name)
    return text


def case(name: str) -> Any:
    return next(each for each in CASES if each.name == name)


# problems


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_problem_has_the_shapes_of_fastconv(operation: str) -> None:
    sizes: dict[str, Any] = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}
    problem = draw_problem(operation, size=(7, 6), kernel=(3, 2), **sizes)
    right = expected(problem)
    assert problem.dy is not None
    assert problem.dy.shape == right.y.shape
    assert right.dx.shape == problem.x.shape == (2, 3, 7, 6)
    if operation == "conv2d":
        assert problem.out == right.y.shape[2:]
        assert (right.dweight.shape, right.dbias.shape) == ((4, 3, 3, 2), (4,))


def test_expected_is_the_naive_backend() -> None:
    problem = draw_problem("conv2d", size=(5, 6), padding=(1, 2), dtype=np.float32)
    x, weight, bias, dy = (np.asarray(each, float) for each in (problem.x, *problem.filters, problem.gradient))
    right = expected(problem)
    assert_close(right.y, fc.conv2d(x, weight, bias, padding=(1, 2), backend="naive"))
    gradients = fc.conv2d_backward(dy, x, weight, padding=(1, 2), backend="naive")
    for got, wanted in zip(right[1:], gradients):
        assert_close(got, wanted)


@pytest.mark.parametrize("memory", MEMORIES)
def test_memory_holds_the_same_numbers(memory: str) -> None:
    array = np.arange(24.0).reshape(2, 3, 4)
    copy = stored(array, memory)
    np.testing.assert_array_equal(copy, array)
    assert not np.shares_memory(copy, array)
    assert copy.flags.c_contiguous == (memory in ("C", "read-only"))
    assert copy.flags.f_contiguous == (memory == "F")
    assert copy.flags.writeable == (memory != "read-only")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_part_of_a_problem_is_the_same_problem(operation: str) -> None:
    problem = draw_problem(operation, size=(4, 5), kernel=(2, 3))
    part = problem.only(images=1, channels=2, filters=1)
    smaller = expected(part)
    assert part.x.shape == (1, 2, 4, 5)
    assert part.gradient.shape == smaller.y.shape
    if operation == "conv2d":
        assert smaller.dweight.shape == (1, 2, 2, 3)
    elif operation != "im2col":
        assert_close(smaller.y, expected(problem).y[:1, :2])


def test_values_are_what_they_are_called() -> None:
    assert set(np.unique(draw_problem("max_pool2d", values="ties").x)) == {0, 1}
    assert (draw_problem("max_pool2d", values="negative").x < 0).all()
    image = draw_problem("conv2d", dtype=np.uint8)
    assert (image.x.dtype, image.filters[0].dtype) == (np.uint8, np.float64)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "x (2, 3, 5, 5), w (4, 3, 3, 3), stride 1"),
        (
            {"padding": (1, 1), "stride": (2, 1), "memory": "F", "dtype": np.float32},
            "x (2, 3, 5, 5), w (4, 3, 3, 3), stride (2, 1), pad 1, float32, Fortran order",
        ),
    ],
)
def test_a_problem_says_what_it_is(options: dict[str, Any], text: str) -> None:
    assert str(draw_problem("conv2d", **options)) == text


def test_what_a_problem_does_not_have_is_said() -> None:
    problem = draw_problem("max_pool2d", backward=False)
    with pytest.raises(InvalidValueError, match="dy must be given, but got None"):
        _ = problem.gradient
    with pytest.raises(InvalidValueError, match="weight must be given"):
        _ = problem.filters


# cases


def test_cases_are_what_they_say() -> None:
    def of(name: str, operation: str = "max_pool2d") -> Any:
        return case(name).draw(operation)

    assert of("overlapping windows").stride < of("overlapping windows").kernel
    assert of("gaps between windows").stride > of("gaps between windows").kernel
    assert of("a tall kernel").kernel[0] > of("a tall kernel").kernel[1]
    assert of("a wide kernel").kernel[0] < of("a wide kernel").kernel[1]
    assert of("dilation").dilation == (2, 2)
    assert (of("negative input and padding").x < 0).all()
    assert of("negative input and padding").padding == (1, 1)
    uneven = of("a stride that does not divide")
    assert all((n - k) % s for n, k, s in zip(uneven.x.shape[2:], uneven.kernel, uneven.stride))
    ties = of("ties")
    windows = fc.im2col(ties.x, ties.kernel, stride=ties.stride).reshape(2, 3, 4, -1)
    assert ((windows == windows.max(axis=2, keepdims=True)).sum(axis=2) > 1).any()


def test_the_plain_case_is_the_first_and_its_windows_lie_side_by_side() -> None:
    assert CASES[0].name == "plain"
    for operation in OPERATIONS:
        problem = CASES[0].draw(operation)
        assert problem is not None
        assert problem.kernel == problem.stride
    assert CASES[0].phrase == "in the plain case"
    assert CASES[1].phrase == f"with {CASES[1].name}"


def test_ties_say_nothing_about_convolution() -> None:
    assert case("ties").draw("conv2d") is None
    assert case("ties").draw("avg_pool2d") is None


USUAL = {
    *("a single image", "several images", "a single channel", "several channels", "several filters"),
    *("a square image", "a rectangular image", "stride 1", "a larger stride", "a stride that divides"),
    *("a stride that does not divide", "padding", "no padding", "overlapping windows", "float32"),
}


@pytest.mark.parametrize(
    ("operation", "refused"),
    [
        ("conv2d", "no padding"),
        ("conv2d", "padding"),
        ("conv2d", "a stride that does not divide"),
        ("conv2d", "a rectangular kernel"),
        ("max_pool2d", "padding"),
        ("avg_pool2d", "a rectangular kernel"),
    ],
)
def test_what_a_function_refuses_leaves_cases_for_the_rest(operation: str, refused: str) -> None:
    """Every two usual properties of a case that raises are together in one that does not, in forms with one stride."""
    drawn = [each.draw(operation) for each in CASES]
    problems = [each for each in drawn if each is not None and each.dy is not None]
    problems = [each for each in problems if each.stride[0] == each.stride[1] and each.padding[0] == each.padding[1]]
    every = [properties(each) for each in problems if each.dilation == (1, 1)]
    ran = proven_by(each for each in every if refused not in each.sizes)
    for raised in (each for each in every if refused in each.sizes):
        left = {part for part in unproven(ran, raised) if part <= USUAL}
        assert left <= {frozenset((refused,))}


def properties(problem: Any) -> Properties:
    given = [array for array in (problem.x, problem.dy, problem.weight) if array is not None]
    filters = None if problem.weight is None else len(problem.weight)
    return properties_of(given, problem.x.shape, filters, problem.kernel, **problem.options)


def test_properties_of_a_call() -> None:
    found = properties_of([np.zeros((2, 3)).T], (2, 1, 5, 5), 4, (3, 2), stride=(1, 2), padding=2, dilation=2)
    assert found.sizes == {
        *("several images", "a single channel", "several filters", "a square image", "a rectangular kernel"),
        *("a stride for each axis", "much padding", "dilation", "a stride that divides", "several windows"),
        *("overlapping windows", "a rectangular output"),
    }
    assert found.storage == {"arrays in Fortran order", "float64"}
    proven = proven_by([found])
    assert frozenset(("dilation", "overlapping windows")) in proven
    assert frozenset(("dilation", "float64")) not in proven
    assert found.within(proven)
    assert not found.within(proven - {frozenset(("dilation", "overlapping windows"))})
    gaps = properties_of([stored(np.zeros(3, np.float32), "sliced")], (1, 2, 4, 5), None, 1, stride=3, padding=(1, 0))
    assert {"gaps between windows", "a stride of three or more", "a padding for each axis", "a 1x1 kernel"} < gaps.sizes
    assert gaps.storage == {"sliced arrays", "float32"}
    assert "windows side by side" in properties_of([], (1, 1, 4, 4), None, 2, stride=2).sizes
    assert "a single window" in properties_of([], (1, 1, 2, 2), None, 2, stride=2).sizes


# recognition


def labels(found: list[Implementation]) -> dict[str, str]:
    return {each.label: each.convention.name for each in found}


def test_every_convention_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, str] = {}
    for name in RIGHT:
        found.update(labels(recognise(load(monkeypatch, source(name), f"loops_{name.lower()}"))))
    assert found == {
        "conv_forward_naive / conv_backward_naive": "cs231n.conv2d",
        "max_pool_forward_naive / max_pool_backward_naive": "cs231n.max_pool2d",
        "avg_pool_forward_naive / avg_pool_backward_naive": "cs231n.avg_pool2d",
        "conv_forward / conv_backward": "coursera.conv2d",
        "pool_forward / pool_backward": "coursera.pool2d",
        "Convolution.forward / Convolution.backward": "scratch.conv2d",
        "Pooling.forward / Pooling.backward": "scratch.max_pool2d",
        "im2col / col2im": "scratch.columns",
        "ConvLayer.forward / ConvLayer.bp_sensitivity_map / ConvLayer.bp_gradient": "tutorial.conv2d",
        "MaxPoolingLayer.forward / MaxPoolingLayer.backward": "tutorial.max_pool2d",
        "conv": "plain.conv2d",  # of single images; that of the tutorial is called conv as well
        "im2col_indices / col2im_indices": "cs231n.columns",
        "col2im_python": "cs231n.columns_cython",
        "col2im_6d_python": "cs231n.columns_6d",
        "conv2d / conv2d_backward": "plain.conv2d",
        "max_pool2d": "plain.max_pool2d",
        "avg_pool2d": "plain.avg_pool2d",
        "convolve2d": "plain.conv2d",
        "maxpool": "plain.max_pool2d",
        "AvgPooling.forward / AvgPooling.backward": "scratch.avg_pool2d",
    }
    assert labels(recognise(sys.modules["loops_tutorial"]))["conv"] == "tutorial.conv"


@pytest.mark.parametrize(
    "head",
    [
        "def conv_relu_forward(x, w, b, conv_param)",
        "def conv_single_step(a_slice_prev, W, b)",
        "def conv_forward(x, w)",
        "def pool_forward(A_prev, hparameters)",
        "def conv2d(x, w, b, callback)",
        "def convert(x, w)",
        "def relu_forward(x)",
        "def get_im2col_indices(x_shape, field_height, field_width, padding=1, stride=1)",
        "class Convolution: __init__ = lambda self, size: None",
        "def conv2d(*args)",
    ],
)
def test_what_only_looks_alike_is_not_recognised(head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "" if head.startswith("class") else ": pass"
    known = {"plain.conv2d"} if head == "def conv_forward(x, w)" else set()  # arrays in, array out
    assert set(labels(recognise(load(monkeypatch, head + body))).values()) == known


def test_imported_functions_count_if_they_are_named_or_there_are_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    load(monkeypatch, loop_code.CS231N, "their_layers")
    user = load(monkeypatch, "from their_layers import *\n" + loop_code.IMAGES, "their_net")
    assert set(labels(recognise(user))) == {"conv", "convolve2d", "maxpool"}
    named = recognise(user, {"conv_forward_naive": "cs231n.conv2d"})
    assert "conv_forward_naive" in labels(named)
    assert "conv_backward_naive" not in labels(named)
    only_imports = load(monkeypatch, "from their_layers import *", "their_notebook")
    assert len(recognise(only_imports)) == 3


def test_functions_of_fastconv_never_count(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from fastconv.compat.cs231n.layers import *\nfrom fastconv import conv2d, max_pool2d"
    assert recognise(load(monkeypatch, text)) == []


def test_other_names_are_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    text = changed(
        loop_code.CS231N,
        ("conv_forward_naive", "forwards"),
        ("conv_backward_naive", "and_backwards"),
        ("conv_param", "p"),
    )
    module = load(monkeypatch, text)
    assert "forwards" not in " ".join(labels(recognise(module)))
    mapping = {"forwards": "cs231n.conv2d.forward", "and_backwards": "cs231n.conv2d.backward"}
    (found,) = (each for each in recognise(module, mapping) if each.convention.name == "cs231n.conv2d")
    assert set(found.targets) == {"forward", "backward"}
    assert judge(found, case("padding").draw("conv2d"))["backward"].kind == OK


def test_the_role_of_a_mapped_name_is_that_of_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    text = changed(loop_code.CS231N, ("conv_forward_naive", "vorwärts"), ("conv_backward_naive", "my_backprop"))
    found = recognise(load(monkeypatch, text), {"vorwärts": "cs231n.conv2d", "my_backprop": "cs231n.conv2d"})
    (mapped,) = (each for each in found if each.convention.name == "cs231n.conv2d")
    assert {role: target.name for role, target in mapped.targets.items()} == {
        "forward": "vorwärts",
        "backward": "my_backprop",
    }


def test_a_class_with_another_name_is_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    text = changed(loop_code.SCRATCH, ("class Convolution", "class Faltung"))
    (found,) = recognise(load(monkeypatch, text).Faltung, {"Faltung": "scratch.conv2d"})
    assert found.label == "Faltung.forward / Faltung.backward"


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"conv_forward_naive": "cs231n.convolution"}, r"a convention must be one of cs231n.conv2d, .*but got"),
        ({"conv_forward_naive": "cs231n.conv2d.sideways"}, r"but got 'cs231n.conv2d.sideways'"),
        ({"no_such_name": "cs231n.conv2d"}, r"mapping must name functions or classes of \w+, but got 'no_such_name'"),
    ],
)
def test_impossible_mappings(mapping: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidValueError, match=message):
        recognise(load(monkeypatch, loop_code.CS231N), mapping)


def test_a_class_of_another_form_cannot_be_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, "class Layer:\n    def run(self, x): pass")
    with pytest.raises(InvalidValueError, match=r"Layer must be a class of the form Convolution\(W, b"):
        recognise(module, {"Layer": "scratch.conv2d"})


def test_a_function_of_other_parameters_cannot_be_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = recognise(load(monkeypatch, "def f(q, r): pass"), {"f": "plain.conv2d"})
    with pytest.raises(InvalidValueError, match=r"the parameters of f must be those of conv2d\(x, w"):
        judge(found, CASES[0].draw("conv2d"))  # type: ignore[arg-type]


def test_an_instance_is_told_from_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = load(monkeypatch, loop_code.SCRATCH).Pooling(2, 2)
    with pytest.raises(
        InvalidTypeError, match=r"must be a module, a class or a function, but got Pooling\. Pass its class"
    ):
        recognise(pool)
    with pytest.raises(InvalidTypeError, match="but got int"):
        recognise(3)


def test_static_methods_of_a_class_are_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "class Loops:\n    @staticmethod\n    def max_pool_forward(x, pool_param): return x, (x, pool_param)"
    (found,) = recognise(load(monkeypatch, text).Loops)
    assert found.label == "Loops.max_pool_forward"


def test_names_of_conventions_are_unique_and_found() -> None:
    names = [convention.name for convention in CONVENTIONS]
    assert len(set(names)) == len(names)
    for convention in CONVENTIONS:
        assert by_name(convention.name) == (convention, None)
        for role in convention.gives:
            assert by_name(f"{convention.name}.{role}") == (convention, role)


@pytest.mark.parametrize(
    ("name", "expected_words"),
    [("conv_forward_naive", ["conv", "forward", "naive"]), ("ConvForward", ["conv", "forward"]), ("maxPool2d", None)],
)
def test_words_of_a_name(name: str, expected_words: list[str] | None) -> None:
    assert words(name) == (expected_words or ["max", "pool2d"])


# judgement


def implementations(monkeypatch: pytest.MonkeyPatch, text: str) -> Iterator[Implementation]:
    yield from recognise(load(monkeypatch, text))


@pytest.mark.parametrize("name", RIGHT)
def test_right_loops_are_right_in_every_case(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = 0
    for implementation in implementations(monkeypatch, source(name)):
        for each in CASES:
            for operation in implementation.convention.operations:
                problem = each.draw(operation)
                if problem is None:
                    continue
                verdicts = judge(implementation, problem, "" if each.also == "dtype" else each.also)
                worst_of = worst(verdicts)
                label = f"{implementation.label} {each.phrase}: {worst_of.text}"
                assert worst_of.kind in (OK, CANNOT) or "NotImplementedError: padding" in worst_of.text, label
                judged += worst_of.kind == OK
    assert judged > 15


def only(module: ModuleType, name: str) -> Implementation:
    return next(each for each in recognise(module) if each.convention.name == name)


def test_float64_from_float32_is_said_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    implementation = only(load(monkeypatch, loop_code.CS231N), "cs231n.avg_pool2d")
    problem = case("float32").draw("avg_pool2d")
    verdict = judge(implementation, problem, "dtype")["forward"]
    assert (verdict.kind, verdict.text) == (OK, "y is float64 for float32 input")
    assert judge(implementation, problem)["forward"].text == ""
    backward = judge(implementation, problem, "dtype")["backward"]
    assert (backward.kind, backward.text) == (OK, "")
    assert worst({"backward": backward, "forward": verdict}) is verdict


def test_what_is_raised_is_said_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "def conv_forward(x, w, b, conv_param):\n    raise KeyError('oh')"
    (implementation,) = implementations(monkeypatch, text)
    verdict = judge(implementation, CASES[0].draw("conv2d"))["forward"]  # type: ignore[arg-type]
    assert (verdict.kind, verdict.text) == (RAISED, "KeyError: 'oh' (conv_forward, line 2)")


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("None, None", "y is no array but None"),
        ("[x], None", "y is no array but a list"),
        ("x, None", r"y has shape (2, 3, 4, 4) instead of (2, 3, 2, 2)"),
        ("x[:, :, ::2, ::2] * 1j, None", "y is of dtype complex128"),
        ("x[:, :, ::2, ::2] * np.nan, None", "y is NaN in places"),
    ],
)
def test_what_is_no_result(result: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code = f"import numpy as np\ndef max_pool_forward(x, pool_param): return {result}"
    (implementation,) = implementations(monkeypatch, code)
    verdict = judge(implementation, CASES[0].draw("max_pool2d"))["forward"]  # type: ignore[arg-type]
    assert (verdict.kind, verdict.text) == (WRONG, text)


def test_a_modified_input_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    text = changed(
        loop_code.CS231N, ("    x, w, b, conv_param = cache", "    x, w, b, conv_param = cache\n    dout *= 1.5")
    )
    implementation = only(load(monkeypatch, text), "cs231n.conv2d")
    problem = case("inputs looked at afterwards").draw("conv2d")
    assert run(implementation, problem).modified == (("backward", "dy"),)
    assert judge(implementation, problem, "unmodified")["forward"].kind == OK  # it is not to blame
    shifted = changed(
        loop_code.CS231N, ("    stride, pad = conv_param", "    w += 0.0\n    x += 0.5\n    stride, pad = conv_param")
    )
    text = changed(shifted, ("    return out, (x, w", "    x = x - 0.5\n    return out, (x, w"))
    assert ("forward", "x") in run(only(load(monkeypatch, text), "cs231n.conv2d"), problem).modified


def test_state_between_calls_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    text = changed(
        loop_code.CS231N,
        ("def conv_forward_naive", "calls = []\n\n\ndef conv_forward_naive"),
        ("+ b[f]", "+ b[f] * (not calls)"),
    )
    text = changed(text, ("    return out, (x, w", "    calls.append(1)\n    return out, (x, w"))
    implementation = only(load(monkeypatch, text), "cs231n.conv2d")
    verdict = judge(implementation, case("a second call").draw("conv2d"), "repeat")["forward"]
    assert verdict.kind == WRONG
    assert verdict.text.startswith("a second call is not like the first: y differs by up to")


def test_the_tolerance_is_that_of_the_coarser_dtype() -> None:
    problem = draw_problem("conv2d", dtype=np.float32)
    right = expected(problem).y
    assert compared("y", right.astype(np.float32), problem).kind == OK
    assert compared("y", (right * (1 + 1e-7)), problem).kind == OK  # computed in float32, stored as float64
    assert compared("y", right * (1 + 1e-7), draw_problem("conv2d")).kind == WRONG


@pytest.mark.parametrize(
    ("padding", "takes"),
    [
        ("padding", False),
        ("((padding, padding),) * 2 if isinstance(padding, int) else [(p, p) for p in padding]", True),
    ],
)
def test_whether_sizes_may_be_pairs_is_found_by_trying(
    padding: str, takes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, rows = "def convolve2d(image, kernel", "    rows, columns = image.shape[0]"
    text = changed(
        loop_code.IMAGES, (head, f"{head}, padding=0"), (rows, f"    image = np.pad(image, {padding})\n{rows}")
    )
    implementation = next(each for each in recognise(load(monkeypatch, text)) if each.label == "convolve2d")
    assert judge(implementation, case("padding").draw("conv2d"))["forward"].kind == OK
    verdict = judge(implementation, case("different padding per axis").draw("conv2d"))["forward"]
    assert (verdict.kind, verdict.text) == ((OK, "") if takes else (CANNOT, "it has one padding for both axes"))


# words for mistakes


def spoiled(problem: Any, name: str) -> Iterator[tuple[str, Any]]:
    weight, bias = problem.filters if problem.operation == "conv2d" else (None, None)
    if problem.operation == "conv2d":
        yield "kernel flipped", fc.conv2d(problem.x, weight[:, :, ::-1, ::-1], bias)
        yield "bias is forgotten", fc.conv2d(problem.x, weight)
        yield "height and width of the kernel", fc.conv2d(problem.x, weight.transpose(0, 1, 3, 2), bias)
        yield "", fc.conv2d(problem.x, weight * 2, bias)


def test_usual_mistakes_of_a_convolution_have_words() -> None:
    problem = draw_problem("conv2d")
    weight, bias = problem.filters
    y = expected(problem).y
    for expected_words, wrong in spoiled(problem, "y"):
        said = diagnose("y", wrong, problem)
        assert expected_words in said
        assert bool(said) == bool(expected_words)
    padded = draw_problem("conv2d", padding=(1, 1))
    edges = np.pad(padded.x, [(0, 0), (0, 0), (1, 1), (1, 1)], mode="edge")
    assert "repeats the border" in diagnose("y", fc.conv2d(edges, *padded.filters), padded)
    assert "number of images" in diagnose("dweight", expected(problem).dweight / 2, problem)
    assert "mean over the positions" in diagnose("dbias", problem.gradient.mean(axis=(0, 2, 3)), problem)
    assert "all zeros" in diagnose("dbias", np.zeros(4), problem)
    assert diagnose("y", y[:1], problem) == ""
    assert diagnose("y", None, problem) == ""


def test_usual_mistakes_of_a_pooling_have_words() -> None:
    negative = case("negative input and padding").draw("max_pool2d")
    zeros = np.pad(negative.x, [(0, 0), (0, 0), (1, 1), (1, 1)])
    assert "padding is zero" in diagnose("y", fc.max_pool2d(zeros, 3, stride=2), negative)
    average = case("padding").draw("avg_pool2d")
    uncounted = fc.avg_pool2d(average.x, 2, stride=2, padding=1, count_include_pad=False)
    assert "padding is not counted" in diagnose("y", uncounted, average)
    ties = case("ties").draw("max_pool2d")
    y = fc.max_pool2d(ties.x, 2).repeat(2, axis=2).repeat(2, axis=3)
    spread = (ties.x == y) * ties.gradient.repeat(2, axis=2).repeat(2, axis=3)
    assert "every one gets the whole gradient" in diagnose("dx", spread, ties)


def test_the_documentation_names_every_convention() -> None:
    page = ROOT / "docs" / "accelerate.md"
    if not page.is_file():
        pytest.skip("the documentation is in a checkout and in the source distribution alone")
    text = page.read_text(encoding="utf-8")
    assert [convention.name for convention in CONVENTIONS if f"`{convention.name}`" not in text] == []
