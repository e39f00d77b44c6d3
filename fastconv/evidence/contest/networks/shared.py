"""One case as files that every worker reads, and the check of what they make of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastconv.backends import use_backend
from fastconv.errors import InvalidValueError
from fastconv.evidence.accuracy import Difference
from fastconv.evidence.contest.engines.networks.base import INFERENCE, STEPS, NetworkJob, Rule
from fastconv.evidence.contest.engines.networks.description import Node, describe
from fastconv.evidence.contest.engines.networks.own import training_step
from fastconv.evidence.contest.networks.cases import Case
from fastconv.evidence.networks import Network
from fastconv.evidence.timing import settle
from fastconv.layers import Layer, inference_mode
from fastconv.report import plain_data, read_record
from fastconv.validation.arrays import Array

DTYPE = np.dtype(np.float32)
_RESULTS = {INFERENCE: "y"}
_LOSSES = "losses"
_ORACLE = "the layers of fastconv in float64"
_EPS = float(np.finfo(DTYPE).eps)
_ROUNDINGS = 16.0  # eps for each layer, in relation to the norm of the scores; with Winograd's products it is several
_OF_CHANGE = 0.02  # of what the loss changes by: activations next to a kink are rounded to the other side of it
_OF_LOSS = 64.0  # eps, in relation to the first loss


class SharedNetwork(NamedTuple):
    """A case with its right results.

    Attributes
    ----------
    case : Case
        What runs.
    folder : Path
        Where its arrays are.
    expected : ndarray
        The scores, or the losses of the first training steps, in float64.
    allowed : float
        Of an inference the distance of the scores, of training steps that of each loss, in units of `unit`.
    unit : float
        Norm of the scores; what the losses differ by.
    layers, parameters, flops : int
        Layers inside, numbers that are trained, and floating-point operations, a multiply-add counted as two; a
        training step counts three times an inference.
    oracle : str
        What computed the right results.
    """

    case: Case
    folder: Path
    expected: Array
    allowed: float
    unit: float
    layers: int
    parameters: int
    flops: int
    oracle: str = _ORACLE

    @property
    def dtype(self) -> str:
        """Dtype of all arrays."""
        return str(DTYPE)

    @property
    def promise(self) -> str:
        """What is allowed, in words."""
        return f"{self.allowed:.1e} of " + ("the norm" if self.case.step == INFERENCE else "what the losses change by")

    def check(self, step: str, files: dict[str, str], *, ours: bool) -> tuple[Difference, ...]:
        """Return how far the scores, or the losses, in a file are from the right ones; the file is deleted.

        Whoever computed them, `ours` or not: what a network rounds has no bound of its own.
        """
        wanted = _RESULTS.get(step, _LOSSES)
        if set(files) != {wanted}:
            raise InvalidValueError(
                f"contest: the result of {step} must be {wanted}, but got {', '.join(files) or 'none'}."
            )
        found = np.load(files[wanted])
        Path(files[wanted]).unlink()
        if found.shape != self.expected.shape:
            return (Difference(wanted, self.oracle, np.inf, np.inf, np.inf, promise=self.promise),)
        apart = np.abs(found.astype(np.float64) - self.expected)
        largest = float(apart.max(initial=0.0))
        relative = (float(np.linalg.norm(apart)) if step == INFERENCE else largest) / self.unit
        share = relative / self.allowed
        share = share if np.isfinite(share) else np.inf
        return (Difference(wanted, self.oracle, largest, relative, share, promise=self.promise),)


def write_network(case: Case, seed: int, folder: Path) -> SharedNetwork:
    """Make the network of a case, draw its input and labels, write all to a folder, and compute the right results."""
    network = case.network
    assert isinstance(network, Network)  # of a model file: `write_model_file`
    model = network.make(seed)
    shape = (case.batch, *network.input_shape)
    y_shape = model.output_shape(shape)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape, dtype=np.float32)
    labels = rng.integers(y_shape[1], size=(y_shape[0], *y_shape[2:]))
    np.savez(folder / "state.npz", **model.state_dict())  # type: ignore[arg-type]
    np.save(folder / "x.npy", x)
    np.save(folder / "labels.npy", labels)
    plan = {"network": network, "node": describe(model), "rule": case.rule._asdict()}
    (folder / "plan.json").write_text(json.dumps(plain_data(plan)), encoding="ascii")
    layers = sum(1 for _ in model.named_layers())
    expected = _right(model.cast(np.float64), read_network(folder, case.step))
    inference = case.step == INFERENCE
    unit = float(np.linalg.norm(expected)) if inference else _largest_change(expected)
    settle()
    return SharedNetwork(
        case,
        folder,
        expected,
        allowed_of(layers) if inference else _OF_CHANGE + _OF_LOSS * _EPS * float(expected[0]) / unit,
        unit,
        layers,
        sum(parameter.size for parameter in model.parameters()),
        2 * model.multiply_adds(shape) * (1 if inference else 3),
    )


def allowed_of(layers: int) -> float:
    """Distance of the scores of an inference that is allowed, as a share of their norm."""
    return _ROUNDINGS * layers * _EPS


def _largest_change(losses: Array) -> float:
    """What the losses of some training steps differ by."""
    return float(losses.max() - losses.min())


def _right(model: Layer, job: NetworkJob) -> Array:
    """Compute what is expected, in float64, with a model that already is."""
    job = job._replace(x=job.x.astype(np.float64))
    with use_backend("fast"):
        if job.step == INFERENCE:
            with inference_mode():
                return model.eval().forward(job.x)
        step = training_step(model, job)
        return np.array([step() for _ in range(STEPS)])


def read_network(folder: Path, step: str) -> NetworkJob:
    """Read what `write_network` wrote."""
    plan = json.loads((folder / "plan.json").read_text(encoding="ascii"))
    network, rule = _network(plan["network"]), plan["rule"]
    with np.load(folder / "state.npz") as archive:
        state = {name: archive[name] for name in archive.files}

    def model() -> Layer:
        made = network.make()
        made.load_state_dict(state)
        return made

    x, labels = np.load(folder / "x.npy"), np.load(folder / "labels.npy")
    node = read_record(Node, plan["node"])
    return NetworkJob(step, node, model, state, x, labels, Rule(**{**rule, "betas": tuple(rule["betas"])}))


def _network(data: dict[str, Any]) -> Network:
    """Return what is needed to make a network again."""
    shape = tuple(data["input_shape"])
    return Network(data["name"], data["place"], shape, arguments=data["arguments"])
