"""What fastconv sets out to reach, and whether it did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import geometric_mean

from fastconv.evidence.contest.heats import Heat, Startup

_LARGE = 20e6  # floating-point operations from which two threads should help
_CHANNELS = 64
_LOOPS = {"forward": 2600.0, "backward": 1700.0}
_DENSE = ("conv3x3_64_56", "conv3x3_128_28", "conv3x3_256_14", "conv3x3_512_7", "conv3x3_32_64_16")
_EFFECTIVE = _DENSE[:3]  # of which the share of the peak is a target
_LOOPS_LAYER = "conv3x3_64_56"
_Figure = Callable[[Heat], float | None]


@dataclass(frozen=True)
class Target:
    """One target.

    Attributes
    ----------
    what : str
        What was measured.
    value : float
        The figure, the worst of all where it is about each.
    limit : float
        What it has to reach.
    at_least : bool
        Whether it may be larger than that, or smaller.
    unit : str
        Of both.
    where : str
        The workload with the worst figure; empty where there is none.
    """

    what: str
    value: float
    limit: float
    at_least: bool
    unit: str = ""
    where: str = ""

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def targets(heats: Sequence[Heat], startup: Startup | None, *, exact: bool = False) -> tuple[Target, ...]:
    """Return every target that a contest says something about; there are others where it was exact."""
    single = [heat for heat in heats if heat.dtype == "float32"]
    double = [heat for heat in heats if heat.dtype == "float64"]
    forward = [heat for heat in single if heat.step == "forward"]
    backward = [heat for heat in single if heat.step == "backward"]
    return (
        *_against_others("forward, float32", forward, *((0.95, 1.05) if exact else (0.97, 1.4))),
        *_against_others("backward, float32", backward, *((0.95, 1.5) if exact else (1.0, 2.0))),
        *([] if exact else _dense(forward, backward)),
        *_against_others("forward and backward, float64", double, 1.2, 2.5),
        *_of_peak(forward, backward, exact=exact),
        *_worst("gain of the threads over that of the peak", single, _scaling, 0.95),
        *_worst("workspace beyond the copies", heats, _excess, 8.0, "MiB a thread", at_least=False),
        *_over_loops(single),
        *_startup(startup),
    )


def _against_others(what: str, heats: list[Heat], each: float, mean: float) -> Iterable[Target]:
    ratios = [ratio for heat in heats if (ratio := heat.ratio) is not None]
    if ratios:
        yield from _worst(f"{what}: best other / fastconv, each", heats, lambda heat: heat.ratio, each)
        yield Target(f"{what}: geometric mean of {len(ratios)}", geometric_mean(ratios), mean, True)


def _dense(forward: list[Heat], backward: list[Heat]) -> Iterable[Target]:
    """Of the layers of 3×3 at stride 1 with many channels, which Winograd's algorithm is for."""
    for what, heats, each, mean in (("forward", forward, 1.7, 2.0), ("backward", backward, 1.5, 1.5)):
        yield from _against_others(
            f"{what}, float32, dense 3×3", [heat for heat in heats if heat.workload in _DENSE], each, mean
        )


def _worst(
    what: str, heats: Iterable[Heat], figure: _Figure, limit: float, unit: str = "", *, at_least: bool = True
) -> Iterable[Target]:
    figures = [(value, f"{heat.workload} {heat.step}") for heat in heats if (value := figure(heat)) is not None]
    if figures:
        value, where = min(figures) if at_least else max(figures)
        yield Target(what, value, limit, at_least, unit, where)


def has_parts(heat_step: str, kernel: tuple[int, ...], stride: tuple[int, ...], weight: tuple[int, ...]) -> bool:
    """Whether the gradients of a layer have targets of their own: 3x3, stride 1, 64 channels and filters or more."""
    wide = weight[0] >= _CHANNELS and weight[1] >= _CHANNELS
    return heat_step == "backward" and set(kernel) == {3} and set(stride) == {1} and wide


def _of_peak(forward: list[Heat], backward: list[Heat], *, exact: bool) -> Iterable[Target]:
    gradients = [heat for heat in backward if heat.parts and (exact or heat.workload in _EFFECTIVE)]
    wide = {heat.workload for heat in gradients}
    layers = [heat for heat in forward if heat.workload in wide]
    title = (
        "3×3, 64 channels or more, share of the peak"
        if exact
        else "3×3, 64 to 256 channels, effective share of the peak"
    )
    yield from _worst(f"{title}: forward", layers, lambda heat: heat.of_peak, 0.9 if exact else 1.8)
    yield from _worst(f"{title}: dx", gradients, lambda heat: heat.part_of_peak("dx"), 0.9 if exact else 1.8)
    yield from _worst(f"{title}: dweight", gradients, lambda heat: heat.part_of_peak("dweight"), 0.88)


def _scaling(heat: Heat) -> float | None:
    return heat.scaling if heat.flops > _LARGE else None


def _excess(heat: Heat) -> float:
    return heat.excess_workspace / 2**20


def _over_loops(heats: list[Heat]) -> Iterable[Target]:
    for heat in heats:
        if heat.workload == _LOOPS_LAYER and heat.times_faster is not None:
            what = f"times faster than the frozen loops: {heat.workload} {heat.step}"
            yield Target(what, heat.times_faster, _LOOPS[heat.step], True, "×")


def _startup(startup: Startup | None) -> Iterable[Target]:
    if startup is not None:
        title = "first convolution in a process"
        yield Target(f"{title}, empty cache", startup.cold, 4.0, False, "s")
        yield Target(f"{title}, warm cache", startup.warm, 0.5, False, "s")
        yield Target("fastconv warmup, empty cache", startup.warmup, 60.0, False, "s")
