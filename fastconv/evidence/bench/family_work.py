"""One of the family as a call that can be timed, and the check of its results."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fastconv import functional, layers
from fastconv.backends import use_backend
from fastconv.errors import InvalidTypeError
from fastconv.evidence.accuracy import differences, exact_bounds
from fastconv.evidence.bench.cases import Case
from fastconv.evidence.bench.correctness import Agreement, agreement, check_names
from fastconv.evidence.bench.family import Build, LayerOf, Member, OperationOf
from fastconv.validation.arrays import Array

Results = dict[str, Array]

_SEED = 0
_ORACLE, _EXACT = "numpy", "float64"


class FamilyWork(NamedTuple):
    """A call with what it works on.

    Attributes
    ----------
    call : callable
        What is timed.
    results : callable
        Runs it once and names what it computes.
    shapes : dict of str to list of int
        Shapes of the arrays by name, first ``x``.
    """

    call: Callable[[], Any]
    results: Callable[[], Results]
    shapes: dict[str, list[int]]


def member_work(case: Case, member: Member, batch: int | None = None) -> FamilyWork:
    """Draw the arrays of one of the family, the same numbers for every dtype, and bind the backend to them."""
    if isinstance(member, LayerOf):
        return _layer_work(case, member, batch)
    if isinstance(member, OperationOf):
        return _operation_work(case, member, batch)
    raise InvalidTypeError(f"{case}: the member must be an operation or a layer, but got {type(member).__name__}.")


class _Draw:
    """Draws numbers that float32 can hold, in any dtype."""

    def __init__(self, dtype: str) -> None:
        self._rng, self._dtype = np.random.default_rng(_SEED), dtype

    def __call__(self, shape: tuple[int, ...]) -> Array:
        return self._rng.standard_normal(shape, dtype=np.float32).astype(self._dtype)


# operations


def function(name: str) -> Callable[..., Any]:
    """Return the public function of a name.

    Examples
    --------
    >>> function("linear_backward").__name__
    'linear_backward'
    """
    return getattr(functional, name)  # type: ignore[no-any-return]


def _operation_work(case: Case, member: OperationOf, batch: int | None) -> FamilyWork:
    draw = _Draw(case.dtype)
    forward = function(member.name)
    known: dict[str, Any] = {member.first: draw(member.with_batch(batch))}
    # an array of the shape of the first one, such as the other term of a sum, follows its batch
    known |= {n: draw(member.with_batch(batch) if s == member.shape else s) for n, s in member.arrays.items()}
    known |= member.options
    if member.name.startswith("max_unpool"):
        known["indices"] = _places(known[member.first], member)
    shapes = {name: list(value.shape) for name, value in known.items() if isinstance(value, np.ndarray)}
    shapes = {"x": shapes.pop(member.first), **shapes}
    arguments = _accepted(forward, known)
    call = partial(forward, **arguments)
    if case.step == "backward":
        with use_backend(case.backend):
            known |= _made(forward, arguments)
        backward = function(member.gradient or f"{member.name}_backward")
        known["dy"], known["input_shape"] = draw(known.pop("result").shape), tuple(shapes["x"])
        call = partial(backward, **_accepted(backward, known))
    return FamilyWork(_on(case.backend, call), _on(case.backend, lambda: _named(case, call())), shapes)


def _accepted(called: Callable[..., Any], known: dict[str, Any]) -> dict[str, Any]:
    """Pick what a function has a parameter for."""
    return {name: known[name] for name in inspect.signature(called).parameters if name in known}


def _made(forward: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """Run forward for what the gradient needs of it: the output, or where the maxima are."""
    if "return_indices" in inspect.signature(forward).parameters:
        y, indices = forward(**arguments, return_indices=True)
        return {"result": y, "indices": indices}
    y = forward(**arguments)
    return {"result": y} if "y" in arguments else {"result": y, "y": y}


def _places(y: Array, member: OperationOf) -> Array:
    """Indices that a pooling with windows of two gives, for a plane of twice the size."""
    size = member.options["output_size"]
    x = np.random.default_rng(_SEED + 1).standard_normal((*y.shape[:2], *size))
    _, indices = function(f"max_pool{len(size)}d")(x, 2, return_indices=True, backend=_ORACLE)
    return indices  # type: ignore[no-any-return]


def _named(case: Case, value: Any) -> Results:
    """Name the arrays of a result."""
    if isinstance(value, np.ndarray):
        return {"y" if case.step == "forward" else "dx": value}
    names = getattr(value, "_fields", ("mean", "variance"))
    return {name: array for name, array in zip(names, value) if array is not None}


# layers


def make_layer(build: Build) -> layers.Layer:
    """Make a layer and those among its arguments."""
    arguments = [make_layer(each) if isinstance(each, Build) else each for each in build.arguments]
    made: layers.Layer = getattr(layers, build.name)(*arguments, **build.options)
    return made


def _layer_work(case: Case, member: LayerOf, batch: int | None) -> FamilyWork:
    draw = _Draw(case.dtype)
    layer = make_layer(member.build).cast(case.dtype)
    x = draw(member.with_batch(batch))
    if isinstance(layer, (layers.MaxUnpool1d, layers.MaxUnpool2d, layers.MaxUnpool3d)):
        layer.pool.forward(draw((*x.shape[:2], *(2 * size for size in x.shape[2:]))))  # which it undoes
    with use_backend(case.backend):
        layer.zero_grad()
        dy = draw(layer.output_shape(x.shape))
        if case.step == "backward":
            layer.forward(x)

    def backward() -> Any:
        layer.zero_grad()  # as before every step: gradients are written, not added
        return layer.backward(dy)

    def gradients() -> Results:
        found = {"dx": backward()}
        for name, one in layer.named_parameters():
            if one.grad is not None:
                found[f"d{name}"] = one.grad.copy()
        return found

    shapes = {"x": list(x.shape), **{name: list(one.shape) for name, one in layer.named_parameters()}}
    if case.step == "backward":
        return FamilyWork(_on(case.backend, backward), _on(case.backend, gradients), shapes)
    run = partial(layer.forward, x)
    return FamilyWork(_on(case.backend, run), _on(case.backend, lambda: {"y": run()}), shapes)


def _on(backend: str, call: Callable[[], Any]) -> Callable[[], Any]:
    """Run a call on a backend; entering the context takes a microsecond."""

    def run() -> Any:
        with use_backend(backend):
            return call()

    return run


# the check


def check_member(case: Case, member: Member, work: FamilyWork, batch: int | None = None) -> Agreement:
    """Run once and compare every array with that of the numpy backend in float64.

    An element may be off by ``64 eps`` of the largest one of its array, as `fastconv.testing.assert_close` allows by
    default. Where an operation selects, such as a maximum or a ReLU, the right results are numbers that the dtype
    holds, and nothing is allowed.

    Raises
    ------
    WrongResultError
        If an array is missing, or an element beyond that.
    """
    right = member_work(case._replace(backend=_ORACLE, dtype=_EXACT), member, batch).results()
    found = work.results()
    check_names(case, found, right)
    sums = {name: _scale(array, case.dtype) for name, array in right.items()}
    judged = differences(found, right, exact_bounds(sums, np.dtype(case.dtype)), "numpy in float64")
    return agreement(case, judged, "64 eps of the largest")


def _scale(right: Array, dtype: str) -> Array:
    """What the tolerance of an array is proportional to."""
    exact = bool((right == right.astype(dtype)).all()) and dtype != _EXACT
    return np.full(right.shape, 0.0 if exact else np.abs(right).max(initial=0.0))
