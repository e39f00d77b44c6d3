"""One call of `Trainer.fit`: the loop over epochs and steps, and when it writes checkpoints."""

from __future__ import annotations

import json
import time
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.data.dataset import Dataset
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.layers.state import PathLike
from fastconv.training.checkpoint import Checkpoint, CheckpointFolder, differences
from fastconv.training.evaluation import check_dataset, check_fit
from fastconv.training.gathering import Gather
from fastconv.training.generators import generator_state, set_generator_state
from fastconv.training.interrupts import Interrupt, interrupt_between_steps
from fastconv.training.position import Position
from fastconv.training.progress import Progress, ProgressCallback
from fastconv.training.records import EpochRecord, History
from fastconv.training.snapshot import describe, restore, snapshot
from fastconv.training.stopping import EarlyStopping
from fastconv.validation.sizes import check_flag, check_integer

if TYPE_CHECKING:
    from fastconv.training.trainer import Trainer

__all__ = ["Run"]

_FIT = "Trainer.fit"


class Run:
    """The arguments of one call of `Trainer.fit`, checked, and the loop; `go` does the work."""

    def __init__(
        self,
        trainer: Trainer,
        train: Dataset,
        validation: Dataset | None,
        *,
        epochs: int,
        batch_size: int,
        checkpoint: PathLike | None,
        checkpoint_every: int | None,
        resume: bool,
        early_stopping: EarlyStopping | None,
        progress: ProgressCallback | None,
    ) -> None:
        self._trainer = trainer
        self._train = check_dataset(_FIT, "train", train)
        self._validation = None if validation is None else check_dataset(_FIT, "validation", validation)
        self._epochs = check_integer(_FIT, "epochs", epochs, 1)
        self._batch_size = check_integer(_FIT, "batch_size", batch_size, 1)
        self._every = None
        if checkpoint_every is not None:
            self._every = check_integer(_FIT, "checkpoint_every", checkpoint_every, 1)
        self._resume = check_flag(_FIT, "resume", resume)
        if checkpoint is None and (self._resume or self._every is not None):
            raise InvalidValueError(f"{_FIT}: checkpoint must name a folder for resume and checkpoint_every.")
        self._stopping = _check_stopping(early_stopping, validation)
        self._progress = progress
        self._steps = -(-len(train) // self._batch_size)
        self._gather = Gather(train, self._batch_size, trainer.prepare)
        self._check_images()
        self._description = self._describe()
        self._folder = None if checkpoint is None else CheckpointFolder(checkpoint)
        self._interrupt = Interrupt()
        self._done, self._busy = 0, 0.0  # steps and seconds of this call, for the time that is left

    def _check_images(self) -> None:
        """Find out with one image whether the model takes what augmentation and preparation return."""
        trainer, probe = self._trainer, self._train.images[:1]
        if trainer.augment is not None:
            probe = trainer.augment(probe, np.random.default_rng(0))
        check_fit(_FIT, trainer.model, self._train, self._gather.prepared(probe).shape[1:])

    def _describe(self) -> dict[str, Any]:
        """What must be the same for a run to go on; in the types that JSON knows."""
        description = {
            "train images": len(self._train),
            "image shape": self._train.image_shape,
            "image dtype": self._train.images.dtype.name,
            "checksum of the labels": zlib.crc32(np.ascontiguousarray(self._train.labels, "<i8").tobytes()),
            "validation images": 0 if self._validation is None else len(self._validation),
            "batch_size": self._batch_size,
            **describe(self._trainer),
        }
        plain: dict[str, Any] = json.loads(json.dumps(description))
        return plain

    # the loop

    def go(self) -> History:
        """Run; see `Trainer.fit`."""
        trainer, model = self._trainer, self._trainer.model
        modes = [(layer, layer.training) for _, layer in model.named_layers()]
        with interrupt_between_steps() as self._interrupt:
            self._begin()
            try:
                while not self._finished():
                    self._train_epoch()
                    self._end_epoch()
            finally:
                model.release()
                for layer, mode in modes:
                    layer.training = mode
        return trainer.history

    def _begin(self) -> None:
        """Go on where the checkpoint is, or where this trainer is."""
        trainer = self._trainer
        resumed = self._resume and self._folder is not None and self._folder.last.exists()
        if self._folder is not None:
            self._folder.prepare(fresh=not self._resume and not trainer.history.step_losses)
        if resumed and self._folder is not None:
            checkpoint = Checkpoint.load(_FIT, self._folder.last)
            differing = differences(checkpoint.about["run"], self._description)
            if differing:
                raise InvalidValueError(
                    f"{_FIT}: the run that goes on must be that of {self._folder.last}, but these differ: "
                    f"{'; '.join(differing)}."
                )
            restore(trainer, checkpoint, f"{_FIT}: {self._folder.last}")
            return
        position = trainer.position
        if position.images != min(position.step * self._batch_size, len(self._train)):
            trainer.position = Position(position.epoch)  # an interrupted epoch of other data
        self._epochs += trainer.position.epoch
        self._save()

    def _finished(self) -> bool:
        history = self._trainer.history
        stopped = self._stopping is not None and self._stopping.reached(history)
        return stopped or self._trainer.position.epoch >= self._epochs

    def _train_epoch(self) -> None:
        trainer, position = self._trainer, self._trainer.position
        set_generator_state(trainer.order_rng, trainer.order_state)
        order = trainer.order_rng.permutation(len(self._train))
        trainer.model.train()
        while position.step < self._steps:
            started = time.perf_counter()
            first = position.step * self._batch_size
            chosen = order[first : first + self._batch_size]
            images, labels = self._gather(chosen, trainer.augment, trainer.augment_rng)
            position.lr = trainer.optimizer.lr
            where = f" in epoch {position.epoch + 1}, step {position.step + 1}"
            loss, right = trainer.train_step(images, labels, where=where)
            trainer.history.step_losses.append(loss)
            position.step += 1
            position.images += len(chosen)
            position.right += right
            position.loss += loss * len(chosen)
            if trainer.schedule is not None and trainer.schedule.interval == "step":
                trainer.schedule.step()
            self._count(time.perf_counter() - started)
            self._report()
            self._between_steps()

    def _count(self, seconds: float) -> None:
        self._trainer.position.seconds += seconds
        self._done += 1
        self._busy += seconds

    def _between_steps(self) -> None:
        """Leave after Ctrl-C, or write a checkpoint if it is time."""
        if self._interrupt.pending:
            self._save()
            raise KeyboardInterrupt
        if self._every is not None and len(self._trainer.history.step_losses) % self._every == 0:
            self._save()

    def _end_epoch(self) -> None:
        """Validate, record, and write the checkpoints."""
        trainer, position = self._trainer, self._trainer.position
        started, metrics = time.perf_counter(), None
        if self._validation is not None:
            metrics = trainer.evaluate(self._validation, batch_size=self._batch_size, between=self._between_batches)
            trainer.check_finite("loss of the validation", metrics.loss, f" after epoch {position.epoch + 1}")
        record = EpochRecord(
            epoch=position.epoch + 1,
            train_loss=position.loss / position.images,
            train_accuracy=position.right / position.images,
            validation_loss=None if metrics is None else metrics.loss,
            validation_accuracy=None if metrics is None else metrics.accuracy,
            lr=position.lr,
            seconds=position.seconds + time.perf_counter() - started,
            images_per_second=position.images / max(position.seconds, 1e-9),
        )
        trainer.history.epochs.append(record)
        if trainer.schedule is not None and trainer.schedule.interval == "epoch":
            trainer.schedule.step()
        trainer.order_state = generator_state(trainer.order_rng)
        trainer.position = Position(position.epoch + 1)
        if self._folder is not None and trainer.history.best is record:
            self._snapshot().save(self._folder.best)
        self._save()
        self._report(record)
        if self._interrupt.pending:
            raise KeyboardInterrupt

    def _between_batches(self) -> None:
        """Leave the validation after Ctrl-C; it begins anew when the run goes on."""
        if self._interrupt.pending:
            self._save()
            raise KeyboardInterrupt

    def _snapshot(self) -> Checkpoint:
        return snapshot(self._trainer, self._description)

    def _save(self) -> None:
        if self._folder is not None:
            self._snapshot().save(self._folder.last)

    def _report(self, record: EpochRecord | None = None) -> None:
        if self._progress is None:
            return
        position, steps = self._trainer.position, self._steps
        left = (self._epochs - position.epoch) * steps - position.step
        if record is None:
            images, seconds = max(position.images, 1), max(position.seconds, 1e-9)
            loss, accuracy, speed = position.loss / images, position.right / images, images / seconds
        else:
            loss, accuracy, speed = record.train_loss, record.train_accuracy, record.images_per_second
        self._progress(
            Progress(
                epoch=position.epoch + 1 if record is None else record.epoch,
                epochs=self._epochs,
                step=position.step if record is None else steps,
                steps=steps,
                loss=loss,
                accuracy=accuracy,
                lr=position.lr if record is None else record.lr,
                images_per_second=speed,
                seconds_left=left * self._busy / max(self._done, 1),
                record=record,
            )
        )


def _check_stopping(early_stopping: object, validation: Dataset | None) -> EarlyStopping | None:
    if early_stopping is None:
        return None
    if not isinstance(early_stopping, EarlyStopping):
        raise InvalidTypeError(f"{_FIT}: early_stopping must be an EarlyStopping or None, but got {early_stopping!r}.")
    if validation is None and early_stopping.monitor.startswith("validation"):
        raise InvalidValueError(
            f"{_FIT}: early_stopping must watch something that is measured, but {early_stopping.monitor} needs "
            "validation images. Pass validation=, or watch train_loss."
        )
    return early_stopping
