"""`accelerate`: right loops become fast and stay the same, wrong ones stay as they are and are told why."""

from __future__ import annotations

import functools
import inspect
import pickle
import random
import re
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import loop_code
import numpy as np
import pytest
from grids import quick
from loop_code import (
    CONV_PARAM,
    COUNTS,
    HARD_CODED_STRIDES,
    LAST_OF_TIES,
    OPAQUE,
    POOL_PARAM,
    arrays,
    bound,
    changed,
    load,
    numbers,
    same,
    tree,
)

import fastconv as fc
from fastconv.dropin.accelerate import Acceleration, AccelerationError, AccelerationWarning
from fastconv.dropin.conventions import CASES, recognise, run
from fastconv.dropin.conventions.convention import Cache
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.testing import assert_close

# right loops


@pytest.mark.parametrize("name", COUNTS)
def test_right_loops_are_replaced_and_come_back(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, getattr(loop_code, name))
    before = bound(module)
    accelerated = fc.accelerate(module, on_mismatch="raise")
    assert accelerated.refused == {}
    assert len(accelerated) == len(accelerated.fast) == COUNTS[name]
    now = bound(module)
    for label in accelerated:
        assert accelerated[label] is before[label]
        assert accelerated.fast[label] is now[label]
        assert now[label] is not before[label]
    assert {label for label in now if now[label] is not before[label]} == set(accelerated)
    accelerated.undo()
    assert bound(module) == before


@pytest.mark.parametrize("name", quick(COUNTS, 3))
def test_a_replaced_function_gives_what_the_original_gives(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    originals = recognise(load(monkeypatch, getattr(loop_code, name), "originals"))
    module = load(monkeypatch, getattr(loop_code, name), "replaced")
    fc.accelerate(module)
    replaced = {each.label: each for each in recognise(module)}
    for original in originals:
        for case in CASES:
            for operation in original.convention.operations:
                problem = case.draw(operation)
                if problem is None or original.convention.cannot_express(original, problem):
                    continue
                problem = original.convention.adapted(original, problem)
                theirs, ours = run(original, problem), run(replaced[original.label], problem)
                if "NotImplementedError: padding" in "".join(theirs.errors.values()):
                    continue  # the equivalent can do that
                assert theirs.errors == ours.errors
                assert tree(tuple(ours.results)) == tree(tuple(theirs.results))
                for one, other in zip(arrays(tuple(ours.results)), arrays(tuple(theirs.results))):
                    kind = problem.x.dtype if problem.x.dtype.kind == "f" else one.dtype  # theirs may sum in float32
                    assert_close(one.astype(kind), other.astype(kind), magnitude=1000)


@pytest.mark.parametrize("dtypes", [(np.float32,) * 3, (np.float64, np.float32, np.float32), (np.float16,) * 3])
@pytest.mark.parametrize("out", ["np.result_type(x, w, b)", "np.float64", "np.float32"])
def test_dtypes_are_those_of_the_original(dtypes: Any, out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, changed(loop_code.CS231N, ("dtype=np.result_type(x, w, b)", f"dtype={out}")))
    original, back = module.conv_forward_naive, module.conv_backward_naive
    fc.accelerate(module, on_mismatch="raise")
    arguments = [numbers(*shape, dtype=dtype) for shape, dtype in zip(((2, 3, 5, 6), (4, 3, 3, 2), (4,)), dtypes)]
    y, cache = module.conv_forward_naive(*arguments, CONV_PARAM)
    expected_y, expected_cache = original(*arguments, CONV_PARAM)
    assert y.dtype == expected_y.dtype
    for dtype in (np.float16, np.float32, np.float64):
        dout = numbers(*y.shape, dtype=dtype)
        got, wanted = module.conv_backward_naive(dout, cache), back(dout, expected_cache)
        assert [array.dtype for array in got] == [array.dtype for array in wanted]


def test_results_in_float64_from_float32_are_computed_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    text = changed(loop_code.CS231N, ("dtype=np.result_type(x, w, b)", "dtype=np.float64"))
    module = load(monkeypatch, text)
    fc.accelerate(module)
    x, w, b = (numbers(*shape, dtype=np.float32) for shape in ((2, 3, 5, 6), (4, 3, 3, 2), (4,)))
    y, _ = module.conv_forward_naive(x, w, b, CONV_PARAM)
    exactly = fc.conv2d(*(array.astype(np.float64) for array in (x, w, b)), stride=2, padding=1, backend="naive")
    assert_close(y, exactly)


def test_integer_images_give_what_they_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(0).integers(0, 256, (2, 3, 6, 7)).astype(np.uint8)
    w, b = numbers(4, 3, 3, 3), numbers(4)
    for out in ("np.result_type(x, w, b)", "x.dtype"):  # the second rounds what comes out of an integer image
        module = load(monkeypatch, changed(loop_code.CS231N, ("np.result_type(x, w, b)", out)))
        conv, pool = module.conv_forward_naive, module.max_pool_forward_naive
        with np.errstate(invalid="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected_y, expected_maxima = conv(image, w, b, CONV_PARAM)[0], pool(image, POOL_PARAM)[0]
            accelerated = fc.accelerate(module, on_mismatch="raise")
            assert len(accelerated) == 6
            same(module.conv_forward_naive(image, w, b, CONV_PARAM)[0], expected_y)
            same(module.max_pool_forward_naive(image, POOL_PARAM)[0], expected_maxima)
            dout = numbers(*expected_maxima.shape)
            same(
                module.max_pool_backward_naive(dout, (image, POOL_PARAM)),
                accelerated["max_pool_backward_naive"](dout, (image, POOL_PARAM)),
            )


def test_a_call_that_is_not_taken_goes_to_the_original(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, changed(loop_code.CS231N, ('conv_param["pad"]', 'conv_param.get("pad", 0)')))
    accelerated = fc.accelerate(module)
    forward = accelerated["conv_forward_naive"]
    x, w, b = numbers(1, 2, 4, 5), numbers(3, 2, 2, 2), numbers(3)
    y, expected = module.conv_forward_naive(x * 1j, w, b, CONV_PARAM)[0], forward(x * 1j, w, b, CONV_PARAM)[0]
    np.testing.assert_array_equal(y, expected)
    same(module.conv_forward_naive(x, w, b, {"stride": 1})[0], forward(x, w, b, {"stride": 1})[0])
    with pytest.raises(ValueError, match="not enough values to unpack") as caught:
        module.conv_forward_naive(x[0], w, b, CONV_PARAM)
    assert caught.value.__context__ is None


def test_sizes_under_another_name_go_to_the_original(monkeypatch: pytest.MonkeyPatch) -> None:
    first = '    stride, pad = conv_param["stride"], conv_param["pad"]\n    N'
    text = changed(loop_code.CS231N, (first, f"    x = x * conv_param.get('scale', 1)\n{first}"))
    text = changed(text, ("window.max(axis=(2, 3))", 'window.max(axis=(2, 3)) * pool_param.get("scale", 1)'))
    module = load(monkeypatch, text)
    accelerated = fc.accelerate(module, on_mismatch="raise")
    x, w, b = numbers(1, 2, 5, 6), numbers(3, 2, 3, 3), numbers(3)
    for name, arguments, sizes in [
        ("conv_forward_naive", (x, w, b), CONV_PARAM),
        ("max_pool_forward_naive", (x,), POOL_PARAM),
    ]:
        sizes = {**sizes, "scale": 2}
        y, cache = getattr(module, name)(*arguments, sizes)
        same(y, accelerated[name](*arguments, sizes)[0])
        back = name.replace("forward", "backward")
        same(getattr(module, back)(y, cache), accelerated[back](y, cache))
    module = load(
        monkeypatch,
        changed(
            loop_code.COURSERA,
            (
                "window.max(axis=(1, 2)) if",
                'window.max(axis=(1, 2)) * hparameters.get("scale", 1) if',
            ),
        ),
    )
    accelerated = fc.accelerate(module, on_mismatch="raise")
    sizes = {"f": 2, "stride": 1, "scale": -1}
    same(module.pool_forward(x, sizes)[0], accelerated["pool_forward"](x, sizes)[0])
    w, b = numbers(2, 2, 6, 3), numbers(1, 1, 1, 3)
    sizes = {"f": 2, "stride": 1, "pad": 1}  # the size of the filters says nothing new
    assert isinstance(module.conv_forward(x, w, b, sizes)[1], Cache)
    assert not isinstance(module.conv_forward(x, w, b, {**sizes, "scale": 1})[1], Cache)


def test_sizes_of_a_kind_that_was_not_tried_go_to_the_original(monkeypatch: pytest.MonkeyPatch) -> None:
    first = '    stride, pad = conv_param["stride"], conv_param["pad"]\n'
    text = changed(
        loop_code.CS231N, (first, f"{first}    pad = {{'full': 2}}.get(pad, pad)\n    stride = int(stride)\n")
    )
    module = load(monkeypatch, text)
    accelerated = fc.accelerate(module, on_mismatch="raise")
    x, w, b = numbers(1, 2, 5, 6), numbers(3, 2, 3, 3), numbers(3)
    for sizes in ({"stride": "2", "pad": 1}, {"stride": 1.5, "pad": 0}, {"stride": 1, "pad": "full"}):
        same(module.conv_forward_naive(x, w, b, sizes)[0], accelerated["conv_forward_naive"](x, w, b, sizes)[0])
    with pytest.raises(TypeError, match="int"):
        module.conv_forward_naive(x, w, b, {"stride": (1, 2), "pad": 0})  # fastconv could, but nobody has tried it


def test_a_function_that_refuses_some_cases_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = "dpadded[:, pad : pad + A_prev.shape[1], pad : pad + A_prev.shape[2]]"
    text = changed(loop_code.COURSERA, (cut, "dpadded[:, pad:-pad, pad:-pad] + np.zeros(A_prev.shape)"))
    module = load(monkeypatch, text)
    accelerated = fc.accelerate(module, on_mismatch="raise")  # without padding it raises
    assert "conv_backward" in accelerated
    assert list(accelerated.partly) == ["conv_backward"]
    assert re.match(
        r"in the plain case \(x .*\) it raised ValueError: .*; calls with .*no padding.* go to it", said(accelerated)
    )
    assert "conv_backward  fast, except with no padding: in the plain case (x (2, 3, 4, 4)" in repr(accelerated)
    x, w, b = numbers(2, 6, 7, 3), numbers(3, 3, 3, 4), numbers(1, 1, 1, 4)
    for pad in (0, 1):
        sizes = {"stride": 2, "pad": pad}
        dz, cache = module.conv_forward(x, w, b, sizes)
        if pad:
            same(module.conv_backward(dz, cache), accelerated["conv_backward"](dz, cache))
            assert "conv_backward" not in called(module.conv_backward, dz, cache)
        else:
            with pytest.raises(ValueError, match="operands could not be broadcast"):
                module.conv_backward(dz, cache)


def said(accelerated: Acceleration) -> str:
    (text,) = accelerated.partly.values()
    return text


def called(function: Callable[..., Any], *arguments: Any) -> set[str]:
    """Names of the functions of somebody's module that a call runs."""
    names: set[str] = set()
    sys.setprofile(
        lambda frame, event, _: names.add(frame.f_code.co_name) if "loops" in frame.f_code.co_filename else None
    )
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return names


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("(H - HH) % stride or (W - WW) % stride", {"stride": 2, "pool_height": 2, "pool_width": 3}),
        ("(HH, WW) != (stride, stride)", {"stride": 2, "pool_height": 3, "pool_width": 3}),
        ("H != W", {"stride": 1, "pool_height": 2, "pool_width": 2}),
    ],
)
def test_what_the_original_asserts_is_still_asserted(
    where: str, kept: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = "    OH, OW = 1 + (H - HH) // stride, 1 + (W - WW) // stride\n    out = np.zeros((N, C, OH, OW), dtype"
    module = load(monkeypatch, changed(loop_code.CS231N, (first, f"    assert not ({where}), 'sizes'\n{first}")))
    accelerated = fc.accelerate(module, on_mismatch="raise")
    assert {"max_pool_forward_naive", "max_pool_backward_naive"} <= set(accelerated)
    with pytest.raises(AssertionError, match="sizes"):
        module.max_pool_forward_naive(numbers(2, 3, 6, 8), kept)
    x = numbers(2, 3, 6, 6)
    plain = {"stride": 2, "pool_height": 2, "pool_width": 2}
    same(module.max_pool_forward_naive(x, plain), accelerated["max_pool_forward_naive"](x, plain))
    assert not called(module.max_pool_forward_naive, x, plain)


@pytest.mark.parametrize(
    "where",
    ["(x < 0).all()", "C == 9", "x[0, 0, 0, 0] == 1"],
)
def test_what_raises_for_no_reason_that_can_be_told_is_left(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = "    OH, OW = 1 + (H - HH) // stride, 1 + (W - WW) // stride\n    out = np.zeros((N, C, OH, OW), dtype"
    module = load(monkeypatch, changed(loop_code.CS231N, (first, f"    assert not ({where}), 'oh'\n{first}")))
    accelerated = fc.accelerate(module, on_mismatch="skip")
    text = str(accelerated.refused["max_pool_forward_naive"])
    assert re.search(r"it raised AssertionError: oh .*nothing about the sizes tells that from calls in which", text)
    with pytest.raises(AccelerationError, match="it raised AssertionError: oh"):
        fc.accelerate(module, on_mismatch="raise")


def test_dtypes_that_the_original_does_not_take_go_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    first = '    stride, pad = conv_param["stride"], conv_param["pad"]\n    N'
    text = changed(loop_code.CS231N, (first, f"    assert x.dtype == w.dtype == np.float64\n{first}"))
    module = load(monkeypatch, text)
    accelerated = fc.accelerate(module, on_mismatch="raise")
    x, w, b = numbers(1, 2, 5, 6), numbers(3, 2, 3, 3), numbers(3)
    same(module.conv_forward_naive(x, w, b, CONV_PARAM)[0], accelerated["conv_forward_naive"](x, w, b, CONV_PARAM)[0])
    for arguments in ((x.astype(np.float32), w), (x, w.astype(np.float32))):
        with pytest.raises(AssertionError):
            module.conv_forward_naive(*arguments, b, CONV_PARAM)


def test_a_backward_pass_that_is_left_to_the_original_has_what_that_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    start = "    x, w, b, conv_param = cache"
    text = changed(loop_code.CS231N, *OPAQUE, (start, f"    dout = np.real(dout)\n{start}"))
    module = load(monkeypatch, text)
    accelerated = fc.accelerate(module, on_mismatch="raise")
    x, w, b = numbers(2, 2, 4, 5), numbers(3, 2, 2, 2), numbers(3)
    y, cache = module.conv_forward_naive(x, w, b, CONV_PARAM)
    expected = accelerated["conv_backward_naive"](y, accelerated["conv_forward_naive"](x, w, b, CONV_PARAM)[1])
    same(module.conv_backward_naive(y + 1j, cache), expected)  # nobody has tried complex numbers
    same(module.conv_backward_naive(dout=y + 1j, cache=cache), expected)
    first = "        dout = dout.transpose(0, 2, 3, 1).reshape(-1, FN)"
    module = load(monkeypatch, changed(loop_code.SCRATCH, (first, f"        dout = np.real(dout)\n{first}")))
    layer = module.Convolution(w, b, 1, 1)
    layer.forward(-x)
    with fc.accelerate(module):
        y = layer.forward(x)
        dx, dw, db = layer.backward(y), layer.dW, layer.db
        same((layer.backward(y + 1j), layer.dW, layer.db), (dx, dw, db))


def test_a_function_with_attributes_keeps_what_is_returned_whole() -> None:
    function: Any = plain_convolution()
    function.fast, function.undo = "theirs", "theirs"
    accelerated = fc.accelerate(function)
    assert list(accelerated.fast) == ["convolve2d"]
    assert accelerated.fast["convolve2d"].undo == "theirs"  # type: ignore[attr-defined]
    accelerated.undo()


def test_the_cache_of_the_original_is_taken_and_ours_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, loop_code.CS231N)
    accelerated = fc.accelerate(module)
    x, w, b = numbers(1, 2, 4, 5), numbers(3, 2, 2, 2), numbers(3)
    for forward in (accelerated["conv_forward_naive"], module.conv_forward_naive):
        y, cache = forward(x, w, b, CONV_PARAM)
        assert isinstance(cache, tuple)
        assert cache[0] is x
        got = module.conv_backward_naive(y, cache)
        same(got, accelerated["conv_backward_naive"](y, pickle.loads(pickle.dumps(cache))))


def test_a_pair_with_a_cache_of_its_own_is_replaced_together(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, changed(loop_code.CS231N, *OPAQUE))
    accelerated = fc.accelerate(module, on_mismatch="raise")
    x, w, b = numbers(1, 2, 4, 5), numbers(3, 2, 2, 2), numbers(3)
    y, cache = module.conv_forward_naive(x, w, b, CONV_PARAM)
    _, theirs = accelerated["conv_forward_naive"](x, w, b, CONV_PARAM)
    same(module.conv_backward_naive(y, cache), accelerated["conv_backward_naive"](y, theirs))
    # a cache that was made before goes to the original, though it looks like ours
    same(module.conv_backward_naive(y, theirs), accelerated["conv_backward_naive"](y, theirs))


# what happens on a mismatch


def test_raise_replaces_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, LAST_OF_TIES)
    before = bound(module)
    with pytest.raises(
        AccelerationError, match="nothing was replaced; max_pool_backward_naive was left as it is: with"
    ):
        fc.accelerate(module, on_mismatch="raise")
    assert bound(module) == before
    assert issubclass(AccelerationError, ValueError)


def test_skip_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, LAST_OF_TIES)
    assert set(fc.accelerate(module, on_mismatch="skip").refused) == {"max_pool_backward_naive"}


def test_warnings_point_at_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.warns(AccelerationWarning) as warned:
        fc.accelerate(load(monkeypatch, LAST_OF_TIES))
    assert warned[0].filename == __file__


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"on_mismatch": "ignore"},
            InvalidValueError,
            "accelerate: on_mismatch must be one of 'warn', 'skip', 'raise'",
        ),
        ({"on_mismatch": None}, InvalidTypeError, "on_mismatch must be one of"),
        ({"everywhere": 1}, InvalidTypeError, "everywhere must be True or False"),
        ({"contiguous": "C"}, InvalidTypeError, "contiguous must be True or False"),
        ({"mapping": {"conv_forward_naive": "numpy"}}, InvalidValueError, "a convention must be one of cs231n.conv2d"),
        ({"mapping": ["conv_forward_naive"]}, InvalidTypeError, "mapping must map names to conventions, .* got list"),
    ],
)
def test_bad_options(
    options: dict[str, Any], error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(error, match=message):
        fc.accelerate(load(monkeypatch, loop_code.CS231N), **options)


def test_nothing_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, "def train(model): pass", "their_training")
    with pytest.raises(InvalidValueError, match="but got their_training with none") as caught:
        fc.accelerate(module)
    assert 'mapping={"their_name": "cs231n.conv2d.forward"}' in str(caught.value)
    assert "plain.max_pool2d: max_pool2d(x, kernel_size" in str(caught.value)


def test_what_is_fast_already() -> None:
    for target in (fc, fc.conv2d, fc.compat.cs231n):
        with pytest.raises(InvalidValueError, match="of fastconv, which is fast already"):
            fc.accelerate(target)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("layers.py", "but got str. Import the module first"),
        (functools.partial(print, 1), "but got partial. Pass the function that it calls"),
        (fc.layers.ReLU(), "but got ReLU. "),
        (None, "but got NoneType.$"),
    ],
)
def test_bad_targets(target: Any, message: str) -> None:
    with pytest.raises(InvalidTypeError, match=message):
        fc.accelerate(target)


def test_a_module_with_refused_functions_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(
        monkeypatch, changed(loop_code.IMAGES, (".sum()", ".sum() + 1"), ("y[:, i, j] = image", "y[:, i, j] = -image"))
    )
    accelerated = fc.accelerate(module, on_mismatch="skip")
    assert (len(accelerated), len(accelerated.refused)) == (0, 3)
    assert not accelerated


# undo


def test_undo_leaves_what_somebody_has_bound_since(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, loop_code.CS231N)
    before = bound(module)
    accelerated = fc.accelerate(module)
    other = module.conv_forward_naive = lambda *arguments: None  # type: ignore[attr-defined]
    with pytest.warns(
        AccelerationWarning, match="somebodys_loops.conv_forward_naive was left as it is: it was bound to"
    ):
        accelerated.undo()
    assert module.conv_forward_naive is other
    assert bound(module) == {**before, "conv_forward_naive": other}
    accelerated.undo()  # no second warning


def test_the_context_manager_undoes_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, loop_code.CS231N)
    before = bound(module)
    accelerated = fc.accelerate(module)

    def fails() -> None:
        with accelerated as entered:
            assert module.conv_forward_naive is entered.fast["conv_forward_naive"]
            assert entered.active
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert bound(module) == before
    assert not accelerated.active


def test_twice_is_once(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, LAST_OF_TIES)
    first = fc.accelerate(module, on_mismatch="skip")
    now = bound(module)
    second = fc.accelerate(module, on_mismatch="skip")
    assert bound(module) == now
    assert (dict(second), set(second.refused)) == ({}, {"max_pool_backward_naive"})
    second.undo()
    assert bound(module) == now
    first.undo()
    assert module.conv_forward_naive is first["conv_forward_naive"]
    assert fc.accelerate(first) is first


def test_nested_context_managers(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, loop_code.CS231N)
    before = bound(module)
    with fc.accelerate(module):
        inside = bound(module)
        with fc.accelerate(module):
            assert bound(module) == inside
        assert bound(module) == inside
    assert bound(module) == before


def test_what_was_undone_cannot_be_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    accelerated = fc.accelerate(load(monkeypatch, loop_code.CS231N))
    accelerated.undo()
    with pytest.raises(InvalidValueError, match="must be in force, but got somebodys_loops, which was undone"):
        accelerated.__enter__()


def test_in_several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, loop_code.CS231N)
    before, out = bound(module), sys.stdout

    def use() -> int:
        with fc.accelerate(module) as accelerated:
            return len(accelerated.refused)

    with ThreadPoolExecutor(4) as pool:
        assert [task.result() for task in [pool.submit(use) for _ in range(8)]] == [0] * 8
    assert bound(module) == before
    assert sys.stdout is out


# functions


def plain_convolution() -> Callable[..., Any]:
    """A function that no module holds."""
    return recognise_one(loop_code.IMAGES, "convolve2d")


def recognise_one(text: str, name: str) -> Callable[..., Any]:
    space: dict[str, Any] = {"__name__": "nowhere"}
    exec(text, space)
    function: Callable[..., Any] = space[name]
    return function


def test_a_function_that_no_module_holds_is_called_through_what_is_returned() -> None:
    original = plain_convolution()
    conv = fc.accelerate(original)
    image, kernel = numbers(7, 6), numbers(3, 2)
    same(conv(image, kernel), original(image, kernel))
    assert list(conv) == ["convolve2d"]
    conv.undo()
    same(conv(image, kernel), original(image, kernel))


def test_a_function_is_replaced_in_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, loop_code.PLAIN)
    original = module.conv2d
    accelerated = fc.accelerate(module.conv2d)
    assert module.conv2d is accelerated.fast["conv2d"]
    assert module.conv2d is not original
    assert module.max_pool2d.__name__ == "max_pool2d"
    assert list(accelerated) == ["conv2d"]


def test_a_function_is_replaced_under_the_name_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    body = loop_code.IMAGES.split("def convolve2d")[1].split("\n\n\n")[0]
    lines = "\n".join(f"    {line}" for line in f"def convolve2d{body}".splitlines())
    text = f"import numpy as np\n\n\ndef make():\n{lines}\n    return convolve2d\n\n\nsharpen = make()\n"
    module = load(monkeypatch, text)
    original = module.sharpen
    for target in (module.sharpen, module):
        with fc.accelerate(target) as accelerated:
            assert list(accelerated) == ["sharpen"]
            assert accelerated.elsewhere == ()
            assert module.sharpen is accelerated.fast["sharpen"]
        assert module.sharpen is original


def test_a_decorated_function_can_be_pickled(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(
        monkeypatch,
        f"import fastconv as fc\n{loop_code.IMAGES.replace('def conv', '@fc.accelerate' + chr(10) + 'def conv')}",
    )
    assert pickle.loads(pickle.dumps(module.convolve2d)) is module.convolve2d


def test_as_a_decorator() -> None:
    @fc.accelerate
    def convolve2d(image, kernel, stride=1):  # type: ignore[no-untyped-def]
        """Somebody's words."""
        rows, columns = (1 + (a - b) // stride for a, b in zip(image.shape, kernel.shape))
        y = np.zeros((rows, columns))
        for i in range(rows):
            for j in range(columns):
                top, left = i * stride, j * stride
                y[i, j] = (image[top : top + kernel.shape[0], left : left + kernel.shape[1]] * kernel).sum()
        return y

    image, kernel = numbers(9, 8), numbers(2, 3)
    y = convolve2d(image, kernel=kernel, stride=2)
    same(y, convolve2d["convolve2d"](image, kernel, 2))
    assert convolve2d.__doc__ == "Somebody's words."
    assert vars(convolve2d)["__name__"] == "convolve2d"
    assert [*inspect.signature(convolve2d).parameters] == ["image", "kernel", "stride"]


def test_a_refused_function_still_runs_where_it_was_decorated() -> None:
    def convolve2d(image, kernel):  # type: ignore[no-untyped-def]
        return np.full((image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1), 7.0)

    with pytest.warns(AccelerationWarning, match="convolve2d was left as it is: with a single image"):
        decorated = fc.accelerate(convolve2d)
    assert decorated(numbers(3, 3), numbers(2, 2)).tolist() == [[7, 7], [7, 7]]


def test_several_functions_cannot_be_called(monkeypatch: pytest.MonkeyPatch) -> None:
    accelerated = fc.accelerate(load(monkeypatch, loop_code.CS231N))
    with pytest.raises(InvalidTypeError, match="what is called must be one function, but got 6"):
        accelerated(1)


def test_a_class_is_not_decorated(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, loop_code.SCRATCH)
    decorated = fc.accelerate(module.Convolution)
    with pytest.raises(InvalidTypeError, match=r"A class is changed in place: call accelerate\(…\) below it"):
        decorated(numbers(4, 3, 2, 2), numbers(4))


def test_a_replacement_looks_like_the_original(monkeypatch: pytest.MonkeyPatch) -> None:
    text = changed(loop_code.CS231N, ("(x, w, b, conv_param):", '(x, w, b, conv_param):\n    """Their words."""'))
    module = load(monkeypatch, text)
    accelerated = fc.accelerate(module)
    replaced, original = module.conv_forward_naive, accelerated["conv_forward_naive"]
    assert (replaced.__name__, replaced.__qualname__, replaced.__doc__) == (original.__name__,) * 2 + ("Their words.",)
    assert replaced.__wrapped__ is original
    assert inspect.signature(replaced) == inspect.signature(original)
    assert replaced.__module__ == "somebodys_loops"


def test_arguments_by_name_and_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, loop_code.PLAIN)
    accelerated = fc.accelerate(module)
    x, w, b = numbers(2, 3, 7, 6), numbers(4, 3, 3, 2), numbers(4)
    for arguments, named in [
        ((x, w), {}),
        ((x,), {"weight": w}),
        ((x, w, b), {"padding": (1, 0), "dilation": 2}),
        ((), {"x": x, "weight": w, "bias": b, "stride": 2}),
    ]:
        same(module.conv2d(*arguments, **named), accelerated["conv2d"](*arguments, **named))
    same(module.max_pool2d(x, 3), accelerated["max_pool2d"](x, 3))
    same(module.max_pool2d(x, kernel_size=(3, 2), stride=1), accelerated["max_pool2d"](x, (3, 2), 1))
    same(module.avg_pool2d(img=x, size=2), accelerated["avg_pool2d"](x, 2))
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'weight'"):
        module.conv2d(x)
    with pytest.raises(TypeError, match="unexpected keyword argument 'strides'"):
        module.conv2d(x, w, strides=2)
    with pytest.raises(TypeError, match="multiple values for argument 'x'"):
        module.conv2d(x, w, x=x)
    with pytest.raises(TypeError, match="positional arguments but 7 were given"):
        module.conv2d(x, w, b, 1, 0, 1, 1)
    columns = load(monkeypatch, loop_code.COLUMNS, "columns")
    accelerated = fc.accelerate(columns)
    same(columns.im2col_indices(x, 3, 2), accelerated["im2col_indices"](x, 3, 2))
    same(columns.im2col_indices(x, 3, field_width=2, stride=2), accelerated["im2col_indices"](x, 3, 2, stride=2))


def test_sizes_that_are_always_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
import numpy as np


def convolution2d(input, filters, *, strides=(1, 1), padding=(0, 0)):
    (n, _, h, w), (f, _, kh, kw) = input.shape, filters.shape
    x = np.pad(input, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    y = np.zeros((n, f, (x.shape[2] - kh) // strides[0] + 1, (x.shape[3] - kw) // strides[1] + 1))
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            top, left = i * strides[0], j * strides[1]
            y[:, :, i, j] = np.einsum("nchw,fchw->nf", x[:, :, top : top + kh, left : left + kw], filters)
    return y
"""
    module = load(monkeypatch, text)
    accelerated = fc.accelerate(module, on_mismatch="raise")
    x, w = numbers(2, 3, 7, 6), numbers(4, 3, 3, 2)
    original = accelerated["convolution2d"]
    same(module.convolution2d(x, w, strides=(2, 1), padding=(0, 1)), original(x, w, strides=(2, 1), padding=(0, 1)))
    same(module.convolution2d(x, filters=w), original(x, w))
    with pytest.raises(TypeError, match="positional arguments but 3 were given"):
        module.convolution2d(x, w, (1, 1))


def test_words_for_padding_are_left_to_the_original(monkeypatch: pytest.MonkeyPatch) -> None:
    first = "    y = None\n    for out, i, j, padded, window in windows(x, weight"
    text = changed(loop_code.PLAIN, (first, f"    padding = 1 if padding == 'half' else padding\n{first}"))
    module = load(monkeypatch, text)
    fc.accelerate(module)
    x, w = numbers(1, 1, 4, 5), numbers(1, 1, 3, 3)
    same(module.conv2d(x, w, padding="half"), module.conv2d(x, w, padding=1))


# classes


def test_methods_are_replaced_on_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, loop_code.SCRATCH)
    w, b, x = numbers(4, 3, 3, 2), numbers(4), numbers(2, 3, 7, 6)
    layer = module.Convolution(w, b, 2, 1)
    special = type("Special", (module.Convolution,), {})(w, b, 2, 1)
    y = layer.forward(x)
    dx = layer.backward(y)
    dw, db = layer.dW, layer.db
    accelerated = fc.accelerate(module.Convolution)
    assert set(accelerated) == {"Convolution.forward", "Convolution.backward"}
    for each in (layer, special, module.Convolution(w, b, 2, 1)):
        same(each.forward(x), y)
        assert each.x is x
        same((each.backward(y), each.dW, each.db), (dx, dw, db))
    assert module.im2col.__name__ == "im2col"
    accelerated.undo()
    assert "_fastconv" not in vars(module.Convolution)
    same(module.Convolution(w, b, 2, 1).forward(x), y)


def test_gradients_that_are_written_in_place_stay_where_an_optimizer_holds_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_place = (
        ("self.col_W = self.dW = self.db = None", "self.col_W = None; self.dW, self.db = W * 0, b * 0"),
        ("self.db = np.sum", "self.db[...] = np.sum"),
        ("self.dW = np.dot", "self.dW[...] = np.dot"),
    )
    module = load(monkeypatch, changed(loop_code.SCRATCH, *in_place))
    layer, x = module.Convolution(numbers(4, 3, 3, 2), numbers(4), 2, 1), numbers(2, 3, 7, 6)
    held = layer.dW, layer.db
    y = layer.forward(x)
    layer.backward(y)
    expected = [each.copy() for each in held]
    with fc.accelerate(module.Convolution, on_mismatch="raise"):
        layer.backward(layer.forward(x) * 0 + y * 2)
        assert layer.dW is held[0]
        assert layer.db is held[1]
        for each, right in zip(held, expected):
            assert_close(each, right * 2)


def test_an_object_between_forward_and_backward_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, loop_code.SCRATCH)
    layer = module.Pooling(2, 3, 1)
    x = numbers(2, 3, 7, 6)
    y = layer.forward(x)
    dx = layer.backward(y)
    with fc.accelerate(module):
        same(layer.backward(y), dx)  # its forward pass was theirs
        same(layer.forward(x), y)
        same(layer.backward(y), dx)
        same(pickle.loads(pickle.dumps(vars(layer)))["x"], x)


def test_a_layer_that_was_run_by_both_goes_on_from_the_last_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, loop_code.SCRATCH)
    layer = module.Pooling(2, 2, 2)
    first, second, dy = numbers(1, 1, 4, 6), -numbers(1, 1, 4, 6), numbers(1, 1, 2, 3)
    with fc.accelerate(module):
        layer.forward(first)
    layer.forward(second)
    expected = layer.backward(dy)
    with fc.accelerate(module):
        same(layer.backward(dy), expected)


def test_the_layers_of_the_tutorial(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, loop_code.TUTORIAL)
    x, dy = numbers(3, 7, 6), numbers(2, 4, 4)
    layer = module.ConvLayer(6, 7, 3, 2, 3, 2, 1, 2, module.ReluActivator(), 0.1)
    for index, each in enumerate(layer.filters):
        each.weights, each.bias = numbers(3, 3, 2) + index, float(index)
    layer.forward(x)
    output, kept = layer.output_array, layer.output_array.copy()
    layer.backward(x, dy, module.ReluActivator())
    delta, gradients = layer.delta_array, [(each.weights_grad.copy(), each.bias_grad) for each in layer.filters]
    with fc.accelerate(module.ConvLayer):
        layer.forward(x)
        assert layer.output_array is output  # written in place, as it was
        same(output, kept)
        layer.backward(x, dy, module.ReluActivator())
        same(layer.delta_array, delta)
        for each, (weights_grad, bias_grad) in zip(layer.filters, gradients):
            same(each.weights_grad, weights_grad)
            assert_close(each.bias_grad, bias_grad)
        layer.update()
        layer.filters[0].weights = np.zeros((3, 3, 2))
        layer.forward(x)
        assert not np.array_equal(layer.output_array, kept)


def test_a_class_with_other_names_is_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"Convolution": "Filters", "W": "kernels", "b": "offsets", "stride": "step", "pad": "border"}
    text = loop_code.SCRATCH.split("class Pooling")[0]
    renamed = re.sub(r"(?<=class )Convolution|(?<=self\.)(W|b|stride|pad)\b", lambda found: names[found[0]], text)
    renamed = changed(renamed, ("W, b, stride=1, pad=0):", "kernels, offsets, step=1, border=0):"))
    module = load(monkeypatch, changed(renamed, ("= W, b, stride, pad", "= kernels, offsets, step, border")))
    layer, x = module.Filters(numbers(4, 3, 2, 3), numbers(4), 2, 1), numbers(2, 3, 6, 7)
    y = layer.forward(x)
    dx = layer.backward(y)
    with fc.accelerate(module.Filters, {"Filters": "scratch.conv2d"}, on_mismatch="raise") as accelerated:
        assert set(accelerated) == {"Filters.forward", "Filters.backward"}
        same((layer.forward(x), layer.backward(y)), (y, dx))
        assert accelerated.fast["Filters.forward"] is module.Filters.forward


def test_an_inherited_method_is_replaced_on_the_subclass_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    text = loop_code.SCRATCH + "\n\nclass MaxPooling(Pooling):\n    pass\n"
    module = load(monkeypatch, text)
    original = module.Pooling.forward
    accelerated = fc.accelerate(module.MaxPooling)
    assert module.Pooling.forward is original
    assert module.MaxPooling.forward is not original
    accelerated.undo()
    assert vars(module.MaxPooling).keys().isdisjoint({"forward", "backward"})
    assert module.MaxPooling.forward is original


def test_static_methods_stay_static(monkeypatch: pytest.MonkeyPatch) -> None:
    body = loop_code.IMAGES.split("def convolve2d")[1].split("\n\n\n")[0]
    lines = "\n".join(f"    {line}" for line in f"def convolve2d{body}".splitlines())
    module = load(monkeypatch, f"import numpy as np\n\n\nclass Loops:\n    @staticmethod\n{lines}")
    original = vars(module.Loops)["convolve2d"]
    image, kernel = numbers(5, 6), numbers(2, 2)
    with fc.accelerate(module.Loops) as accelerated:
        assert list(accelerated) == ["Loops.convolve2d"]
        same(module.Loops().convolve2d(image, kernel), accelerated["Loops.convolve2d"](image, kernel))
    assert vars(module.Loops)["convolve2d"] is original


# the world around


def test_names_in_other_modules_are_told_or_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, loop_code.CS231N, "their_layers")
    user = load(monkeypatch, "from their_layers import conv_forward_naive as conv, max_pool_forward_naive", "their_net")
    original = user.conv
    with fc.accelerate(module) as accelerated:
        assert set(accelerated.elsewhere) == {"their_net.conv", "their_net.max_pool_forward_naive"}
        assert user.conv is original
        assert "still the original, unless everywhere=True: their_net.conv" in repr(accelerated)
    with fc.accelerate(module, everywhere=True) as accelerated:
        assert accelerated.elsewhere == ()
        assert user.conv is module.conv_forward_naive is accelerated.fast["conv_forward_naive"]
    assert user.conv is original is module.conv_forward_naive


def test_two_names_of_one_function(monkeypatch: pytest.MonkeyPatch) -> None:
    text = loop_code.CS231N + "\n\nconv_forward_fast, conv_backward_fast = conv_forward_naive, conv_backward_naive\n"
    module = load(monkeypatch, text)
    before = bound(module)
    with fc.accelerate(module) as accelerated:
        assert {"conv_forward_fast", "conv_forward_naive"} <= set(accelerated)
        assert accelerated.elsewhere == ()
    assert bound(module) == before


def test_random_numbers_and_output_are_undisturbed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = "    stride, pad = conv_param"
    noise = "    print('patch'); print('oh', file=sys.stderr); warnings.warn('slow'); np.log(np.zeros(1))\n"
    draws = "    np.random.rand(); np.random.seed(1); random.random()\n"
    text = "import random, sys, warnings\n" + changed(loop_code.CS231N, (first, noise + draws + first))
    module = load(monkeypatch, text)
    np.random.seed(7)  # noqa: NPY002
    random.seed(7)
    wanted = np.random.rand(), random.random()  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    random.seed(7)
    accelerated = fc.accelerate(module, on_mismatch="raise")
    assert len(accelerated) == 6
    assert (np.random.rand(), random.random()) == wanted  # noqa: NPY002
    assert capsys.readouterr() == ("", "")


def test_layers_with_random_weights_leave_the_generator_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, loop_code.TUTORIAL)
    np.random.seed(3)  # noqa: NPY002
    wanted = np.random.rand()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    fc.accelerate(module)
    assert np.random.rand() == wanted  # noqa: NPY002


def test_results_are_in_c_order_if_they_have_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w, b = numbers(2, 3, 6, 7), numbers(4, 3, 3, 3), numbers(4)
    module = load(monkeypatch, loop_code.CS231N)
    with fc.accelerate(module, contiguous=True):
        y, cache = module.conv_forward_naive(x, w, b, CONV_PARAM)
        assert y.flags.c_contiguous
        assert all(array.flags.c_contiguous for array in module.conv_backward_naive(y, cache))
    module = load(monkeypatch, loop_code.CS231N + changed(loop_code.PLAIN, HARD_CODED_STRIDES))
    with fc.accelerate(module, on_mismatch="skip") as accelerated:
        assert "Fortran" in accelerated.refused["conv2d"].text
        assert module.conv_forward_naive(x, w, b, CONV_PARAM)[0].flags.c_contiguous
        assert module.max_pool_forward_naive(y, POOL_PARAM)[0].flags.c_contiguous


def test_the_default_backend_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, loop_code.PLAIN)
    x, w = numbers(2, 3, 7, 6), numbers(4, 3, 3, 2)
    with fc.use_backend("naive"):
        accelerated = fc.accelerate(module)
        y = module.conv2d(x, w)
    assert len(accelerated) == 4
    np.testing.assert_array_equal(y, fc.conv2d(x, w, backend="fast"))


def test_what_is_returned_is_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, LAST_OF_TIES)
    accelerated = fc.accelerate(module, on_mismatch="skip")
    lines = repr(accelerated).splitlines()
    assert lines[:2] == ["accelerated somebodys_loops: 3 of 4", "  conv_forward_naive       fast"]
    assert lines[-2].startswith("  max_pool_backward_naive  left as it is: with ties (x (1, 1, 4, 4)")
    assert isinstance(accelerated, Acceleration)
    accelerated.undo()
    assert repr(accelerated).startswith("accelerated somebodys_loops: 3 of 4 (undone)")


def test_accelerate_is_imported_when_it_is_used() -> None:
    from programs import run as run_program

    program = """
        import sys
        import fastconv as fc
        assert {"accelerate", "check", "compat"} <= set(dir(fc)) & set(fc.__all__)
        parts = {name.split(".")[1] for name in sys.modules if name.startswith("fastconv.")}
        assert not parts & {"dropin", "acceleration", "checking", "conventions", "compat"}
        fc.accelerate
        assert "fastconv.dropin.accelerate" in sys.modules
        assert "numba" not in sys.modules
    """
    run_program(program)


def test_without_numba_the_numpy_backend_runs() -> None:
    from programs import run as run_program

    program = """
        import sys
        from types import ModuleType
        import loop_code
        import numpy as np
        import fastconv as fc
        module = sys.modules["theirs"] = ModuleType("theirs")
        exec(loop_code.PLAIN, vars(module))
        accelerated = fc.accelerate(module, on_mismatch="raise")
        x, w = np.ones((1, 1, 4, 5)), np.ones((1, 1, 3, 2))
        print(len(accelerated), np.array_equal(module.conv2d(x, w), fc.conv2d(x, w, backend="numpy")))
    """
    assert run_program(program, blocked=("numba",)) == "4 True\n"


def test_mapping_of_other_names(monkeypatch: pytest.MonkeyPatch) -> None:
    text = changed(loop_code.CS231N, ("conv_forward_naive", "falte"), ("conv_backward_naive", "falte_zurück"))
    module = load(monkeypatch, text)
    mapping = {"falte": "cs231n.conv2d.forward", "falte_zurück": "cs231n.conv2d.backward"}
    with fc.accelerate(module, mapping) as accelerated:
        assert {"falte", "falte_zurück"} <= set(accelerated)
    function = functools.partial(fc.accelerate, module.falte)
    with pytest.raises(InvalidValueError, match="but got falte with none"):
        function()
    assert list(function({"falte": "cs231n.conv2d.forward"})) == ["falte"]
    assert sys.modules["somebodys_loops"] is module
