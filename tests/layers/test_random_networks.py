"""Random small networks: backends, programs, copies, files and summaries agree on every one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fuzzed_networks
import numpy as np
import pytest
from fuzzed_networks import Network
from programs import FULL, SUPPORT, run_file

import fastconv as fc
from fastconv import layers as L
from fastconv.errors import InvalidValueError

COUNT = 2_000 if FULL else 15


@pytest.mark.slow
def test_random_networks() -> None:
    """In a process of its own: what crashes or hangs is one test that fails, with its last network in the message."""
    seed = int.from_bytes(np.random.default_rng().bytes(3), "big") if FULL else 0
    printed = run_file(SUPPORT / "fuzzed_networks.py", str(seed), str(COUNT))
    assert printed.splitlines()[-1] == f"{COUNT} networks from seed {seed}, 0 wrong", printed


class OnOneBackend(L.ReLU):
    """A layer that is wrong where the engine runs."""

    def forward(self, x: Any) -> Any:
        return super().forward(x) + (np.float32(0.01) if fc.get_backend() == "fast" else 0)


class OtherShape(L.ReLU):
    """A layer that tells another shape than it gives."""

    def output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], input_shape[-1] + 1)


class Counting(L.ReLU):
    """A layer that gives something else each time, which a recording cannot know."""

    calls = 0

    def forward(self, x: Any) -> Any:
        type(self).calls += 1
        return super().forward(x) + np.float32(self.calls)


@pytest.mark.parametrize(
    ("layer", "check", "words"),
    [
        (OnOneBackend, fuzzed_networks.backends, "of the largest number away"),
        (OtherShape, fuzzed_networks.shapes, "the result has shape"),
        (Counting, fuzzed_networks.copies, "y has other bits"),
        (Counting, fuzzed_networks.programs, "y has other bits"),
    ],
)
def test_faults_are_found(layer: type[L.Layer], check: Callable[[Network], str | None], words: str) -> None:
    network = Network(2)
    network.x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(2, 6)
    network.model = L.Sequential(L.Linear(6, 4, rng=0), layer())
    assert words in (check(network) or "")
    network.model = L.Sequential(L.Linear(6, 4, rng=0), L.ReLU())
    assert check(network) is None


def test_a_norm_of_two_numbers_that_gives_by_chance_what_the_example_gives_proves_nothing() -> None:
    """In float16 NumPy converts it, so that its runs are not all that it does; it was taken for a constant."""
    assert fuzzed_networks.programs(Network(263)) is None


def test_the_same_seed_gives_the_same_network() -> None:
    assert str(Network(3)) == str(Network(3)) != str(Network(4))


@pytest.mark.parametrize("mode", ["reflect", "circular"])
def test_a_plane_too_small_for_its_padding_is_refused_before_it_comes(mode: Any) -> None:
    conv = L.Conv2d(2, 3, 3, padding=2, padding_mode=mode, rng=0)
    for call in (lambda: conv.output_shape((1, 2, 1, 7)), lambda: conv(np.ones((1, 2, 1, 7), np.float32))):
        with pytest.raises(InvalidValueError, match=rf"Conv2d: padding must be .* with padding_mode='{mode}', but got"):
            call()
