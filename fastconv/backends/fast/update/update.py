"""Updates of parameters by kernels: a launch for each dtype and number of slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastconv.backends.base import Array, Backend
from fastconv.backends.fast.machine.kernel import Kernel
from fastconv.backends.fast.machine.launch import address, by_tasks, launch
from fastconv.backends.fast.update.rows import is_plain, tasks_for
from fastconv.backends.fast.update.update_kernel import UPDATE, update_adam, update_rmsprop, update_sgd
from fastconv.backends.settings import get_num_threads

# Kernel of a rule, and how many slots it has where its option is not taken; one more where it is.
_RULES: dict[str, tuple[Kernel, int]] = {
    "sgd": (update_sgd, 0),
    "rmsprop": (update_rmsprop, 1),
    "adam": (update_adam, 2),
}
_SLOTS = 3
_BY_TASKS = by_tasks(UPDATE)


class Updates(Backend):
    """Steps of the optimisers."""

    def update(
        self, rule: str, arrays: Mapping[int, Sequence[Array]], numbers: Array, guard: Array | None
    ) -> list[int]:
        """Change parameters of float32 and float64 in C order, and return the keys of all others."""
        kernel, fewest = _RULES[rule]
        alike: dict[tuple[int, int], dict[int, Sequence[Array]]] = {}
        left = []
        for key, own in arrays.items():
            alike_in_shape = all(one.shape == own[0].shape for one in own)  # else NumPy says what is wrong
            if alike_in_shape and is_plain(own) and fewest <= len(own) - 2 <= fewest + 1:
                alike.setdefault((own[0].itemsize, len(own) - 2), {})[key] = own
            else:
                left.append(key)
        for (itemsize, slots), some in alike.items():
            _update(kernel.address(itemsize, slots > fewest), some, numbers, guard)
        return left


def _update(kernel: int, arrays: Mapping[int, Sequence[Array]], numbers: Array, guard: Array | None) -> None:
    """Start a kernel over arrays of one dtype."""
    table, line, total, rows = address(numbers), numbers.strides[0], 0, []
    for key, own in arrays.items():
        places = [*map(address, own), *(0,) * (_SLOTS + 2 - len(own))]
        rows.append((total, own[0].size, *places, table + key * line))
        total += own[0].size
    data, *others = next(iter(arrays.values()))
    tasks = tasks_for(total * data.itemsize * (len(others) + 1), get_num_threads())
    block = UPDATE.with_rows(
        rows, GUARD=0 if guard is None else address(guard), GUARDS=0 if guard is None else guard.size, ROWS=len(rows),
        TOTAL=total, TASKS=tasks,
    )  # fmt: skip
    launch(kernel, block, tasks, tasks, total, _BY_TASKS)
