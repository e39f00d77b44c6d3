"""Layers that are exact, or not, whatever the options say: in both passes, in `repr`, in copies and pickles."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from exactness import asked_backend

import fastconv as fc
from fastconv import layers as L
from fastconv.errors import InvalidTypeError

KINDS: dict[str, Callable[..., L.Layer]] = {
    f"{kind}{rank}d": getattr(L, f"{kind}{rank}d") for kind in ("Conv", "ConvTranspose") for rank in (1, 2, 3)
}
every_kind = pytest.mark.parametrize("kind", KINDS)
every_setting = pytest.mark.parametrize("outside", [True, False])


def made(kind: str, **options: Any) -> tuple[L.Layer, Any]:
    rank = int(kind[-2])
    return KINDS[kind](2, 3, 3, rng=0, **options), np.ones((2, 2, *(5, 4, 3)[:rank]), np.float32)


def passes(layer: L.Layer, x: Any) -> None:
    layer.backward(layer(x))


@every_setting
@every_kind
def test_a_layer_is_as_exact_as_it_says_in_both_passes(kind: str, outside: bool) -> None:
    with asked_backend() as asked, fc.options(exact=outside):
        for exact in (None, True, False):
            del asked[:]
            passes(*made(kind, exact=exact))
            assert set(asked) == {outside if exact is None else exact}
            assert len(asked) >= 2
            assert fc.get_options().exact is outside


@pytest.mark.parametrize("mode", ["reflect", "circular"])
def test_a_padded_layer_is_so_too(mode: str) -> None:
    with asked_backend() as asked:
        passes(L.Conv2d(1, 2, 3, padding=1, padding_mode=mode, exact=True), np.ones((1, 1, 4, 5)))
    assert asked == [True, True]


@every_kind
def test_each_pass_takes_the_options_of_its_time(kind: str) -> None:
    layer, x = made(kind)
    with asked_backend() as asked:
        with fc.options(exact=True):
            y = layer(x)
        forward, asked[:] = list(asked), []
        layer.backward(y)
    assert set(forward) == {True}
    assert set(asked) == {False}


def test_a_network_of_several_and_a_change_of_mind() -> None:
    model = L.Sequential(L.Conv2d(1, 2, 3, exact=True), L.Conv2d(2, 2, 1), L.Conv2d(2, 1, 2, exact=False))
    x = np.ones((1, 1, 5, 6), np.float32)
    with asked_backend() as asked:
        model(x)
        model[2].exact = True
        model(x)
    assert asked == [True, False, False, True, False, True]


@every_kind
def test_it_is_shown_where_it_was_given(kind: str) -> None:
    assert "exact" not in repr(made(kind)[0])
    for exact in (True, False):
        assert f"kernel_size={(3,) * int(kind[-2])}, exact={exact}" in repr(made(kind, exact=exact)[0])


@every_kind
def test_it_is_in_copies_and_pickles_and_not_in_the_weights(kind: str) -> None:
    for exact in (None, True, False):
        layer, _ = made(kind, exact=exact)
        for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
            assert other.exact is exact
        assert layer.state_dict().keys() == {"weight", "bias"}


@every_kind
def test_a_pickle_from_before_there_was_a_choice(kind: str) -> None:
    layer, x = made(kind)
    state = layer.__getstate__()
    del state["exact"]
    old = type(layer).__new__(type(layer))
    old.__dict__.update(state)
    with asked_backend() as asked, fc.options(exact=True):
        passes(old, x)
    assert old.exact is None
    assert set(asked) == {True}


@pytest.mark.parametrize("exact", [1, "yes", np.float32(0)])
@every_kind
def test_what_is_no_flag_is_refused(kind: str, exact: Any) -> None:
    with pytest.raises(InvalidTypeError, match=f"{kind}: exact must be True or False, but got"):
        made(kind, exact=exact)
    assert made(kind, exact=np.bool_(True))[0].exact is True


@every_setting
def test_a_call_that_was_checked_before_asks_again(outside: bool) -> None:
    x, weight = np.ones((1, 1, 4, 5), np.float32), np.ones((2, 1, 3, 3), np.float32)
    with asked_backend() as asked:
        for exact in (outside, not outside, outside):
            with fc.options(exact=exact):
                fc.conv2d(x, weight)
    assert asked == [outside, not outside, outside]
