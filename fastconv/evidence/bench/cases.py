"""The one table of what the suite times, and how much of it each backend can bear."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import NamedTuple

from fastconv.errors import unknown_name
from fastconv.evidence.bench import family
from fastconv.evidence.bench.family import Member
from fastconv.evidence.workloads import COURSE, LAYERS, POOLS, Workload

DTYPES = ("float32", "float64")
LOOPS = "seed_loops"  # the frozen loops, in the place of a backend
BACKENDS = ("fast", "numpy", "naive", LOOPS)
FAMILY = "family"  # the kind of all operations and layers, which run when they are asked for; by this name all of them

_PLAIN = ("naive", LOOPS)  # they take microseconds for each output, and so a crop of the layer
_CROP, _SMALL_CROP = 4096, 256  # outputs


NETWORK_STEPS = ("inference", "program", "training")  # a program is an inference that was recorded


class Network(NamedTuple):
    """A network by name, and the images of a batch."""

    model: str
    batch: int


class Entry(NamedTuple):
    """One line of the table.

    Attributes
    ----------
    name : str
        What it is called on the command line, in the JSON and in the tables.
    kind : {"conv", "pool", "model", "start", "course", "accelerate", "family"}
        Which bench file runs it: ``bench_<kind>.py``.
    steps : tuple of str
        Its passes.
    backends : tuple of str
        Who can run it.
    description : str
        What it stands for.
    workload : Workload or None
        Sizes of a convolution or pooling.
    network : Network or None
        A network of `fastconv.models`.
    member : Member or None
        An operation or a layer of the family.
    dtype : str or None
        The one dtype that it is for, whatever is asked for; None for any.
    """

    name: str
    kind: str
    steps: tuple[str, ...]
    backends: tuple[str, ...]
    description: str
    workload: Workload | None = None
    network: Network | None = None
    member: Member | None = None
    dtype: str | None = None


def _layers(kind: str, workloads: Sequence[Workload], dtype: str | None = None) -> tuple[Entry, ...]:
    passes = ("forward", "backward")
    return tuple(Entry(each.name, kind, passes, BACKENDS, each.description, each, dtype=dtype) for each in workloads)


def _network(model: str, batch: int, description: str) -> Entry:
    steps, backends = NETWORK_STEPS, ("fast", "numpy")  # plain loops would take minutes for one step
    return Entry(model, "model", steps, backends, description, network=Network(model, batch))


def _of_family(member: Member) -> Entry:
    backends = ("numpy",) if member.on_both else ("fast", "numpy")
    return Entry(member.name, FAMILY, member.steps, backends, str(member), member=member)


TABLE: tuple[Entry, ...] = (
    *_layers("conv", LAYERS),
    *_layers("pool", POOLS),
    *_layers("course", COURSE, "float64"),
    Entry(
        "accelerated_call",
        "accelerate",
        ("direct", "accelerated"),
        ("fast",),
        "a call of almost no work: conv2d itself, and in the place of somebody's loops",
        dtype="float64",
    ),
    _network("digits", 32, "two convolutions, 8x8 digits"),
    _network("lenet5", 64, "LeNet-5, 28x28"),
    _network("three-layer", 50, "the three-layer network of CS231n, with its batch, 32x32"),
    _network("vgg-small", 32, "six convolutions of 3x3 with batch norm, 32x32"),
    _network("resnet20", 32, "ResNet-20 for CIFAR-10, 32x32"),
    Entry("first_convolution", "start", ("cold", "warm"), ("fast",), "a new process, up to its first convolution"),
    *map(_of_family, (*family.OPERATIONS, *family.LAYERS)),
)
_LINES = {each.name: each for each in TABLE}


class Case(NamedTuple):
    """One benchmark, by names alone.

    Examples
    --------
    >>> str(Case("maxpool2x2_64_56", "forward", "fast", "float32"))
    'maxpool2x2_64_56 forward fast float32'
    """

    workload: str
    step: str
    backend: str
    dtype: str

    def __str__(self) -> str:
        return " ".join(self)


@dataclass(frozen=True)
class Selection:
    """Which cases to run, and how.

    Parameters
    ----------
    workloads, backends, dtypes : tuple of str
        Names of them; no workload means all but the family, and "family" all of that.
    batch : int, optional
        Images of every layer; its own number by default.
    threads : int, optional
        Threads of fastconv and of NumPy's BLAS; by default those that fastconv uses.
    quick : bool
        Time each case for a moment only.

    Raises
    ------
    ValueError
        If a name is none of the table; the message lists all of them.
    """

    workloads: tuple[str, ...] = ()
    backends: tuple[str, ...] = BACKENDS
    dtypes: tuple[str, ...] = DTYPES[:1]
    batch: int | None = None
    threads: int | None = None
    quick: bool = False

    def __post_init__(self) -> None:
        _check("a workload", self.workloads, (*names(), FAMILY))
        _check("a backend", self.backends, BACKENDS)
        _check("a dtype", self.dtypes, DTYPES)

    def __contains__(self, case: Case) -> bool:
        if not self._names(case.workload) or case.backend not in self.backends:
            return False
        fixed = _LINES[case.workload].dtype if case.workload in _LINES else None
        return case.dtype == fixed if fixed else case.dtype in self.dtypes

    def _names(self, workload: str) -> bool:
        if workload in self.workloads or workload not in _LINES:
            return workload in self.workloads
        return FAMILY in self.workloads if _LINES[workload].kind == FAMILY else not self.workloads


def _check(subject: str, chosen: Sequence[str], known: Sequence[str]) -> None:
    for name in chosen:
        if name not in known:
            raise unknown_name("bench", subject, name, known, bare=True)


def names() -> tuple[str, ...]:
    """Every name of the table."""
    return tuple(_LINES)


def entry(name: str) -> Entry:
    """Line of that name in the table."""
    _check("a workload", (name,), names())
    return _LINES[name]


def kind_of(name: str) -> str | None:
    """Return the kind of a name; None of one that the table does not have, such as that of an older one."""
    return _LINES[name].kind if name in _LINES else None


def cases(kind: str, selection: Selection) -> Iterator[Case]:
    """Cases of one bench file, those with the same right results next to each other.

    Examples
    --------
    >>> [str(case) for case in cases("pool", Selection(("avgpool2x2_64_56",), backends=("fast",)))]
    ['avgpool2x2_64_56 forward fast float32', 'avgpool2x2_64_56 backward fast float32']
    """
    for each in TABLE:
        if each.kind != kind:
            continue
        dtypes = DTYPES[:1] if each.kind == "start" else DTYPES  # a process starts once, not once for each dtype
        for dtype in dtypes:
            for step in each.steps:
                for backend in each.backends:
                    case = Case(each.name, step, backend, dtype)
                    if case in selection and (step != "program" or backend == "fast"):
                        yield case


def sized(workload: Workload, backend: str, *, batch: int | None = None, small: bool = False) -> Workload:
    """Return as much of a workload as a backend can bear.

    Parameters
    ----------
    workload : Workload
        The whole of it.
    backend : str
        Plain Python loops get a crop of it, the others all.
    batch : int, optional
        Images; its own number by default.
    small : bool
        Take one image, and less of it for plain loops: to check without timing.

    Examples
    --------
    >>> from fastconv.evidence.workloads import LAYERS
    >>> sized(LAYERS[0], "fast").output_shape
    (8, 64, 56, 56)
    >>> sized(LAYERS[0], "naive").output_shape
    (1, 1, 56, 56)
    """
    if batch is not None:
        workload = workload.with_batch(batch)
    if small:
        workload = workload.with_batch(1)
    return _crop(workload, _SMALL_CROP if small else _CROP) if backend in _PLAIN else workload


def _crop(workload: Workload, outputs: int) -> Workload:
    """One image, then fewer filters (groups, channels), then fewer rows; what one output costs stays the same."""
    if prod(workload.output_shape) <= outputs:
        return workload
    workload = _with_planes(workload.with_batch(1), max(1, outputs // prod(workload.output_shape[2:])))
    channels, rows, columns = workload.output_shape[1:]
    return _with_rows(workload, min(rows, max(1, outputs // (channels * columns))))


def _with_planes(workload: Workload, planes: int) -> Workload:
    """Keep at most so many output planes, if there is more than one group in whole groups."""
    N, C, H, W = workload.input_shape
    if workload.weight_shape is None:
        return replace(workload, input_shape=(N, min(C, planes), H, W))
    F, channels, KH, KW = workload.weight_shape
    groups = workload.options.groups
    if groups == 1:
        return replace(workload, weight_shape=(min(F, planes), channels, KH, KW))
    kept = max(1, min(groups, planes * groups // F))
    options = workload.options._replace(groups=kept)
    weight_shape = (kept * (F // groups), channels, KH, KW)
    return replace(workload, input_shape=(N, kept * channels, H, W), weight_shape=weight_shape, options=options)


def _with_rows(workload: Workload, rows: int) -> Workload:
    """Keep so many output rows, with the same padding above and below."""
    N, C, H, W = workload.input_shape
    axis = workload.geometry.axes[0]
    size = (rows - 1) * axis.stride + axis.extent - axis.before - axis.after
    return workload if rows >= axis.out or size < 1 else replace(workload, input_shape=(N, C, min(H, size), W))
