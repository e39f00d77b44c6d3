"""Which arrays are alive together: a forward pass, and a whole training step, played through in bytes.

Arrays are known by the keys of the `Value` of a trace: what two layers keep is one array. What lives through a whole
step (parameters, the state of an optimiser, the engine's buffer) is no part of what is counted here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fastconv.accounting.work import INPUT, Moment, Work, fork_of, kept_bytes

__all__ = ["inference_moments", "peak", "training_moments"]

_Buffer = tuple[object, int]  # what tells it from others, and its bytes


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
        yield Moment(f"forward of {work.name}", nbytes + (work.scratch if everything else 0))
        alive = {key for key in alive if last[key] > i}


def training_moments(found: Sequence[Work], sizes: dict[int, int], optimizer: int) -> Iterator[Moment]:
    """What is alive at every point of a training step in the steady state; `optimizer` is its temporary bytes."""
    yield from _forward_moments(found, sizes)
    backward = _Backward(found, sizes)
    yield from backward.run(0, len(found))
    yield Moment("the optimiser", backward.always + sum(work.gradients for work in found) + optimizer)


def _forward_moments(found: Sequence[Work], sizes: dict[int, int]) -> Iterator[Moment]:
    """Layers let go of what the step before kept one by one, when they keep something new."""
    last = _last_uses(found)
    alive, kept, extra = {INPUT}, {INPUT}, 0
    for i, work in enumerate(found):
        alive.add(work.output)
        extra += work.kept
        old = {key for later in found[i:] for key in later.keeps} | {found[-1].output}
        old_extra = sum(later.kept for later in found[i:])
        nbytes = sum(sizes[key] for key in alive | kept) + sum(sizes[key] for key in old) + extra + old_extra
        yield Moment(f"forward of {work.name}", nbytes + work.scratch)
        alive = {key for key in alive if last[key] > i}
        kept |= work.keeps


class _Backward:
    """A backward pass: everything that is kept, gradients of parameters so far, and those of arrays on the way."""

    def __init__(self, found: Sequence[Work], sizes: dict[int, int]) -> None:
        self.found, self.sizes = found, sizes
        self.always = kept_bytes(found, sizes)
        self.parameters = 0
        self.gradients: dict[int, _Buffer] = {work.output: ("dy", sizes[work.output]) for work in found[-1:]}
        self.held: list[_Buffer] = []

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
