"""Every public call with arguments that nobody should pass: a right result or a clear error, and never a crash."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import fuzzed_calls
import numpy as np
import pytest
from fuzzer import ROWS, Trial, trials, unclear, verdict
from hostile_values import ANYTHING, RaisesAlways
from programs import FULL, SUPPORT, run_file
from public_call import PublicCall

import fastconv as fc
from fastconv import data, functional, initializers, layers, losses, optim
from fastconv.compat import cs231n, tensorflow, tutorial
from fastconv.compat.cs231n import fast_layers
from fastconv.compat.cs231n import optim as course_optim
from fastconv.compat.cs231n.classifiers import fc_net
from fastconv.compat.cs231n.solver import Solver
from fastconv.errors import InvalidTypeError, InvalidValueError, MemoryLimitError, shown

COUNT = 30_000 if FULL else 1_500

# Public names that the fuzzer has no row for, with the reason.
LEFT_OUT = {
    "ConvGradients": "a tuple of results",
    "PReLUGradients": "a tuple of results",
    "StateDifference": "a tuple of names",
    "DataBundle": "a tuple of datasets",
    "Batches": "what batches makes",
    "Layer": "abstract",
    "Optimizer": "abstract",
    "Schedule": "abstract",
    "SequentialLR": "made of schedules",
    "MaxUnpool1d": "as MaxUnpool2d",
    "MaxUnpool3d": "as MaxUnpool2d",
    "inference_mode": "takes nothing",
    "undrawn": "takes nothing",
    "data_folder": "takes nothing",
    "load_sample_photographs": "takes nothing",
    "by_name": "asks for initializers on behalf of a layer",
    "fans": "asked by every initializer",
}


@pytest.mark.slow
@pytest.mark.parametrize("rows", ROWS)
def test_every_public_call(rows: str) -> None:
    """In a process of its own: what crashes or hangs is one test that fails, with its last call in the message."""
    seed = int.from_bytes(np.random.default_rng().bytes(3), "big") if FULL else 0
    printed = run_file(SUPPORT / "fuzzer.py", str(seed), str(COUNT), rows)
    assert printed.splitlines()[-1] == f"{COUNT} calls with seed {seed}, 0 unclear"


@pytest.mark.parametrize("module", [functional, layers, losses, optim, data, initializers], ids=lambda m: m.__name__)
def test_every_public_name_has_a_row(module: Any) -> None:
    rows = {call.name for call in fuzzed_calls.every_call()}
    values = [getattr(module, name) for name in module.__all__]
    public = {value.__name__ for value in values if inspect.isroutine(value) or inspect.isclass(value)}
    assert public - rows - LEFT_OUT.keys() == set()


def test_the_same_seed_gives_the_same_calls() -> None:
    first, again = ([str(trial) for trial in trials(3, 50)] for _ in range(2))
    assert first == again
    assert first != [str(trial) for trial in trials(4, 50)]


def raised(error: BaseException) -> Callable[..., Any]:
    def function(x: Any) -> Any:
        raise error

    return function


def chained() -> InvalidValueError:
    error: BaseException | None = None
    for kind in (KeyError, ValueError, InvalidValueError):
        error, before = kind("f: x must be so, but got y."), error
        error.__cause__ = before
    assert isinstance(error, InvalidValueError)
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("f: x must be so."), r"RuntimeError: f: x must be so\. is not one of fastconv\.errors"),
        (MemoryError(), r"MemoryError:  is not one of fastconv\.errors"),
        (InvalidTypeError("f: x must be " + "so " * 300), "InvalidTypeError of 9.. characters"),
        (InvalidTypeError("x is wrong"), "does not name the operation"),
        (InvalidTypeError("f: is wrong"), "names no argument"),
        (chained(), "after ValueError and KeyError"),
    ],
)
def test_unclear_errors_are_found(error: Exception, words: str) -> None:
    call = PublicCall("f", raised(error), {"x": 1})
    assert re.search(words, verdict(Trial(call, {"x": "seven"})) or "")
    assert unclear(InvalidValueError("f: x must be so, but got y."), call) is None


def test_wrong_results_are_found() -> None:
    """A result that depends on the order in memory, and an argument that is changed."""
    x = np.array([[3.0, 1.0, 2.0], [5.0, 4.0, 6.0]], np.float32)
    call = PublicCall("f", lambda x: x.ravel("K"), {"x": x})
    assert "a result of (6,) float32 that is not that of" in (verdict(Trial(call, {"x": "Fortran order"})) or "")
    call = PublicCall("f", lambda x, y: x.sort(), {"x": x, "y": 1})
    assert verdict(Trial(call, {"y": "seven"})) == "changed x"


# what was found by it, each kind once


@pytest.mark.parametrize("name", ANYTHING)
def test_words_for_anything_are_short(name: str) -> None:
    assert 0 < len(shown(ANYTHING[name]())) < 250


def test_words_say_what_matters() -> None:
    assert shown([1, 2.0, None]) == "[1, 2.0, None]"
    assert shown("a" * 300) == repr("a" * 200) + "..."
    assert shown(10**5000) == "an integer of 16610 bits"
    assert shown(np.zeros((4, 5), np.float32)) == "an array of shape (4, 5) and float32"
    assert shown(np.array([1, 2])) == "array([1, 2])"
    assert shown(range(10**9)) == "range(0, 1000000000)"
    assert shown([0] * 9) == "a list of 9"
    assert shown(RaisesAlways()) == "RaisesAlways"
    assert shown(object()) == "object"


@pytest.mark.parametrize("layout", [np.zeros((2, 2)), np.array(["NCHW", "NHWC"]), ["NCHW"], None])
def test_a_layout_that_is_no_text(layout: Any) -> None:
    for call in (fc.conv2d, fc.im2col):
        with pytest.raises(InvalidTypeError, match=rf"{call.__name__}: layout must be 'NCHW' or 'NHWC', but got"):
            call(np.ones((1, 1, 3, 4)), *((np.ones((1, 1, 2, 2)),) if call is fc.conv2d else (2,)), layout=layout)


def test_iterators_without_an_end_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = ANYTHING["endless iterator"]
    with pytest.raises(InvalidValueError, match="stride must be one integer or a sequence of 2"):
        fc.max_pool2d(np.ones((1, 1, 3, 4)), 2, stride=endless())
    with pytest.raises(InvalidTypeError, match="parameters must be Parameter objects"):
        optim.SGD(endless())
    with pytest.raises(InvalidValueError, match="input_shape must have at most 32 axes"):
        layers.ReLU().output_shape(endless())


def test_a_seed_that_holds_itself_is_refused() -> None:
    """NumPy recurses into it until the process ends."""
    with pytest.raises(InvalidTypeError, match=r"Dropout: rng must be .*, a non-negative seed"):
        layers.Dropout(rng=ANYTHING["list in itself"]())
    assert layers.Dropout(rng=[1, 2]).rng.random() == np.random.default_rng([1, 2]).random()
    assert layers.Dropout(rng=2**100).rng.random() == np.random.default_rng(2**100).random()


def test_what_a_foreign_object_raises_is_said() -> None:
    with pytest.raises(InvalidTypeError, match=r"x must be an array of numbers.*RuntimeError\('no array today'\)"):
        fc.conv2d(ANYTHING["raises as an array"](), np.ones((1, 1, 2, 2)))


def test_arrays_that_do_not_fit_name_the_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*arguments: Any) -> Any:
        raise MemoryError("Unable to allocate 1 TiB")

    class TooLarge:
        __array__ = none_left

    with pytest.raises(MemoryLimitError, match="conv2d: x must fit into memory, but Unable to allocate 1 TiB"):
        fc.conv2d(TooLarge(), np.ones((1, 1, 2, 2)))


def test_a_window_over_channels_may_be_of_any_length() -> None:
    """It took as long as it says; beyond the channels there is nothing to sum."""
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    for backend in fc.available_backends():
        y = functional.local_response_norm(x, 2**40, alpha=2.0**40, backend=backend)
        expected = x / (1 + np.square(x).sum(axis=1, keepdims=True)) ** 0.75
        np.testing.assert_allclose(y, expected, rtol=1e-12)


def test_what_stands_in_for_old_code_says_what_it_takes() -> None:
    """A few of the arguments that ended in an exception of NumPy, in a line of Python, or never."""
    x, w, endless = np.ones((1, 3, 4, 1)), np.ones((2, 2, 1, 1)), ANYTHING["endless iterator"]
    nested: list[Any] = ANYTHING["list in itself"]()
    loops = {"pool_height": 2, "pool_width": 2, "stride": nested}
    rule, network = course_optim.sgd, fc_net.FullyConnectedNet
    data = dict.fromkeys(("X_train", "X_val"), np.ones((2, 3))) | dict.fromkeys(("y_train", "y_val"), np.zeros(2, int))
    calls: list[tuple[Callable[[], Any], str]] = [
        (lambda: tensorflow.nn.conv2d(x, w, 1, endless()), "conv2d: padding must be 'SAME', 'VALID' or four pairs"),
        (lambda: cs231n.install("old", only=endless()), "install: only must name modules of"),
        (lambda: fast_layers.max_pool_forward_fast(x, loops), "max_pool_forward_fast: stride must be an integer"),
        (lambda: fast_layers.max_pool_forward_fast(x, 10**5000), "must be a dictionary .* an integer of 16610 bits"),
        (lambda: rule(np.ones(3), np.ones(3), {"learning_rate": np.ones(2)}), "sgd: w, dw and config must be .* fit"),
        (lambda: rule(np.ones(3), np.ones(3), 0.1), "sgd: config must be a dictionary or None, but got 0.1"),
        (lambda: network(hidden_dims=[4], weight_scale="x"), "FullyConnectedNet: weight_scale must be a number"),
        (lambda: Solver(fc_net.TwoLayerNet(3, 4, 2), data, batch_size=0), "Solver: batch_size must be at least 1"),
        (lambda: tutorial.element_wise_op(np.ones(3), 1.5), "element_wise_op: op must be a function of a number"),
        (lambda: tutorial.Filter(3, 2.5, 1), "Filter: height must be an integer"),
        (lambda: fc.check(__file__, mapping=3), "check: mapping must map names to conventions"),
    ]  # fmt: skip
    for call, words in calls:
        with pytest.raises((InvalidValueError, InvalidTypeError), match=words):
            call()
