"""`compare`: the public function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.backends import resolve_backend
from fastconv.errors import InvalidTypeError, InvalidValueError, meant, shown, unknown_name
from fastconv.evidence.compare.comparison import Comparison
from fastconv.evidence.compare.runner import compare_problems
from fastconv.evidence.compare.runs import Settings
from fastconv.evidence.environment import current_environment
from fastconv.evidence.problem import OPERATIONS, OperationProblem, from_call, from_workload
from fastconv.evidence.quiet import Watch
from fastconv.evidence.workloads import LAYERS, NAMES, ImageWorkload, Workload, by_name, image_workloads
from fastconv.validation.sizes import check_flag, check_integer

Progress = Callable[[str, str, float], None]
Selection = str | Workload | Sequence["str | Workload"] | Callable[..., Any] | None

_DTYPES = (np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64))


def compare(
    workloads: Selection = None,
    /,
    *args: Any,
    backends: Sequence[str] = ("naive", "fast"),
    batch: int | None = None,
    dtype: DTypeLike | None = None,
    repeats: int = 5,
    backward: bool = True,
    full: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
    **arguments: Any,
) -> Comparison:
    """Compare two backends: numbers, time and memory, forward and for every gradient.

    ``compare()``, ``compare("conv3x3_64_56", batch=8)``, ``compare(conv2d, x, weight, bias, stride=2)``

    Parameters
    ----------
    workloads : str, Workload, sequence of them, or a public operation, optional
        What to run. By default the twelve layers of `fastconv.evidence.workloads.LAYERS` at batch 1, and where
        scikit-learn is installed convolution and pooling on its photographs and digits. With an operation,
        `fastconv.conv2d` or ``"conv2d"`` (or one of the poolings), your own call follows: `args` and `arguments` are
        those of the operation.
    *args, **arguments
        Arguments of the operation, where `workloads` is one.
    backends : (str, str)
        Reference and candidate. The candidate is timed on the whole problem, again and again; the reference runs once.
    batch : int, optional
        Images of every workload. By default 1 for a named layer, all that there are for real images, and what it says
        itself for a `Workload`.
    dtype : {float16, float32, float64}, optional
        Dtype of all arrays. By default float32, and for your own arrays what they have.
    repeats : int
        Rounds that the candidate is timed; the median counts.
    backward : bool
        Compare the gradients too.
    full : bool
        Run the reference on the whole of every problem. Otherwise it takes as many images and output rows as it
        computes in about half a second: both backends are then compared on that part, its time is extrapolated from a
        tenth of a second, and the whole result of the candidate is compared with the numpy backend in float64.
    seed : int
        Seed of everything that is drawn.
    progress : callable, optional
        Called with the name of the workload, the stage, and the fraction done.

    Returns
    -------
    Comparison
        Prints as a table; see `Comparison` for its parts, and its ``ok`` for the verdict.

    Raises
    ------
    ValueError
        If a workload is unknown, or sizes do not fit together.
    TypeError
        If an argument has a type that is not taken.
    ImportError
        If a backend cannot run here, or scikit-learn is missing for a workload that needs it.

    Notes
    -----
    With three workloads or more, a process of its own computes references while this one compiles, if there is a
    second core; what is timed is timed after that, with nothing beside it.

    An element is within tolerance if it is no farther than ``64 * eps * sum |x·w|`` from the reference, or where `fast`
    computes it by Winograd's algorithm than what that promises, see `fastconv.set_options`. "Times faster" divides by
    the frozen loops of the tutorials, never by the naive backend.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 2 * 3 * 7 * 9).reshape(2, 3, 7, 9)
    >>> weight = np.linspace(-1, 1, 4 * 3 * 3 * 2).reshape(4, 3, 3, 2)
    >>> result = compare("conv2d", x, weight, padding="same", backends=("naive", "numpy"))
    >>> result.ok
    True
    >>> [difference.array for difference in result.rows[0].differences]
    ['y', 'dx', 'dweight', 'dbias']
    """
    if progress is not None:
        progress("", "loading the backends", 0.0)
    reference, candidate = _check_backends(backends)
    settings = Settings(
        reference,
        candidate,
        check_integer("compare", "repeats", repeats, 1),
        check_flag("compare", "backward", backward),
        check_flag("compare", "full", full),
        check_integer("compare", "seed", seed, 0),
    )
    makers = _problems(workloads, args, arguments, batch, _check_dtype(dtype), settings.seed)
    environment, watch = current_environment(), Watch()
    names = [name for name, _ in makers]

    def report(i: int, stage: str, fraction: float) -> None:
        if progress is not None:
            progress(names[i], stage, fraction)

    rows = compare_problems([make for _, make in makers], settings, report)
    if progress is not None:
        progress("", "done", 1.0)
    return Comparison(rows, watch.judged(environment), (reference, candidate))


def default_workloads() -> tuple[Workload, ...]:
    """Return what `compare` runs by default.

    Returns
    -------
    tuple of Workload
        The twelve layers at batch 1, and real images where scikit-learn is installed.
    """
    layers = tuple(layer.with_batch(1) for layer in LAYERS)
    try:
        return (*layers, *image_workloads())
    except ImportError:
        return layers


def _problems(
    workloads: Selection,
    args: tuple[Any, ...],
    arguments: dict[str, Any],
    batch: int | None,
    dtype: np.dtype[Any] | None,
    seed: int,
) -> list[tuple[str, Callable[[], OperationProblem]]]:
    """Name every problem and say how to make it; it is made when its turn comes, so that one at a time is in memory."""
    operation = _operation(workloads)
    if operation is not None:
        if batch is not None:
            raise InvalidValueError(
                f"compare: batch must not be given with arrays of your own, but got {shown(batch)}. The batch is "
                "that of x."
            )
        problem = from_call(operation, args, arguments, dtype)
        return [(operation, lambda: problem)]
    if args or arguments:
        raise InvalidTypeError(
            f"compare: the first argument must be an operation ({', '.join(OPERATIONS)}) where arrays or its options "
            f"follow, but got {shown(workloads)} with {len(args)} positional and {', '.join(arguments) or 'no'} "
            "keyword "
            "arguments."
        )
    chosen = _select(workloads)
    if batch is not None:
        size = check_integer("compare", "batch", batch, 1)
        chosen = [workload.with_batch(size) for workload in chosen]
    precision = np.dtype(np.float32) if dtype is None else dtype
    return [(workload.name, partial(from_workload, workload, precision, seed)) for workload in chosen]


def _operation(workloads: Selection) -> str | None:
    """Name of the operation that `workloads` is; None if it is something else."""
    name = workloads if isinstance(workloads, str) else getattr(workloads, "__name__", None)
    if name in OPERATIONS:
        return str(name)
    if callable(workloads):
        listed, hint = ", ".join(OPERATIONS), meant(name, OPERATIONS)
        raise InvalidTypeError(f"compare: the operation must be one of {listed}, but got {shown(name)}.{hint}")
    return None


def _select(workloads: Selection) -> list[Workload]:
    """Return the workloads; a layer that is only named has one image."""
    if workloads is None:
        return [*default_workloads()]
    if isinstance(workloads, (str, Workload)):
        workloads = (workloads,)
    if not isinstance(workloads, Sequence):
        raise InvalidTypeError(
            f"compare: workloads must be names, workloads or an operation, but got {shown(workloads)} "
            f"({type(workloads).__name__})."
        )
    if not workloads:
        raise InvalidValueError("compare: workloads must name at least one, but got none. Leave it out for all.")
    return [_workload(item) for item in workloads]


def _workload(item: object) -> Workload:
    if isinstance(item, Workload):
        return item
    if not isinstance(item, str):
        raise InvalidTypeError(
            f"compare: a workload must be a name or a Workload, but got {shown(item)} ({type(item).__name__})."
        )
    if item not in NAMES:
        raise unknown_name("compare", "a workload", item, NAMES, bare=True)
    found = by_name(item)
    return found if isinstance(found, ImageWorkload) else found.with_batch(1)


def _check_backends(backends: Sequence[str]) -> tuple[str, str]:
    names = tuple(backends)
    if isinstance(backends, str) or len(names) != 2 or names[0] == names[1]:
        raise InvalidValueError(f"compare: backends must be two different names, but got {shown(backends)}.")
    for name in names:
        resolve_backend(name)
    return names[0], names[1]


def _check_dtype(dtype: DTypeLike | None) -> np.dtype[Any] | None:
    if dtype is None:
        return None
    try:
        checked = np.dtype(dtype)
    except TypeError:
        checked = None
    if checked not in _DTYPES:
        raise InvalidTypeError(f"compare: dtype must be float16, float32 or float64, but got {shown(dtype)}.")
    return checked
