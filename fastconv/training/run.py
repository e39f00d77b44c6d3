"""One call of `Trainer.fit`: the loop over epochs and steps, and when it writes checkpoints."""

from __future__ import annotations

import json
import signal
import threading
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import InitVar, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fastconv.data.dataset import Dataset
from fastconv.errors import InvalidTypeError, InvalidValueError, LearningWarning, shown
from fastconv.layers.containers import modes_kept
from fastconv.layers.state import PathLike
from fastconv.losses import softmax_cross_entropy
from fastconv.parallel.batch_norm import synchronized
from fastconv.parallel.ranks import versions
from fastconv.training.checkpoint import Checkpoint, CheckpointFolder, differences
from fastconv.training.evaluation import Data, Gather, as_dataset, check_fit, check_last_batch
from fastconv.training.progress import Progress, ProgressCallback, reporting
from fastconv.training.records import EarlyStopping, EpochRecord, History, Metrics, Position
from fastconv.training.saved import card_of
from fastconv.training.snapshot import describe, restore, snapshot
from fastconv.training.stalling import Guessing
from fastconv.training.state import TrainState, generator_state, set_generator_state
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_flag, check_integer

_FIT = "Trainer.fit"
_LOOK = 50  # steps after which it is asked, in a long epoch, whether the network learns


class _Interrupt:
    """Whether Ctrl-C was pressed: `pending` is True from then on."""

    def __init__(self) -> None:
        self.pending = False

    def __call__(self, number: int, frame: object) -> None:
        """Note the first; let a second one through at once."""
        if self.pending:
            raise KeyboardInterrupt
        self.pending = True


@dataclass
class Run:
    """The arguments of one call of `Trainer.fit`, checked, and the loop; `go` does the work."""

    trainer: TrainState
    evaluate: Callable[..., Metrics]
    train_data: InitVar[Data]
    validation_data: InitVar[Data | None]
    epochs: int
    batch_size: int
    drop_last: bool
    checkpoint: PathLike | None
    checkpoint_every: int | None
    resume: bool
    early_stopping: EarlyStopping | None
    progress: ProgressCallback | bool | None

    def __post_init__(self, train_data: Data, validation_data: Data | None) -> None:
        self.train = as_dataset(_FIT, "train", train_data)
        self.validation = None if validation_data is None else as_dataset(_FIT, "validation", validation_data)
        self.epochs = check_integer(_FIT, "epochs", self.epochs, 1)
        self.batch_size = check_integer(_FIT, "batch_size", self.batch_size, 1)
        if self.checkpoint_every is not None:
            self.checkpoint_every = check_integer(_FIT, "checkpoint_every", self.checkpoint_every, 1)
        check_flag(_FIT, "resume", self.resume)
        if self.checkpoint is None and (self.resume or self.checkpoint_every is not None):
            raise InvalidValueError(f"{_FIT}: checkpoint must name a folder for resume and checkpoint_every.")
        _check_stopping(self.early_stopping, self.validation)
        whole = check_flag(_FIT, "drop_last", self.drop_last)
        self._steps = len(self.train) // self.batch_size if whole else -(-len(self.train) // self.batch_size)
        if not self._steps:
            raise InvalidValueError(
                f"{_FIT}: batch_size must be at most the {len(self.train)} training images where drop_last=True leaves "
                f"out a smaller batch, but got {self.batch_size}."
            )
        self._ranks = self.trainer.ranks
        share = self._ranks.share(min(self.batch_size, len(self.train)))
        self._gather = Gather(self.train, share.images + 1, self.trainer.prepare)
        self._check_images()
        self._description = self._describe()
        self.trainer.card = card_of(self.trainer.model, self.trainer.prepare, self.train)
        self._folder = None if self.checkpoint is None else CheckpointFolder(self.checkpoint)
        self._interrupt = _Interrupt()
        guessable = self.trainer.loss is softmax_cross_entropy and self.train.has_classes
        self._guessing = Guessing(self.train.labels) if guessable else None
        self._done, self._busy = 0, 0.0  # steps and seconds of this call, for the time that is left

    def _check_images(self) -> None:
        """Find out with one image whether the model takes what augmentation and preparation return."""
        trainer, probe = self.trainer, self.train.images[:1]
        if trainer.augment is not None:
            probe = trainer.augment(probe, np.random.default_rng(0))
        image_shape = self._gather.prepared(probe).shape[1:]
        check_fit(_FIT, trainer.model, self.train, image_shape)
        last = min(len(self.train) - (self._steps - 1) * self.batch_size, self.batch_size)
        if not trainer.synchronize_batch_norm:
            last = max(1, last // self._ranks.size)  # the smallest share of a rank
        check_last_batch(_FIT, trainer.model, (last, *image_shape), self.batch_size)

    def _describe(self) -> dict[str, Any]:
        """What must be the same for a run to go on; in the types that JSON knows."""
        description = {
            "train images": len(self.train),
            "image shape": self.train.image_shape,
            "image dtype": self.train.images.dtype.name,
            "checksum of the labels": _checksum(self.train),
            "validation images": 0 if self.validation is None else len(self.validation),
            "batch_size": self.batch_size,
            **describe(self.trainer),
        }
        if self.drop_last:  # a run of before there was such a choice says nothing of it
            description["drop_last"] = True
        plain: dict[str, Any] = json.loads(json.dumps(description))
        return plain

    # the loop

    def go(self) -> History:
        """Run; see `Trainer.fit`."""
        model = self.trainer.model
        with (
            reporting(_FIT, self.progress if self._ranks.is_first else None) as self._tell,
            _interrupt_between_steps() as self._interrupt,
            modes_kept(model),
            self._statistics_of_all(),
        ):
            self._begin()
            try:
                while not self._finished():
                    self._train_epoch()
                    self._end_epoch()
            finally:
                self.trainer.release()
        return self.trainer.history

    def _statistics_of_all(self) -> AbstractContextManager[None]:
        """Let batch norms take, for a block, the statistics of all ranks, if that was asked for."""
        trainer = self.trainer
        if trainer.sums is None or not trainer.synchronize_batch_norm:
            return nullcontext()
        return synchronized(trainer.model, self._ranks, trainer.sums)

    def _begin(self) -> None:
        """Go on where the checkpoint is, or where this trainer is."""
        trainer, ranks = self.trainer, self._ranks
        ranks.check_same(_FIT, self._common)
        checkpoint = ranks.by_first(self._found)
        if checkpoint is not None:
            restore(trainer, checkpoint, f"{_FIT}: {self._folder and self._folder.last}")
            return
        if ranks.size > 1:
            first = ranks.from_first(snapshot(trainer, self._description).in_words_of_json())
            restore(trainer, first, f"{_FIT}: the state of rank 0")
        position = trainer.position
        if position.images != min(position.step * self.batch_size, len(self.train)):
            trainer.position = Position(position.epoch)  # an interrupted epoch of other data
        self.epochs += trainer.position.epoch
        self._save()

    def _common(self) -> dict[str, Any]:
        """What must be the same on all ranks."""
        words = {"epochs": self.epochs, "resume": self.resume, "early_stopping": repr(self.early_stopping)}
        words["checkpoint_every"] = self.checkpoint_every
        images = {"checksum of the images": _crc(self.train.images)}
        if self.validation is not None:
            images["checksum of the validation images"] = _crc(self.validation.images)
        return {**versions(), **self._description, **words, **images}

    def _found(self) -> Checkpoint | None:
        """Prepare the folder; return the checkpoint of a run that goes on."""
        folder = self._folder
        if folder is None:
            return None
        resumed = self.resume and folder.last.exists()
        folder.prepare(fresh=not self.resume and not self.trainer.history.step_losses)
        if not resumed:
            return None
        checkpoint = Checkpoint.load(_FIT, folder.last)
        differing = differences(checkpoint.about["run"], self._description)
        if differing:
            raise InvalidValueError(
                f"{_FIT}: the run that goes on must be that of {folder.last}, but these differ: {'; '.join(differing)}."
            )
        return checkpoint

    def _finished(self) -> bool:
        history = self.trainer.history
        stopped = self.early_stopping is not None and self.early_stopping.reached(history)
        return stopped or self.trainer.position.epoch >= self.epochs

    def _train_epoch(self) -> None:
        trainer, position = self.trainer, self.trainer.position
        set_generator_state(trainer.order_rng, trainer.order_state)
        order = trainer.order_rng.permutation(len(self.train))
        trainer.model.train()
        while position.step < self._steps:
            started = time.perf_counter()
            first = position.step * self.batch_size
            chosen = order[first : first + self.batch_size]
            share = self._ranks.share(len(chosen))
            images, labels = self._gather(chosen[share.part], trainer.augment, share.draws(trainer.augment_rng))
            position.lr = trainer.optimizer.lr
            where = f" in epoch {position.epoch + 1}, step {position.step + 1}"
            loss, right = trainer.train_step(images, labels, where=where, share=share)
            right, interrupted = self._ranks.totals(right, self._interrupt.pending)
            trainer.history.step_losses.append(loss)
            position.step += 1
            position.images += len(chosen)
            position.right += right
            position.loss += loss * len(chosen)
            if trainer.schedule is not None and trainer.schedule.interval == "step":
                trainer.schedule.step()
            seconds = time.perf_counter() - started
            position.seconds += seconds
            self._done, self._busy = self._done + 1, self._busy + seconds
            self._warn_of_guessing(position)
            self._report(position)
            self._leave_if(interrupted > 0)
            self._between()
            if self.checkpoint_every is not None and len(trainer.history.step_losses) % self.checkpoint_every == 0:
                self._save()

    def _warn_of_guessing(self, position: Position) -> None:
        """Say once that the network does not learn."""
        losses = self.trainer.history.step_losses
        due = position.step % _LOOK == 0 or position.step == self._steps
        if self._guessing is None or not self._ranks.is_first or not due:
            return
        if self._guessing.explains(losses, position.accuracy, images=position.images):
            complaint = self._guessing.complaint(losses, position.lr)
            warnings.warn(f"{_FIT}: {complaint}", LearningWarning, stacklevel=5)
            self._guessing = None

    def _leave_if(self, interrupted: bool) -> None:
        """Leave after Ctrl-C; a validation that was left begins anew when the run goes on."""
        if interrupted:
            self._save()
            raise self._ranks.interrupted()

    def _between(self) -> None:
        """Leave after Ctrl-C where no other rank would be left alone."""
        if self._ranks.size == 1:
            self._leave_if(self._interrupt.pending)

    def _end_epoch(self) -> None:
        """Validate, record, and write the checkpoints."""
        trainer, position = self.trainer, self.trainer.position
        started, metrics = time.perf_counter(), None
        if self.validation is not None:
            metrics = self.evaluate(self.validation, batch_size=self.batch_size, between=self._between)
            trainer.check_finite("loss of the validation", metrics.loss, f" after epoch {position.epoch + 1}")
        record = EpochRecord(
            epoch=position.epoch + 1,
            train_loss=position.mean_loss,
            train_accuracy=position.accuracy if self.train.has_classes else None,
            validation_loss=None if metrics is None else metrics.loss,
            validation_accuracy=None if metrics is None else metrics.accuracy,
            lr=position.lr,
            seconds=position.seconds + time.perf_counter() - started,
            images_per_second=position.images_per_second,
        )
        record = self._ranks.from_first(record)
        trainer.history.epochs.append(record)
        if trainer.schedule is not None and trainer.schedule.interval == "epoch":
            trainer.schedule.step()
        trainer.order_state = generator_state(trainer.order_rng)
        trainer.position = Position(position.epoch + 1)
        if self._folder is not None and trainer.history.best is record:
            self._save(self._folder.best)
        self._save()
        self._report(position, record)
        (interrupted,) = self._ranks.totals(self._interrupt.pending)
        if interrupted:
            raise self._ranks.interrupted()

    def _save(self, path: Path | None = None) -> None:
        """Write a checkpoint, by default the last one; rank 0 does it."""
        if self._folder is not None:
            path = self._folder.last if path is None else path
            self._ranks.by_first(partial(self._write, path))

    def _write(self, path: Path) -> None:
        snapshot(self.trainer, self._description).save(path)

    def _report(self, position: Position, record: EpochRecord | None = None) -> None:
        if self._tell is None:
            return
        left = (self.epochs - position.epoch) * self._steps - position.step
        self._tell(
            Progress(
                epoch=position.epoch + 1,
                epochs=self.epochs,
                step=position.step,
                steps=self._steps,
                loss=position.mean_loss,
                accuracy=position.accuracy if self.train.has_classes else None,
                lr=position.lr,
                images_per_second=position.images_per_second,
                seconds_left=left * self._busy / max(self._done, 1),
                record=record,
            )
        )


def _checksum(dataset: Dataset) -> int:
    """That of the labels, the same on every machine."""
    return _crc(np.asarray(dataset.labels, "<i8" if dataset.has_classes else "<f4"))


def _crc(array: Array) -> int:
    """Checksum of the numbers of an array, one after the other, an image at a time."""
    found = 0
    for each in array:
        found = zlib.crc32(np.ascontiguousarray(each).data, found)
    return found


def _check_stopping(early_stopping: object, validation: Dataset | None) -> None:
    if early_stopping is None:
        return
    if not isinstance(early_stopping, EarlyStopping):
        raise InvalidTypeError(
            f"{_FIT}: early_stopping must be an EarlyStopping or None, but got {shown(early_stopping)}."
        )
    if validation is None and early_stopping.monitor.startswith("validation"):
        raise InvalidValueError(
            f"{_FIT}: early_stopping must watch something that is measured, but {early_stopping.monitor} needs "
            "validation images. Pass validation=, or watch train_loss."
        )


@contextmanager
def _interrupt_between_steps() -> Iterator[_Interrupt]:
    """Collect Ctrl-C while the block runs, where it would raise KeyboardInterrupt and this is the main thread.

    Whoever has a handler of their own keeps it, and so does a process that ignores the signal.
    """
    interrupt = _Interrupt()
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupt
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
