"""A run that was stopped, at any moment and in any way, ends with bitwise the weights of one that was not."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grids import quick
from programs import CLEARED, ROOT, SUPPORT, patience
from training_runs import BATCH, EPOCHS, IMAGES, fit, images, network, trainer

import fastconv as fc
from fastconv.data import Dataset
from fastconv.errors import StateFileError
from fastconv.layers import load_state, save_state
from fastconv.optim import SGD, Adam, StepLR
from fastconv.training import EarlyStopping, Trainer, checkpoint_weights
from fastconv.training.state import generator_state, set_generator_state

STEPS = -(-IMAGES // BATCH) * EPOCHS
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


@pytest.fixture(autouse=True)
def numpy_backend() -> None:
    fc.set_backend("numpy")


@pytest.fixture(scope="module")
def whole() -> Trainer:
    """Return a run that was never stopped."""
    with fc.use_backend("numpy"):
        run = trainer()
        run.fit(images(), images(12, seed=9), epochs=EPOCHS, batch_size=BATCH)
    return run


def assert_same(run: Trainer, whole: Trainer) -> None:
    for (name, one), other in zip(run.model.state_dict().items(), whole.model.state_dict().values()):
        np.testing.assert_array_equal(one, other, err_msg=name)
    assert run.history.step_losses == whole.history.step_losses
    measured = [
        [(r.train_loss, r.train_accuracy, r.validation_loss, r.validation_accuracy, r.lr) for r in one.history.epochs]
        for one in (run, whole)
    ]
    assert measured[0] == measured[1]


class Stop(Exception):
    pass


@pytest.mark.parametrize("step", range(1, STEPS + 1))
@pytest.mark.parametrize("every", [1, 3])
def test_a_run_that_failed_goes_on(tmp_path: Path, whole: Trainer, step: int, every: int) -> None:
    first = trainer()

    def stop(progress: Any) -> None:
        if len(first.history.step_losses) == step and progress.record is None:
            raise Stop

    with pytest.raises(Stop):
        fit(first, str(tmp_path), checkpoint_every=every, progress=stop)
    second = trainer(model=network(seed=77), optimizer=None)
    fit(second, str(tmp_path), checkpoint_every=every, resume=True)
    assert_same(second, whole)


def start(folder: Path, stop: int | str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name not in CLEARED}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(SUPPORT)])
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(SUPPORT / "training_runs.py"), str(folder), str(stop)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@POSIX
@pytest.mark.parametrize(
    ("kind", "moments"),
    quick([("SIGINT", (11,)), ("SIGINT", (3, 4)), ("SIGKILL", (1, 6, 8)), ("SIGKILL", (STEPS,))], 4),
)
def test_a_process_that_was_stopped_goes_on(
    tmp_path: Path, whole: Trainer, kind: str, moments: tuple[int, ...]
) -> None:
    """Each process is stopped once, at a step that none has reached before; the last one ends by itself."""
    for moment in moments:
        process = start(tmp_path, moment)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(getattr(signal, kind))
        out, err = process.communicate("\n", timeout=patience())
        assert process.returncode == -getattr(signal, kind), err
        if kind == "SIGINT":  # the step was finished, and written
            assert "KeyboardInterrupt" in err
            assert len(np.load(tmp_path / "last.npz", allow_pickle=False)["step_losses"]) == moment
        assert not [path for path in tmp_path.iterdir() if path.suffix == ".part"] or kind == "SIGKILL"
    run = trainer(model=network(seed=77))
    fit(run, str(tmp_path), resume=True)
    assert_same(run, whole)


@POSIX
@pytest.mark.parametrize("delay", [0.01, 0.06, 0.13])
def test_a_process_that_was_killed_at_any_moment_goes_on(tmp_path: Path, whole: Trainer, delay: float) -> None:
    process = start(tmp_path, 1)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    process.stdin.write("\n")
    process.stdin.flush()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(delay)
    process.kill()  # in a step, in the writing of a file, or, on a fast machine, after the end
    process.communicate()
    run = trainer(model=network(seed=77))
    fit(run, str(tmp_path), resume=True)
    assert_same(run, whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.npz", "last.npz"]


@POSIX
def test_ctrl_c_finishes_the_step(tmp_path: Path, whole: Trainer) -> None:
    run = trainer()

    def press(progress: Any) -> None:
        if len(run.history.step_losses) == 5:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(run, str(tmp_path), checkpoint_every=None, progress=press)
    assert signal.getsignal(signal.SIGINT) is before
    assert len(run.history.step_losses) == 5
    run.fit(images(), images(12, seed=9), epochs=EPOCHS - 1, batch_size=BATCH)  # the same trainer simply goes on
    assert_same(run, whole)
    other = trainer(model=network(seed=77))
    fit(other, str(tmp_path), resume=True)
    assert_same(other, whole)


@POSIX
def test_ctrl_c_in_the_validation(tmp_path: Path, whole: Trainer) -> None:
    run = trainer()
    evaluate = run.evaluate

    def interrupted(*arguments: Any, **options: Any) -> Any:
        if len(run.history.epochs) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return evaluate(*arguments, **options)

    run.evaluate = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        fit(run, str(tmp_path), checkpoint_every=None)
    assert (len(run.history.epochs), run.position.step) == (1, STEPS // EPOCHS)
    other = trainer(model=network(seed=77))
    fit(other, str(tmp_path), resume=True)
    assert_same(other, whole)


@POSIX
def test_a_second_ctrl_c_does_not_wait() -> None:
    def press(batch: Any, rng: Any) -> Any:
        if len(batch) > 1:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return batch

    run = trainer(augment=press)
    with pytest.raises(KeyboardInterrupt):
        run.fit(images(), epochs=1, batch_size=BATCH)
    assert run.history.step_losses == []


@POSIX
def test_somebody_elses_handler_stays() -> None:
    def mine(number: int, frame: object) -> None:
        """Do nothing."""

    before = signal.signal(signal.SIGINT, mine)
    try:
        seen: list[Any] = []
        trainer().fit(
            images(), epochs=1, batch_size=BATCH, progress=lambda p: seen.append(signal.getsignal(signal.SIGINT))
        )
        assert set(seen) == {mine}
    finally:
        signal.signal(signal.SIGINT, before)


# the files


def test_best_and_last(tmp_path: Path) -> None:
    run = trainer()
    states: list[dict[str, Any]] = []
    fit(run, str(tmp_path), progress=lambda p: states.append(run.model.state_dict()) if p.record else None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.npz", "last.npz"]
    best = run.history.best.epoch - 1
    for name, array in checkpoint_weights(tmp_path / "best.npz").items():
        np.testing.assert_array_equal(array, states[best][name])
    other = network(seed=77)
    other.load_state_dict(checkpoint_weights(tmp_path / "last.npz"))
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, states[-1][name])


def test_a_checkpoint_holds_no_pickle(tmp_path: Path) -> None:
    fit(trainer(), str(tmp_path))
    with np.load(tmp_path / "last.npz", allow_pickle=False) as archive:
        kinds = {archive[name].dtype.kind for name in archive.files}
    assert kinds <= set("fiuS")


def test_a_finished_run_has_nothing_to_do_and_a_longer_one_goes_on(tmp_path: Path, whole: Trainer) -> None:
    fit(trainer(), str(tmp_path), epochs=1)
    longer = trainer(model=network(seed=77))
    fit(longer, str(tmp_path), resume=True)
    assert_same(longer, whole)
    done = trainer(model=network(seed=77))
    fit(done, str(tmp_path), resume=True, progress=lambda p: pytest.fail("there is nothing to do"))
    assert_same(done, whole)


def test_early_stopping_stops_a_resumed_run_where_the_other_stopped(tmp_path: Path) -> None:
    stopping = EarlyStopping(1, min_delta=100.0)
    fit(trainer(), str(tmp_path), early_stopping=stopping)
    again = trainer()
    fit(again, str(tmp_path), early_stopping=stopping, resume=True)
    assert len(again.history.epochs) == 2


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    fit(trainer(), str(tmp_path), epochs=1)
    before = (tmp_path / "last.npz").read_bytes()
    with pytest.raises(ValueError, match=r"last\.npz exists\. Pass resume=True to go on with it"):
        fit(trainer(), str(tmp_path))
    assert (tmp_path / "last.npz").read_bytes() == before


def test_a_folder_that_cannot_be_written_is_found_out_first(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="ascii")
    run = trainer()
    with pytest.raises(OSError, match="file"):
        fit(run, str(tmp_path / "file" / "run"))
    assert run.history.step_losses == []


def other_images(**changed: Any) -> Dataset:
    data = images()
    arrays = {"images": data.images, "labels": data.labels, **changed}
    return Dataset(arrays["images"], arrays["labels"], data.classes)


@pytest.mark.parametrize(
    ("build", "options", "match"),
    [
        ({}, {"batch_size": 8}, r"these differ: batch_size \(was 16, is 8\)\."),
        ({}, {"train": images(49)}, r"train images \(was 50, is 49\)"),
        ({}, {"train": other_images(labels=images().labels[::-1])}, "checksum of the labels"),
        ({}, {"train": images(stored=np.float32)}, r"image dtype \(was uint8, is float32\)"),
        ({}, {"drop_last": True}, r"drop_last \(was None, is True\)"),
        ({}, {"validation": None}, r"validation images \(was 12, is 0\)"),
        ({"model": network(dtype=np.float64)}, {}, r"model 0\.weight \(was float32 \(4, 1, 3, 3\), is float64"),
        ({"kind": Adam}, {}, r"optimizer \(was SGD, is Adam\)"),
        ({"lr": 0.1}, {}, r"optimizer group 0 lr \(was 0\.05, is 0\.1\)"),
        ({"momentum": 0.8}, {}, r"momentum \(was 0\.9, is 0\.8\)"),
        ({"schedule": None}, {}, r"schedule \(was StepLR\(step_size=3, gamma=0\.9, interval='step'\), is None\)"),
        ({"augment": None}, {}, r"augment \(was Compose\(RandomFlip"),
        ({"loss": "svm"}, {}, r"loss \(was softmax_cross_entropy, is multiclass_svm\)"),
        ({"seed": 1}, {}, r"seed \(was 5, is 1\)"),
        ({"l2": 0.0}, {}, r"l2 \(was 0\.001, is 0\.0\)"),
    ],
)
def test_another_run_is_refused(tmp_path: Path, build: dict[str, Any], options: dict[str, Any], match: str) -> None:
    fit(trainer(), str(tmp_path), epochs=1)
    build = dict(build)
    model = build.pop("model", None) or network()
    kind, lr = build.pop("kind", SGD), build.pop("lr", 0.05)
    extra = {"momentum": build.pop("momentum", 0.9)} if kind is SGD else {}
    optimizer = kind(model.parameters(), lr=lr, **extra)
    schedule = StepLR(optimizer, 3, 0.9, interval="step")
    run = trainer(**{"model": model, "optimizer": optimizer, "schedule": schedule, **build})
    before = run.model.state_dict()
    arguments: dict[str, Any] = {
        "train": images(),
        "validation": images(12, seed=9),
        "epochs": EPOCHS,
        "batch_size": BATCH,
        **options,
    }
    with pytest.raises(ValueError, match=match):
        run.fit(**arguments, checkpoint=tmp_path, resume=True)
    for name, array in run.model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_damaged_and_foreign_checkpoints_are_named(tmp_path: Path) -> None:
    fit(trainer(), str(tmp_path), epochs=1)
    last = tmp_path / "last.npz"
    content = last.read_bytes()
    for damaged, words in ((content[: len(content) // 2], "damaged or truncated"), (b"hello", "something else")):
        last.write_bytes(damaged)
        with pytest.raises(StateFileError, match=rf"Trainer\.fit: .*last\.npz must be a whole .npz archive.*{words}"):
            fit(trainer(), str(tmp_path), resume=True)
    save_state(network(), last)
    with pytest.raises(StateFileError, match=r"last\.npz must be a checkpoint of a Trainer, but it is another"):
        fit(trainer(), str(tmp_path), resume=True)
    with pytest.raises(StateFileError, match=r"checkpoint_weights: .* must be a checkpoint"):
        checkpoint_weights(last)
    assert set(load_state(last)) == set(network().state_dict())


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_generators_of_every_kind_come_back(kind: str) -> None:
    import json

    make = getattr(np.random, kind)
    one, other = np.random.Generator(make(1)), np.random.Generator(make(2))
    one.integers(0, 5, 3, dtype=np.uint8)
    state = json.loads(json.dumps(generator_state(one)))
    set_generator_state(other, state)
    np.testing.assert_array_equal(one.random(10), other.random(10))
