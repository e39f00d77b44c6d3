"""A training step, recorded layer by layer: forward, loss, backward and the update of the parameters.

Each layer is recorded with both of its passes, and what they launched is tried together: what a layer keeps from one
pass to the other is a part of it, and so are its gradients and its running statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from fastconv.backends.fast.memory.copying import empty_in_order_of
from fastconv.backends.fast.memory.strided import copy_into
from fastconv.backends.fast.program import Break, again
from fastconv.functional.copies import concatenated
from fastconv.functional.relu import add
from fastconv.layers import Concat, Layer, Residual, Sequential
from fastconv.layers.containers import is_plain
from fastconv.programs.fused import Normalized, fused
from fastconv.programs.normalizing import BatchNorm, normalizes
from fastconv.programs.recording import Group, Named, flat, inside, label, overwrite, same, trials
from fastconv.programs.state import Kept, is_trained, seeds_of, taken_from
from fastconv.programs.updates import UpdateRecorder
from fastconv.validation.arrays import Array

Back = Callable[["Array | None", bool], "Array | None"]  # from dy to dx, where it is asked for


class StepRecorder(UpdateRecorder):
    """What a training step launches."""

    def layer(self, name: str, layer: Layer, x: Array) -> tuple[Array, Back]:
        """Record the forward pass of a layer; return its output, and what records its backward pass."""
        if isinstance(layer, Sequential) and is_plain(layer):
            return self.chain(list(flat(name, layer)), x)
        if type(layer) is Residual:
            return self.residual(name, layer, x, None)[:2]
        if type(layer) is Concat:
            return self.concat(name, layer, x)
        return self.unit(label(name, layer), layer, x)

    def chain(self, layers: list[Named], x: Array) -> tuple[Array, Back]:
        """Record layers that run one after the other."""
        backs: list[tuple[Back, bool]] = []
        trained = False
        while layers:
            (name, layer), *layers = layers
            following = [after for _, after in layers] if self.fuse else []
            one, done = fused(layer, following, x) or (None, 0)
            if type(layer) is Residual:
                x, back, done = self.residual(name, layer, x, following[0] if following else None)
            elif one is not None:
                x, back = self.unit(_title(name, layer, *following[:done]), one, x)
            else:
                x, back = self.layer(name, layer, x)
            layers = layers[done:]
            backs.append((back, trained))  # and whether anybody before it wants its gradient
            trained = trained or is_trained(layer)

        def backward(dy: Array | None, needed: bool) -> Array | None:
            for back, wanted in reversed(backs):
                dy = back(dy, needed or wanted)
            return dy

        return x, backward

    def residual(self, name: str, layer: Residual, x: Array, after: Layer | None) -> tuple[Array, Back, bool]:
        """Record branches and their sum, in the pass of a batch norm at the end of one; and whether `after` is done."""
        title = label(name, layer)
        branches = [list(flat(inside(name, child), branch)) for child, branch in layer.named_children()]
        if len(branches) == 1:
            branches.insert(0, [])
        last = next((i for i, branch in enumerate(branches) if branch and isinstance(branch[-1][1], BatchNorm)), None)
        if not self.fuse or len(branches) != 2 or last is None:
            arms = [self.chain(branch, x) for branch in branches]
            return *self._sum(title, arms), False
        *before, (norm_name, norm) = branches[last]
        (other, other_back), (y, y_back) = self.chain(branches[1 - last], x), self.chain(before, x)
        trained = any(is_trained(one) for _, one in before)
        relu = after if normalizes(norm, after, y, other) else None
        if not normalizes(norm, relu, y, other):
            end, end_back = self.layer(norm_name, norm, y)
            return *self._sum(title, [(other, other_back), (end, _then(y_back, end_back, trained))]), False
        after_sum = [relu] if relu else []
        total, back = self.unit(_title(norm_name, norm, "sum", *after_sum), Normalized(norm, relu), y, other)

        def backward(dy: Array | None, needed: bool) -> Array | None:
            dx, shared = back(dy, needed or trained) or (None, None)
            return self._summed(title, [other_back(shared, needed), y_back(dx, needed)])

        return total, backward, relu is not None

    def _sum(self, title: str, arms: list[tuple[Array, Back]]) -> tuple[Array, Back]:
        """Record the sum of branches, each of which gets all of its gradient."""
        total = arms[0][0]
        for y, _ in arms[1:]:
            total = self.step(title, add, total, y)
        backs = [back for _, back in arms]
        return total, lambda dy, needed: self._summed(title, [back(dy, needed) for back in backs])

    def _summed(self, title: str, gradients: list[Array | None]) -> Array | None:
        """Record the sum of the gradients that branches have for their input."""
        total: Array | None = None
        for dx in gradients:
            if dx is not None:
                total = dx if total is None else self.step(f"{title} backward", add, total, dx)
        return total

    def concat(self, name: str, layer: Concat, x: Array) -> tuple[Array, Back]:
        """Record branches, and their outputs side by side."""
        arms = [self.chain(list(flat(inside(name, child), branch)), x) for child, branch in layer.named_children()]
        outputs, title = [y for y, _ in arms], label(name, layer)
        y = self.step(title, lambda *parts: concatenated("Concat", parts, layer.axis), *outputs)
        cuts = np.cumsum([part.shape[layer.axis] for part in outputs])[:-1]

        def backward(dy: Array | None, needed: bool) -> Array | None:
            parts: list[Any] = [None] * len(arms)
            if dy is not None:
                parts = [self.step(f"{title} backward", _copied, part) for part in np.split(dy, cuts, layer.axis)]
            return self._summed(title, [back(part, needed) for (_, back), part in zip(arms, parts)])

        return y, backward

    def unit(self, title: str, layer: Layer, *inputs: Array) -> tuple[Array, Callable[[Array | None, bool], Any]]:
        """Record one layer, with both of its passes; of one with several inputs there are as many gradients."""
        before = Kept(layer)
        y: Array
        y, forward = self.hear(title, layer.forward, *inputs)
        self.await_gradients(layer)

        def backward(dy: Array | None, needed: bool) -> Any:
            done = None
            if dy is not None and (needed or is_trained(layer)):
                function = partial(layer.backward, input_gradient=needed)
                dx, group = self.hear(f"{title} backward", function, dy)
                done = dy, dx, needed, group
            self._try(layer, before, (inputs, y, forward), done)
            self.start_sums(layer)
            return done and done[1]

        return y, backward

    def _try(
        self,
        layer: Layer,
        before: Kept,
        forward: tuple[tuple[Array, ...], Array, Group],
        backward: tuple[Array, Any, bool, Group] | None,
    ) -> None:
        """Make breaks of a layer that does more than it launches."""
        if self.dry:
            return
        inputs, y, group = forward
        with self.heard.paused():
            if self._is_whole(layer, before, forward, backward):
                return
        group.steps = [Break(lambda *inputs: (layer.forward(*inputs),), inputs, (y,))]
        if backward is None:
            return
        dy, dx, needed, second = backward
        trained = [one for one in layer.parameters() if one.grad is not None]
        gradients = [parameter.grad for parameter in trained]

        def function(dy: Array, *_: Array) -> Iterator[Array]:  # what follows is needed until then
            layer.zero_grad()
            yield from _arrays(layer.backward(dy, input_gradient=needed))
            yield from taken_from(trained)

        outputs = (*_arrays(dx), *(one for one in gradients if one is not None))
        second.steps = [Break(function, (dy, *inputs, y), outputs)]

    def _is_whole(
        self,
        layer: Layer,
        before: Kept,
        forward: tuple[tuple[Array, ...], Array, Group],
        backward: tuple[Array, Any, bool, Group] | None,
    ) -> bool:
        """Whether the runs of both passes are all that a layer does: with other numbers they give what it gives."""
        inputs, y, group = forward
        dy, dx, needed, second = backward or (None, None, False, None)
        given = [*inputs, *([] if dy is None else [dy])]
        results = [y, *_arrays(dx)]
        if not all(isinstance(one, np.ndarray) for one in results) or not all(one.flags.writeable for one in given):
            return False
        runs = [*group.runs, *(second.runs if second else [])]
        after, seeds = Kept(layer), seeds_of(layer)
        results += [one for one in after.gradients if one is not None]
        touched = [*results, *given]
        saved, drawn = [array.copy() for array in touched], [seed.copy() for seed in seeds]
        results = [*touched, *after.arrays]
        memory = self.memory(*group.arrays, *(second.arrays if second else []), *results)
        try:
            for numbers in trials(layer, given):
                before.restore()
                before.scatter()
                overwrite(given, numbers)
                with np.errstate(all="ignore"):
                    expected = [layer.forward(*inputs)]
                    if dy is not None:
                        expected += _arrays(layer.backward(dy, input_gradient=needed))
                expected += [*taken_from(layer.parameters())]
                expected = [array.copy() for array in (*expected, *given, *after.arrays)]
                seeded = [seed.copy() for seed in seeds]
                before.restore()
                before.scatter()
                overwrite(seeds, seeded)
                overwrite(given, numbers)
                with np.errstate(all="ignore"):
                    again(runs, memory, after.arrays)
                if len(results) != len(expected) or not all(map(same, results, expected)):
                    return False
        except Exception:  # noqa: BLE001 - somebody's own layer, which does not take such numbers
            return False
        finally:
            before.restore()
            overwrite(seeds, drawn)
            again(runs, memory, after.arrays)
            overwrite(touched, saved)  # also where the runs are not all
            after.restore()
        return True


def _title(name: str, layer: Layer, *others: Layer | str) -> str:
    """What a layer is called that does others, too."""
    return " + ".join(
        [label(name, layer), *(other if isinstance(other, str) else type(other).__name__ for other in others)]
    )


def _arrays(gradients: Any) -> list[Array]:
    """Gradients that there are, of one input or of several."""
    return [one for one in (gradients if isinstance(gradients, tuple) else (gradients,)) if one is not None]


def _then(first: Back, second: Back, trained: bool) -> Back:
    """What records the backward passes of two, of which the first is `trained`."""
    return lambda dy, needed: first(second(dy, needed or trained), needed)


def _copied(x: Array) -> Array:
    y = empty_in_order_of(x, x.shape)
    copy_into(y, x)
    return y
