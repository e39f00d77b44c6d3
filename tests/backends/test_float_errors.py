"""What a user asks of NumPy at floating-point errors, ``np.seterr(all="raise")``, changes no result."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product

import numpy as np
import pytest
from programs import FULL
from small_family import MEMBERS, results
from strategies import BACKENDS, FLOATS, Array

import fastconv as fc
from fastconv import losses
from fastconv.layers import Parameter
from fastconv.optim import OPTIMIZERS

DRAWS: dict[str, Callable[[np.random.Generator, int], Array]] = {
    "ordinary": lambda rng, count: rng.standard_normal(count),
    "tiny": lambda rng, count: rng.choice([-1.0, 1.0], count) * 10.0 ** rng.uniform(-46, -20, count),
    "huge": lambda rng, count: rng.choice([-1.0, 1.0], count) * 10.0 ** rng.uniform(19, 38, count),
    "special": lambda rng, count: rng.choice([0, -0.0, np.inf, -np.inf, np.nan, 1.0, 1e-45, 3e38], count),
}
# of the short form: every draw, and every dtype
SHORT = (("tiny", "float32"), ("huge", "float16"), ("special", "float64"))
PAIRS = tuple((draw, dtype) for draw in DRAWS for dtype in FLOATS) if FULL else SHORT


def drawn(kind: str, shape: tuple[int, ...]) -> Array:
    array = DRAWS[kind](np.random.default_rng(0), int(np.prod(shape)))
    with np.errstate(all="ignore"):
        return array.astype(np.float32).reshape(shape)


@pytest.mark.parametrize("name", MEMBERS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_operations_and_layers(name: str, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, dtype in PAIRS:
        found = []
        for how in ("ignore", "raise"):
            with np.errstate(all=how):  # type: ignore[call-overload]
                found.append(results(name, backend, dtype, partial(drawn, kind), monkeypatch))
        for key, array in found[0].items():
            np.testing.assert_array_equal(found[1][key], array, err_msg=f"{key}, {kind} {dtype}")


@pytest.mark.parametrize("backend", BACKENDS)
def test_losses(backend: str) -> None:
    for kind, (name, loss) in product(DRAWS, losses.LOSSES.items()):
        scores, target = drawn(kind, (5, 4)), np.full((5, 4), 0.25, np.float32)
        if name in ("softmax", "svm"):
            target = np.arange(5) % 4
        if name == "binary_cross_entropy":  # of probabilities
            scores = np.nan_to_num(np.abs(scores)).clip(0, 1)
        found = []
        for how in ("ignore", "raise"):
            with np.errstate(all=how), fc.use_backend(backend):  # type: ignore[call-overload]
                found.append(loss(scores, target))
        np.testing.assert_array_equal(found[1][0], found[0][0])
        np.testing.assert_array_equal(found[1][1], found[0][1])


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_steps_of_optimisers(name: str, backend: str) -> None:
    for kind, dtype in product(DRAWS, FLOATS):
        found = []
        for how in ("ignore", "raise"):
            with np.errstate(all="ignore"):
                parameter = Parameter(drawn("ordinary", (7, 5)).astype(dtype))
                parameter.grad = drawn(kind, (7, 5)).astype(dtype)
            with np.errstate(all=how), fc.use_backend(backend):  # type: ignore[call-overload]
                optimizer = OPTIMIZERS[name]([parameter], lr=0.1, weight_decay=0.1)  # type: ignore[call-arg]
                optimizer.step()
                optimizer.step()
            found.append(parameter.data)
        np.testing.assert_array_equal(found[1], found[0], err_msg=f"{kind} {dtype}")
