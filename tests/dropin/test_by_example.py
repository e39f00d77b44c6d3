"""What functions and objects compute, found by trying: right ones become fast, wrong ones stay as they are."""

from __future__ import annotations

import inspect
from copy import deepcopy
from typing import Any

import example_convolutions
import example_poolings
import numpy as np
import pytest
from example_convolutions import CONVOLUTIONS, IMAGES, normal
from example_poolings import MAPS, POOLINGS

import fastconv as fc
from fastconv.dropin.example import as_example
from fastconv.dropin.example.slots import Attribute, Item, Slot, walk
from fastconv.errors import AccelerationError, InvalidTypeError, InvalidValueError

EXAMPLES = {**CONVOLUTIONS, **POOLINGS}
RATE = 0.1


def leaves(value: Any) -> dict[str, Any]:
    """Arrays and numbers in what a call leaves behind, by where they are."""
    found = {str(slot): each for slot, each in walk({"it": value})}
    return {slot: each for slot, each in found.items() if isinstance(each, (np.ndarray, float))}


def assert_same(one: Any, other: Any, *, but: tuple[str, ...] = ()) -> None:
    ones, others = leaves(one), leaves(other)
    for place in others:
        if not any(name in place for name in but):
            np.testing.assert_allclose(ones[place], others[place], rtol=1e-4, atol=1e-5, err_msg=place)


def used(target: Any, example: Any, methods: list[str]) -> Any:
    """What comes out of a forward pass, and of a backward pass where there is one; and the object afterwards."""
    args, kwargs = deepcopy(as_example(example))
    if not methods:
        return target(*args, **kwargs), args, kwargs
    y = getattr(target, methods[0])(*args, **kwargs)
    if len(methods) == 1:
        return y, target
    dy = normal_like(target.__dict__.get("y") if y is None else y)
    names = [*inspect.signature(getattr(target, methods[1])).parameters]
    given = {"image": args[0], "x": args[0], "learn_rate": RATE, "learning_rate": RATE}
    return y, getattr(target, methods[1])(*(given.get(name, dy) for name in names)), target


def normal_like(y: Any) -> Any:
    return np.random.default_rng(1).standard_normal(y.shape)


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_is_found_and_gives_what_it_gave(name: str) -> None:
    target, example, count = EXAMPLES[name]()
    original = deepcopy(getattr(target, "__self__", target))
    with fc.accelerate(target, example, on_mismatch="raise") as accelerated:
        assert len(accelerated.fast) == count
        assert all(accelerated.found.values())
        if inspect.isfunction(target):
            assert_same(used(accelerated, example, []), used(target, example, []))
            return
        methods = [label.split(".")[1] for label in accelerated.fast]
        mine = used(getattr(target, "__self__", target), example, methods)
    assert_same(mine, used(original, example, methods), but=("col", "best", "_fastconv"))


def test_an_object_is_changed_alone_and_comes_back() -> None:
    one, other = (example_convolutions.Tiny(4) for _ in range(2))
    with fc.accelerate(one, normal(6, 6)) as accelerated:
        assert list(accelerated) == ["Tiny.forward", "Tiny.backprop"]
        assert vars(one)["forward"].__wrapped__ is example_convolutions.Tiny.forward
        assert "forward" not in vars(other)
    assert not {"forward", "backprop"} & vars(one).keys()


def test_an_object_that_is_called_comes_back() -> None:
    pool = example_poolings.Called({"f": 2, "stride": 2})
    with fc.accelerate(pool, MAPS):
        assert isinstance(pool, example_poolings.Called)
        assert type(pool) is not example_poolings.Called
        assert pool(MAPS).shape == (2, 3, 4, 3)
    assert type(pool) is example_poolings.Called


def test_the_example_is_not_touched() -> None:
    layer = example_convolutions.Rebinding(normal(4, 3, 3, 3), normal(4), 0.01)
    state, x = deepcopy(vars(layer)), IMAGES.copy()
    fc.accelerate(layer, IMAGES).undo()
    assert_same(vars(layer), state)
    np.testing.assert_array_equal(IMAGES, x)


def test_sizes_and_weights_are_read_when_it_is_called() -> None:
    layer = example_convolutions.ChannelsLast(3, 3, 8, 2, 1)
    fc.accelerate(layer, normal(4, 8, 8, 3))
    layer.stride, layer.params["W"] = 1, normal(3, 3, 3, 5)
    layer.params["b"] = normal(1, 1, 1, 5)
    x = normal(1, 6, 9, 3)
    assert_same(layer.forward(x), example_convolutions.ChannelsLast.forward(deepcopy(layer), x))


def test_an_object_that_was_used_on_the_example_keeps_its_next_input() -> None:
    layer = example_convolutions.Keeping(normal(4, 3, 3, 3))
    layer.forward(IMAGES)
    with fc.accelerate(layer, IMAGES, on_mismatch="raise") as accelerated:
        assert list(accelerated) == ["Keeping.forward"]
        other = normal(*IMAGES.shape)
        layer.forward(other)
        assert layer.last is other


def test_an_activation_that_was_not_in_the_example_goes_to_the_original() -> None:
    layer = example_convolutions.Switched(normal(4, 3, 3, 3))
    with fc.accelerate(layer, IMAGES, on_mismatch="raise") as accelerated:
        layer.name = "first"  # type: ignore[assignment]
        layer.forward(IMAGES)
        assert accelerated.calls["Switched.forward"].fast == 1
        layer.activation = "relu"
        assert layer.forward(IMAGES).min() == 0


def test_what_a_forward_pass_of_the_original_leaves_is_of_the_last_fast_one() -> None:
    layer, dy = example_convolutions.Switched(normal(4, 3, 3, 3)), None
    plain = deepcopy(layer)
    with fc.accelerate(layer, IMAGES, on_mismatch="raise") as accelerated:
        assert list(accelerated) == ["Switched.forward", "Switched.backward"]
        for each in (plain, layer):
            dy = each.forward(IMAGES)
            each.forward(IMAGES[:1], train=False)
        np.testing.assert_allclose(layer.backward(dy), plain.backward(dy))


def test_what_another_method_tells_of_the_last_call_is_kept() -> None:
    layer = example_convolutions.Measured(normal(4, 3, 3, 3))
    with pytest.raises(InvalidValueError, match=r"must be known where another method reads it.*brightness"):
        fc.accelerate(layer, IMAGES)


def test_another_value_of_what_is_not_understood_goes_to_the_original() -> None:
    original = example_poolings.by_a_word
    with fc.accelerate(original, (MAPS, 2)) as fast:
        assert_same(fast(MAPS, 2, "mean"), original(MAPS, 2, "mean"))


def test_what_is_found_is_said() -> None:
    layer = example_convolutions.ChannelsLast(3, 3, 8, 2, 1)
    said = " ".join(repr(fc.accelerate(layer, normal(4, 8, 8, 3))).split())
    assert 'convolution, x (N, H, W, C), weights self.params["W"] (KH, KW, C, F)' in said
    assert 'bias self.params["b"] (1, 1, 1, F), stride self.stride, padding self.pad' in said
    assert 'dweight in self.grads["W"], divided by the number of images' in said


def test_several_examples_confirm_each_other() -> None:
    conv = example_convolutions.loops_nhwc
    examples = [(normal(2, 7, 8, 3), normal(3, 3, 3, 5)), (normal(1, 5, 5, 2), normal(2, 1, 2, 4))]
    with fc.accelerate(conv, examples) as accelerated:
        assert list(accelerated) == ["loops_nhwc"]
    by_word = example_poolings.by_a_word
    with pytest.raises(InvalidValueError, match=r"all examples must be of one kind.*number 2"):
        fc.accelerate(by_word, [(MAPS, 2), (MAPS, 2, "mean")])


# what is wrong, or something else

MISTAKES: dict[str, tuple[str, str, str]] = {
    "the stride is forgotten in the gradient": ("ChannelsLast", "slice(j * s, j * s + k)", "slice(j, j + k)"),
    "the gradient is assigned": ("ChannelsLast", "dx[at] +=", "dx[at] ="),
    "the bias is a mean": ("ChannelsLast", "dout.sum(axis=(0, 1, 2)", "dout.mean(axis=(0, 1, 2)"),
    "the border stays": ("ChannelsLast", "dx[:, p : p + h, p : p + w]", "dx[:, :h, :w]"),
    "the step goes up": ("Tiny", "self.bank -= learn_rate", "self.bank += learn_rate"),
    "the step adds up": (
        "Tiny",
        "self.bank -= learn_rate * step",
        "self.m = step; self.bank -= learn_rate * self.m ** 2",
    ),
    "the weights decay": ("InLists", "self.grads[0][...] = dw", "self.grads[0][...] = dw + 0.01 * w"),
    "the kernel is not turned": ("Rebinding", "self.w[:, :, ::-1, ::-1]", "self.w"),
    "the last row is lost": (
        "Largest",
        "for at in np.ndindex(*dout.shape):",
        "for at in np.ndindex(*dout[:, :, 1:].shape):",
    ),
    "the last of several gets it": ("Halving", "block.argmax()", "3 - block.ravel()[::-1].argmax()"),
    "windows overwrite each other": ("OneImage", "] += delta", "] = delta"),
    "divided twice": ("Mean", "/ (kh * kw)", "/ (kh * kw) ** 2"),
}


def mistaken(name: str, right: str, wrong: str) -> Any:
    """An object of a class with a mistake, and its example."""
    module = example_convolutions if name in CONVOLUTIONS else example_poolings
    made, example, _ = EXAMPLES[name]()
    source = inspect.getsource(type(made))
    assert right in source
    names = dict(vars(module))
    exec(source.replace(right, wrong), names)
    made.__class__ = names[name]
    return made, example


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_backward_pass_is_not_copied(mistake: str) -> None:
    layer, example = mistaken(*MISTAKES[mistake])
    original = deepcopy(layer)
    try:
        accelerated = fc.accelerate(layer, example, on_mismatch="skip")
    except InvalidValueError:  # it is told what is not known
        return
    assert len(accelerated.fast) < 2
    (forward, backward) = EXAMPLES_METHODS[MISTAKES[mistake][0]]
    assert_same(
        used(layer, example, [forward, backward]), used(original, example, [forward, backward]), but=("_fastconv",)
    )


def test_gradients_that_add_up_go_on_adding_up() -> None:
    layer, example = mistaken("InLists", "self.grads[0][...] = dw", "self.grads[0] += dw")
    original = deepcopy(layer)
    fc.accelerate(layer, example, on_mismatch="skip")
    for _ in range(3):
        one, other = (used(each, example, ["forward", "backward"]) for each in (layer, original))
        assert_same(one, other, but=("_fastconv",))


EXAMPLES_METHODS = {
    "ChannelsLast": ("forward", "backward"),
    "Tiny": ("forward", "backprop"),
    "InLists": ("forward", "backward"),
    "Rebinding": ("feed_forward", "back_propagate"),
    "Largest": ("forward", "backward"),
    "Halving": ("forward", "backprop"),
    "OneImage": ("forward", "backward"),
    "Mean": ("forward", "backward"),
}


def smoothed(x: Any) -> Any:
    return np.sqrt(np.abs(x))


def from_zero(x: Any) -> Any:
    return np.maximum(example_poolings.side_by_side(x), 0)


def never_below(x: Any) -> Any:
    return np.maximum(example_poolings.side_by_side(x), -20)


def rounded_up(x: Any) -> Any:
    return example_poolings.side_by_side(np.pad(x, ((0, 0), (0, 0), (0, x.shape[2] % 2), (0, x.shape[3] % 2))))


def with_something_added(x: Any, w: Any) -> Any:
    return example_convolutions.correlate(x, w) + 1


def height_for_width(x: Any, w: Any) -> Any:
    return example_convolutions.correlate(x, w)[:, :, :, : x.shape[2] - w.shape[2] + 1]


def other_at_batches(x: Any, w: Any) -> Any:
    return example_convolutions.correlate(x, w) * (1 if len(x) > 1 else 2)


def two_results(x: Any, w: Any) -> Any:
    y = example_convolutions.correlate(x, w)
    return y, np.tanh(y)


@pytest.mark.parametrize(
    ("function", "example", "said"),
    [
        (smoothed, MAPS, "must compute a convolution or pooling.*but differs by"),
        (from_zero, MAPS, "but got none; max pooling.*kernel 2, stride 2.*but differs by"),
        (with_something_added, (IMAGES, normal(4, 3, 3, 3)), "something added that is no value of the call"),
        (two_results, (IMAGES, normal(4, 3, 3, 3)), "must return its output, its arguments and sizes alone"),
        (np.ones, ((2, 3),), "must compute a convolution"),
    ],
)
def test_what_is_not_found_is_said(function: Any, example: Any, said: str) -> None:
    with pytest.raises((InvalidValueError, InvalidTypeError), match=said):
        fc.accelerate(function, example)


class Tiring(example_convolutions.Callable_):
    """Another result from the second call on."""

    def __init__(self, w: Any) -> None:
        super().__init__(w)
        self.calls = 0

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        return super().__call__(x) / self.calls


def test_what_changes_from_call_to_call_is_refused() -> None:
    accelerated = fc.accelerate(Tiring(normal(4, 3, 3, 3)), IMAGES, on_mismatch="skip")
    assert "with a second call" in str(accelerated.refused["Tiring.__call__"])


@pytest.mark.parametrize(
    ("function", "example"),
    [
        (rounded_up, normal(2, 3, 8, 8)),
        (height_for_width, (normal(2, 3, 8, 8), normal(4, 3, 3, 3))),
        (other_at_batches, (IMAGES, normal(4, 3, 3, 3))),
    ],
)
def test_what_differs_beyond_the_example_is_refused_or_left_out(function: Any, example: Any) -> None:
    accelerated = fc.accelerate(function, example, on_mismatch="skip")
    x, *others = example if isinstance(example, tuple) else (example,)
    for other in (x[:1], x[:, :, 1:], x[:, :, :, :-1], x):
        assert_same(accelerated(other, *others), function(other, *others))


class Slotted:
    __slots__ = ()

    def forward(self, x: Any) -> Any:
        return x


def test_examples_that_cannot_be_are_refused() -> None:
    with pytest.raises(InvalidTypeError, match="must be arguments that loops_nhwc takes"):
        fc.accelerate(example_convolutions.loops_nhwc, (IMAGES,))
    with pytest.raises(InvalidTypeError, match="must be a function, a method or an object with a method"):
        fc.accelerate("loops", IMAGES)
    with pytest.raises(
        InvalidValueError, match=r"must be a call that runs, but in it .*loops_nhwc raised ValueError: "
    ):
        fc.accelerate(example_convolutions.loops_nhwc, (IMAGES[0], normal(3, 3, 3, 2)))
    with pytest.raises(InvalidTypeError, match="Slotted has __slots__ alone"):
        fc.accelerate(Slotted(), IMAGES)
    with pytest.raises(InvalidValueError, match="must be one call or a list of calls"):
        fc.accelerate(example_convolutions.loops_nhwc, [])


def test_what_shows_in_the_proof_alone_is_refused() -> None:
    with pytest.raises(AccelerationError, match="with negative input"):
        fc.accelerate(never_below, MAPS, on_mismatch="raise")


# slots


def test_a_slot_is_read_and_written() -> None:
    layer = example_convolutions.Several(np.ones(3), 2)
    call = {"self": layer, "sizes": [(1, 2), {"pad": 3}]}
    found = {str(slot): slot for slot, _ in walk(call)}
    assert list(found) == [
        "self",
        "sizes",
        "self.opts",
        "sizes[0]",
        "sizes[1]",
        "self.opts.w",
        "self.opts.stride",
        "sizes[0][0]",
        "sizes[0][1]",
        'sizes[1]["pad"]',
    ]
    for slot in ("self.opts.stride", "sizes[0][1]", 'sizes[1]["pad"]'):
        found[slot].put(call, 7)
        assert found[slot].get(call) == 7
    assert call["sizes"] == [(1, 7), {"pad": 7}]
    assert Slot("sizes", (Item(0), Item(1))) == found["sizes[0][1]"]
    assert Slot("self", (Attribute("opts"),)) == found["self.opts"]
