"""Which arrays are alive together: a forward pass, and a whole training step, played through in bytes.

Arrays are known by the keys of the `Value` of a trace: what two layers keep is one array. What lives through a whole
step (parameters, the state of an optimiser, the engine's buffer) is no part of what is counted here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from fastconv.layers.base import Step

INPUT = 0  # key of the batch
_Buffer = tuple[object, int]  # what tells it from others, and its bytes


class Moment(NamedTuple):
    """A point of a step, and the bytes that are alive at it."""

    what: str
    nbytes: int


@dataclass(frozen=True)
class Work:
    """One step of a trace, in bytes.

    Attributes
    ----------
    name : str
        Name of the layer.
    inputs : tuple of int
        Keys of what it reads; several where branches meet.
    output : int
        Key of what it writes; that of an input where it returns a view.
    branches : tuple of (int, int)
        Where branches meet: the first step of each, and the one after its last.
    keeps : frozenset of int
        Keys of what it keeps for the backward pass.
    kept : int
        Bytes that it keeps beyond those.
    gradients : int
        Bytes of the gradients of its trainable parameters.
    forward_scratch, scratch : int
        Bytes of temporary arrays: of the forward pass, and of the backward pass.
    """

    name: str
    inputs: tuple[int, ...]
    output: int
    branches: tuple[tuple[int, int], ...] = ()
    keeps: frozenset[int] = frozenset()
    kept: int = 0
    gradients: int = 0
    forward_scratch: int = 0
    scratch: int = 0


def works(
    steps: Sequence[Step], batch: int, itemsize: int, gradients: Sequence[int], scratch: Sequence[tuple[int, int]]
) -> tuple[list[Work], dict[int, int]]:
    """Return the steps in bytes, and the bytes of every array.

    `batch` is the bytes of the input, `gradients` those of the trainable parameters of each step, `scratch` those of
    temporary arrays of both passes.
    """
    sizes = {INPUT: batch}
    found = []
    for step, gradient, temporary in zip(steps, gradients, scratch):
        for value in (*step.inputs, step.output):
            sizes[value.key] = max(sizes.get(value.key, 0), prod(value.shape) * itemsize)
        keys = tuple(value.key for value in step.inputs)
        keeps = (keys if step.layer.keeps_input else ()) + ((step.output.key,) if step.layer.keeps_output else ())
        kept = step.layer.kept_bytes(step.inputs[0].shape, itemsize)
        name = step.name or type(step.layer).__name__
        found.append(Work(name, keys, step.output.key, step.branches, frozenset(keeps), kept, gradient, *temporary))
    return found, sizes


def fork_of(found: Sequence[Work], join: Work) -> int:
    """Return the array that all branches of a join read."""
    return next((found[first].inputs[0] for first, end in join.branches if first < end), join.inputs[0])


def kept_bytes(found: Sequence[Work], sizes: dict[int, int]) -> int:
    """Bytes of everything that a forward pass keeps, the batch and the output of the network included."""
    keys = {INPUT, *(key for work in found for key in work.keeps), *(work.output for work in found[-1:])}
    return sum(sizes[key] for key in keys) + sum(work.kept for work in found)


def peak(moments: Iterator[Moment]) -> Moment:
    """Return the first moment with the most bytes."""
    return max(moments, key=lambda moment: moment.nbytes)


def _last_uses(found: Sequence[Work]) -> dict[int, int]:
    """Step after which nobody holds an array any more; the output of the network stays."""
    last = {key: i for i, work in enumerate(found) for key in (work.output, *work.inputs)}
    for i, work in enumerate(found):
        if work.branches:  # whoever runs them holds what they read until they meet
            fork = fork_of(found, work)
            last[fork] = max(last[fork], i)
    return last | {work.output: len(found) for work in found[-1:]}


def inference_moments(found: Sequence[Work], sizes: dict[int, int], *, everything: bool) -> Iterator[Moment]:
    """What is alive while each layer runs, if none keeps anything.

    With `everything`, temporary arrays count too, and the batch stays to the end, because the caller holds it.
    """
    last = _last_uses(found)
    if everything:
        last[INPUT] = len(found)
    alive = {INPUT}
    yield Moment("the start", sizes[INPUT])
    for i, work in enumerate(found):
        alive.add(work.output)
        nbytes = sum(sizes[key] for key in alive)
        yield Moment(f"forward of {work.name}", nbytes + (work.forward_scratch if everything else 0))
        alive = {key for key in alive if last[key] > i}


def training_moments(found: Sequence[Work], sizes: dict[int, int], optimizer: int) -> Iterator[Moment]:
    """What is alive at every point of a training step in the steady state; `optimizer` is its temporary bytes.

    The caller holds the batch, the output of the network and the gradient of that, until new ones take their places.
    """
    yield from _forward_moments(found, sizes)
    backward = _Backward(found, sizes)
    yield from backward.run(0, len(found))
    yield Moment("the optimiser", backward.always + backward.dy + sum(work.gradients for work in found) + optimizer)


def _forward_moments(found: Sequence[Work], sizes: dict[int, int]) -> Iterator[Moment]:
    """Layers let go of what the step before kept one by one, when they keep something new."""
    last = _last_uses(found)
    alive, kept = {INPUT}, {INPUT}
    extra = sum(sizes[work.output] for work in found[-1:])  # the old gradient of the output
    for i, work in enumerate(found):
        alive.add(work.output)
        extra += work.kept
        old = {key for later in found[i:] for key in later.keeps} | {found[-1].output}
        old_extra = sum(later.kept for later in found[i:])
        nbytes = sum(sizes[key] for key in alive | kept) + sum(sizes[key] for key in old) + extra + old_extra
        yield Moment(f"forward of {work.name}", nbytes + work.forward_scratch)
        alive = {key for key in alive if last[key] > i}
        kept |= work.keeps


class _Backward:
    """A backward pass: everything that is kept, gradients of parameters so far, and those of arrays on the way."""

    def __init__(self, found: Sequence[Work], sizes: dict[int, int]) -> None:
        self.found, self.sizes = found, sizes
        self.always = kept_bytes(found, sizes)
        self.parameters = 0
        self.dy = sum(sizes[work.output] for work in found[-1:])
        self.held: list[_Buffer] = [("dy", self.dy)]
        self.gradients: dict[int, _Buffer] = {work.output: self.held[0] for work in found[-1:]}

    def _moment(self, what: str, temporary: int) -> Moment:
        alive = sum(dict([*self.gradients.values(), *self.held]).values())
        return Moment(f"backward of {what}", self.always + self.parameters + alive + temporary)

    def run(self, first: int, end: int) -> Iterator[Moment]:
        """Steps from the one before `end` back to `first`."""
        i = end - 1
        while i >= first:
            work = self.found[i]
            if work.branches:
                yield from self._join(work)
                i = work.branches[0][0] - 1
            else:
                yield self._step(work)
                i -= 1

    def _step(self, work: Work) -> Moment:
        """One layer: nobody wants the gradient of the batch, and that of a view is a view."""
        self.parameters += work.gradients
        (key,) = work.inputs
        if key != INPUT and key != work.output:
            self.gradients[key] = (work, self.sizes[key])
        moment = self._moment(work.name, work.scratch)
        if key != work.output:
            del self.gradients[work.output]
        return moment

    def _join(self, join: Work) -> Iterator[Moment]:
        """Every branch gets the gradient of the result, or its part; what they return is added up, one by one."""
        gradient, fork = self.gradients.pop(join.output), fork_of(self.found, join)
        self.held.append(gradient)
        total: _Buffer | None = None
        for key, (first, end) in zip(join.inputs, join.branches):
            self.gradients[key] = gradient
            yield from self.run(first, end)
            found = self.gradients.pop(fork, None)
            if fork == INPUT:
                continue
            if total is not None and found is not None:
                self.gradients[fork] = found
                yield self._moment(join.name, self.sizes[fork])
                self.held.remove(total)
                found = (object(), self.sizes[fork])
                del self.gradients[fork]
            if found is not None:
                total = found
                self.held.append(total)
        self.held.remove(gradient)
        if total is not None:
            self.held.remove(total)
            self.gradients[fork] = total
