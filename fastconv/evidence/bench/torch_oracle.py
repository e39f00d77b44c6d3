"""Right results by PyTorch, in float64 and in a process of its own, where its threads disturb nobody's time.

``python -m fastconv.evidence.bench.torch_oracle THREADS`` answers messages until its standard input ends.
"""

from __future__ import annotations

import sys
from importlib import util
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from fastconv.evidence.environment import version_of
from fastconv.evidence.problem import OperationProblem
from fastconv.evidence.process import Message, Worker, answer_messages, child_environment
from fastconv.validation.arrays import Array

_TIME_LIMIT = 120.0  # seconds for one answer, the import of PyTorch included


class TorchOracle:
    """PyTorch at the end of a pipe; started when it is first asked.

    Parameters
    ----------
    threads : int
        Threads that it may use.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._worker: Worker | None = None

    @staticmethod
    def installed() -> bool:
        """Whether PyTorch is there."""
        return util.find_spec("torch") is not None

    @property
    def name(self) -> str:
        """What the results are compared with."""
        return f"torch {version_of('torch')} in float64"

    def results(self, problem: OperationProblem, dy: Array | None) -> dict[str, Array]:
        """Return ``y``, or with `dy` every gradient."""
        with TemporaryDirectory(prefix="fastconv-suite-") as folder:
            arrays = problem.arrays() if dy is None else {**problem.arrays(), "dy": dy}
            for name, array in arrays.items():
                np.save(Path(folder) / f"{name}.npy", array.astype(np.float64))
            answer = self._ask({"folder": folder, "arrays": list(arrays), **_describe(problem)})
            return {name: np.load(Path(folder) / f"{name}.npy") for name in answer["results"]}

    def _ask(self, message: Message) -> Message:
        if self._worker is None:
            program = ("-m", "fastconv.evidence.bench.torch_oracle", str(self._threads))
            self._worker = Worker("bench: PyTorch, for the right result", program, child_environment(), _TIME_LIMIT)
        return self._worker.ask(message)

    def end(self) -> None:
        """End the process."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None


def _describe(problem: OperationProblem) -> Message:
    axes = problem.geometry.axes
    return {
        "operation": problem.operation,
        **{name: [getattr(axis, name) for axis in axes] for name in ("kernel", "stride", "dilation")},
        "padding": [side for axis in reversed(axes) for side in (axis.before, axis.after)],  # as torch pads: last first
        "groups": getattr(problem.geometry, "groups", 1),
    }


def answer_to(message: Message) -> Message:
    """Read the arrays, compute, write the results beside them."""
    import torch

    folder = Path(message["folder"])
    arrays = {name: torch.from_numpy(np.load(folder / f"{name}.npy")) for name in message["arrays"]}
    dy = arrays.pop("dy", None)
    if "weight" in arrays:
        arrays.setdefault("bias", torch.zeros(len(arrays["weight"]), dtype=torch.float64))  # there is a dbias anyway
    for array in arrays.values():
        array.requires_grad_(dy is not None)
    y = _forward(message, arrays)
    if dy is None:
        results = {"y": y}
    else:
        y.backward(dy)
        results = {f"d{name}": array.grad for name, array in arrays.items()}
    for name, array in results.items():
        np.save(folder / f"{name}.npy", array.numpy())
    return {"results": list(results)}


def _forward(message: Message, arrays: dict[str, Any]) -> Any:
    from torch.nn import functional as F

    maximum = message["operation"] == "max_pool2d"
    x = F.pad(arrays["x"], message["padding"], value=-np.inf if maximum else 0.0)
    stride, dilation = message["stride"], message["dilation"]
    if "weight" in arrays:
        return F.conv2d(x, arrays["weight"], arrays["bias"], stride, 0, dilation, message["groups"])
    if maximum:
        return F.max_pool2d(x, message["kernel"], stride, 0, dilation)
    return F.avg_pool2d(x, message["kernel"], stride)


def main(threads: int) -> None:
    """Answer messages until the standard input ends."""
    import torch

    torch.set_num_threads(threads)
    answer_messages(answer_to)


if __name__ == "__main__":
    main(int(sys.argv[1]))
