"""Analytic gradients against central differences, and linear operations against their transposes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.testing.closeness import ROUNDINGS, Array, in_tolerances, tolerance
from fastconv.testing.problems import GradientProblem, Variable, as_checked, problem_of
from fastconv.validation.arrays import check_real
from fastconv.validation.sizes import check_choice, check_integer, check_number, check_rng
from fastconv.validation.types import Shape

Directions = Callable[[Shape], Iterable[Array]] | None  # of moves of an array of a shape; None: along every axis


@dataclass(frozen=True)
class GradientCheck:
    """What `gradient_check` found. True where every gradient is right.

    Attributes
    ----------
    errors : dict of str to float
        Per input and parameter, the largest error in units of its tolerance: at most 1 is right.
    relative_errors : dict of str to float
        The same errors relative to the size of the gradient.

    Examples
    --------
    >>> from fastconv.testing import GradientCheck
    >>> check = GradientCheck(errors={"x": 0.01, "weight": 40.0}, relative_errors={"x": 1e-9, "weight": 4e-6})
    >>> check.ok, check.worst_error
    (False, 40.0)
    """

    errors: dict[str, float]
    relative_errors: dict[str, float]

    @property
    def ok(self) -> bool:
        """Whether every gradient is right."""
        return all(error <= 1 for error in self.errors.values())

    @property
    def worst_error(self) -> float:
        """The largest error in units of the tolerance; NaN where any is."""
        return float(np.max(list(self.errors.values())))

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        lines = [
            f"{name}: {'right' if error <= 1 else 'WRONG'}, relative error {self.relative_errors[name]:.2e} "
            f"({error:.3g} times the tolerance)"
            for name, error in self.errors.items()
        ]
        return "\n".join(lines)

    def raise_if_failed(self) -> GradientCheck:
        """Return itself, or raise an AssertionError that lists every gradient."""
        __tracebackhide__ = True
        if not self.ok:
            raise AssertionError(f"analytic and numerical gradients differ\n{self}")
        return self


def gradient_check(
    function_or_layer: Any,
    inputs: Any,
    *,
    dy: Any = None,
    mode: str = "projection",
    projections: int = 3,
    eps: float | None = None,
    tolerance: float | None = None,
    rng: int | np.random.Generator = 0,
    raise_exception: bool = True,
    **options: Any,
) -> GradientCheck:
    """Compare analytic gradients with central differences, in float64.

    Parameters
    ----------
    function_or_layer : callable, pair of callables or layer
        One of

        - a function that has a ``…_backward`` beside it in its module, such as `fastconv.conv2d`;
        - a function that returns ``(value, gradient)`` with respect to its first input, such as a loss;
        - a pair ``(forward, backward)``: ``forward(*inputs)`` and ``backward(dy, *inputs)``, which returns one
          gradient or a tuple of them;
        - a layer: ``forward(*inputs)``, ``backward(dy)`` and, where there are any, ``parameters()`` with ``.data``
          and ``.grad``.
    inputs : array_like, or tuple of array_like, or list of ndarray
        Where to check. Integer arrays (labels, indices) are passed on as they are.
    dy : array_like, optional
        Gradient of the loss with respect to the output; by default random.
    mode : {"projection", "full"}
        Along random directions, which takes six evaluations per array whatever its size; or element by element.
    projections : int
        Number of random directions.
    eps : float, optional
        Step, relative to the size of the array; by default the cube root of the precision.
    tolerance : float, optional
        Largest relative error; by default 1e-7 (1e-3 where the function itself computes in float32). What rounding
        does to the difference of two outputs is allowed on top.
    rng : int or numpy.random.Generator
        Where directions (and `dy`) are drawn from.
    raise_exception : bool
        Raise if a gradient is wrong, as `torch.autograd.gradcheck` does; or just return the result.
    **options
        Passed on to the function.

    Returns
    -------
    GradientCheck
        True where every gradient is right; errors by name.

    Raises
    ------
    AssertionError
        If a gradient is wrong, unless ``raise_exception=False``.
    TypeError, ValueError
        If there is nothing to check, or `mode` is unknown.

    Notes
    -----
    The loss is ``sum(dy * forward(inputs))``. Near a kink (equal elements in a max-pooling window, a zero in front
    of a ReLU) central differences are no derivatives: check away from them. The forward pass has to be deterministic.
    The parameters of a layer are put back afterwards, and their gradients are left cleared.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> from fastconv.testing import gradient_check
    >>> rng = np.random.default_rng(0)
    >>> x, weight = rng.standard_normal((2, 3, 5, 4)), rng.standard_normal((2, 3, 3, 2))
    >>> bool(gradient_check(fc.conv2d, (x, weight), stride=(2, 1), backend="numpy"))
    True
    """
    __tracebackhide__ = True
    check_choice("gradient_check", "mode", mode, ("projection", "full"))
    for name, number in (("eps", eps), ("tolerance", tolerance)):
        if number is not None:
            check_number("gradient_check", name, number, least=float(np.finfo(float).tiny))
    projections = check_integer("gradient_check", "projections", projections, 1)
    generator = check_rng("gradient_check", rng)
    several = isinstance(inputs, tuple) or (isinstance(inputs, list) and any(isinstance(i, np.ndarray) for i in inputs))
    values = [as_checked(value) for value in (inputs if several else (inputs,))]
    if not values:
        raise InvalidValueError("gradient_check: inputs must hold an array, but got none.")
    from fastconv.layers.inference import trial_passes  # not for `import fastconv`

    with trial_passes(), problem_of(function_or_layer, values, options) as problem:
        y = np.asarray(problem.forward())
        weights = (
            generator.standard_normal(y.shape)
            if dy is None
            else check_real("gradient_check", "dy", dy).astype(np.float64)
        )
        directions = None if mode == "full" else partial(_random_directions, projections, generator)
        check = _check(problem, y, weights, directions, eps, tolerance)
    return check.raise_if_failed() if raise_exception else check


def _check(
    problem: GradientProblem,
    y: Array,
    weights: Array,
    directions: Directions,
    eps: float | None,
    tolerance: float | None,
) -> GradientCheck:
    __tracebackhide__ = True
    if not any(variable.value.size for variable in problem.variables):
        raise InvalidValueError("gradient_check: inputs must hold at least one floating-point number, but got none.")
    if weights.shape != y.shape:
        raise InvalidValueError(f"gradient_check: dy must have shape {y.shape} (the output), but got {weights.shape}.")
    gradients = problem.backward(weights)
    total = float(np.abs(weights * y).sum())
    errors, relative = {}, {}
    for variable in problem.variables:
        gradient = _gradient(gradients, variable)
        precision = max(float(np.finfo(a.dtype).eps) for a in (y, variable.value) if a.dtype.kind == "f")
        step = (precision ** (1 / 3) if eps is None else eps) * (_root_mean_square(variable.value) or 1.0)
        allowed = ((1e-7 if precision < 1e-10 else 1e-3) if tolerance is None else tolerance, precision * total / step)
        analytic, numeric, scale = _slopes(problem, variable, gradient, weights, step, directions)
        error = np.abs(analytic - numeric)
        bound = allowed[0] * scale + ROUNDINGS * allowed[1]
        errors[variable.name] = _largest(error, bound)
        relative[variable.name] = _largest(error, scale)
    return GradientCheck(errors, relative)


def _gradient(gradients: Mapping[str, Any], variable: Variable) -> Array:
    __tracebackhide__ = True
    gradient = gradients.get(variable.name)
    if gradient is None:
        raise AssertionError(f"gradient_check: no gradient of {variable.name} came back")
    gradient = np.array(gradient, np.float64)
    if gradient.shape != variable.value.shape:
        raise AssertionError(
            f"gradient_check: the gradient of {variable.name} has shape {gradient.shape} instead of "
            f"{variable.value.shape}"
        )
    return gradient


def _slopes(
    problem: GradientProblem, variable: Variable, gradient: Array, dy: Array, step: float, directions: Directions
) -> tuple[Array, Array, Array]:
    """Analytic and numerical slopes of the loss along each direction, and the size that errors are relative to."""
    analytic, numeric, scale = [], [], []
    largest = float(np.abs(gradient).max(initial=0.0))
    for direction in (directions or _axes)(gradient.shape):
        analytic.append(float((gradient * direction).sum()))
        numeric.append(_slope(problem, variable, direction, dy, step))
        scale.append(largest if directions is None else float(np.abs(gradient * direction).sum()))
    return np.array(analytic), np.array(numeric), np.array(scale)


def _axes(shape: Shape) -> Iterable[Array]:
    for position in np.ndindex(shape):
        direction = np.zeros(shape)
        direction[position] = 1.0
        yield direction


def _random_directions(count: int, rng: np.random.Generator, shape: Shape) -> Iterable[Array]:
    """No component near zero, so that no element escapes, and no two alike, so that no two errors cancel."""
    for _ in range(count):
        yield rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.5, shape)


def _slope(problem: GradientProblem, variable: Variable, direction: Array, dy: Array, step: float) -> float:
    outputs = []
    for signed in (step, -step):
        variable.assign((variable.value + signed * direction).astype(variable.value.dtype))
        outputs.append(np.array(problem.forward(), np.float64))
    variable.assign(variable.value)
    return float((dy * (outputs[0] - outputs[1])).sum()) / (2 * step)


def _root_mean_square(value: Array) -> float:
    return float(np.sqrt(np.mean(np.square(value, dtype=np.float64)))) if value.size else 0.0


def _largest(error: Array, allowed: Array) -> float:
    return float(np.max([in_tolerances(*pair) for pair in zip(error.tolist(), allowed.tolist())], initial=0.0))


def adjoint_check(
    forward: Callable[[Array], Any],
    adjoint: Callable[[Array], Any],
    x_shape: Shape,
    y_shape: Shape,
    *,
    rng: int | np.random.Generator = 0,
) -> float:
    """Check that two linear maps are each other's transpose: ``<A x, y> == <x, Aᵀ y>`` for random x and y.

    Exact to rounding, with no step size: the sharpest check that there is for linear operations.

    Parameters
    ----------
    forward, adjoint : callable
        The maps, from one float64 array to another.
    x_shape, y_shape : tuple of int
        Shapes of their inputs.
    rng : int or numpy.random.Generator
        Where x and y are drawn from.

    Returns
    -------
    float
        The error in units of the tolerance, at most one.

    Raises
    ------
    AssertionError
        If the two products differ by more than rounding, or a result has the wrong shape.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> from fastconv.testing import adjoint_check
    >>> error = adjoint_check(
    ...     lambda x: fc.im2col(x, (2, 3)), lambda c: fc.col2im(c, (4, 5), (2, 3)), (1, 2, 4, 5), (1, 12, 9)
    ... )
    """
    __tracebackhide__ = True
    generator = check_rng("adjoint_check", rng)
    x, y = generator.standard_normal(x_shape), generator.standard_normal(y_shape)
    forth, back = np.asarray(forward(x)), np.asarray(adjoint(y))
    if forth.shape != y.shape or back.shape != x.shape:
        raise AssertionError(
            f"adjoint: the maps give shapes {forth.shape} and {back.shape} instead of {y.shape} and {x.shape}"
        )
    left, right = float((forth * y).sum()), float((x * back).sum())
    scale = float(np.abs(forth * y).sum() + np.abs(x * back).sum())
    allowed = tolerance(np.result_type(forth, back, np.float32), scale)
    error = in_tolerances(abs(left - right), allowed)
    if not error <= 1:
        raise AssertionError(
            f"adjoint: <A x, y> is {left!r}, but <x, A^T y> is {right!r}: {error:.3g} times the tolerance of "
            f"{allowed:.3g}"
        )
    return error
