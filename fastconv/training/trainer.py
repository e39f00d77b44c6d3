"""The trainer: a network, how it learns, and `fit`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

from fastconv.backends.settings import use_num_threads, with_exact
from fastconv.layers.state import PathLike
from fastconv.training.evaluation import Data, as_dataset, evaluate
from fastconv.training.progress import ProgressCallback
from fastconv.training.records import EarlyStopping, History, Metrics
from fastconv.training.run import Run
from fastconv.training.saved import write_model
from fastconv.training.state import TrainState


class Trainer(TrainState):
    """Trains a network on images: the loop over epochs and batches, with checkpoints.

    Parameters
    ----------
    model : Layer
        The network.
    optimizer : Optimizer
        Over the parameters of the model.
    loss : callable or str
        ``loss(scores, labels) -> (loss, gradient)``, or a name of `fastconv.losses.LOSSES`. The losses between
        numbers (squared error, binary cross-entropy) compare with labels that are numbers, and else with 1 for the
        class and 0 for the others.
    schedule : Schedule, optional
        Of the learning rate of the optimiser; the trainer steps it.
    augment : callable, optional
        ``augment(images, rng) -> images``, for training images alone; see `fastconv.data.augment`.
    prepare : callable, optional
        Turns stored images, after `augment`, into what the network takes, for training and evaluation; best a
        `fastconv.data.Preprocessing`, which is saved with the network. By default bytes are divided by 255, and float32
        images are left alone.
    seed : int
        Of the order of the images and of `augment`. Layers that draw, such as dropout, have generators of their own.
    l2 : float
        ``l2 / 2`` times the sum of squares of all weights is added to the loss of a training step, and its gradient to
        theirs. Biases and the parameters of normalisation, which have one axis, are left out.
    clip_norm : float, optional
        Limit of the norm of all gradients together, see `fastconv.optim.clip_grad_norm`.
    compile : bool
        Record a step once and replay it, see `fastconv.compile`, with the same bits; False runs the layers one by one.
    exact : bool, optional
        Whether convolutions are exact, in training and evaluation, but for layers that say something else; by default
        as the options say, see `fastconv.set_options`.
    communicator : mpi4py.MPI.Intracomm, optional
        Ranks that train together, such as ``MPI.COMM_WORLD`` (extra ``mpi``). Each calls the same methods with the same
        arguments, and has its share of each batch and of the images that are evaluated. `fit` begins from the network
        and the optimiser of rank 0, which alone writes checkpoints and reports.
    synchronize_batch_norm : bool
        Whether batch norms take the statistics of the images of all ranks in training, and not of those of their own.
        Layers then run one by one.

    Attributes
    ----------
    history : History
        What was measured so far.

    Raises
    ------
    TypeError
        If an argument is not what its name says.
    ValueError
        If a number is out of its range, or model and optimiser have no parameter in common.

    Examples
    --------
    >>> from fastconv.data import load_digits
    >>> from fastconv.layers import Conv2d, Flatten, Linear, ReLU, Sequential
    >>> from fastconv.optim import Adam
    >>> from fastconv.training import Trainer
    >>> train, test = load_digits()
    >>> model = Sequential(Conv2d(1, 8, 3, rng=0), ReLU(), Flatten(), Linear(8 * 6 * 6, 10, rng=1))
    >>> trainer = Trainer(model, Adam(model.parameters(), lr=0.01), seed=0)
    >>> history = trainer.fit(train, epochs=3, batch_size=64)
    >>> trainer.evaluate(test).accuracy > 0.9
    True
    """

    def fit(
        self,
        train: Data,
        validation: Data | None = None,
        *,
        epochs: int = 10,
        batch_size: int = 128,
        drop_last: bool = False,
        checkpoint: PathLike | None = None,
        checkpoint_every: int | None = None,
        resume: bool = False,
        early_stopping: EarlyStopping | None = None,
        progress: ProgressCallback | bool | None = None,
    ) -> History:
        """Train for some epochs.

        Parameters
        ----------
        train : Dataset or (x, y)
            What the network learns from. Each epoch goes through it once, in an order of its own. Of a pair, x is
            inputs of any rank, bytes or what becomes float32; y is classes (integers), or numbers (floating) of the
            shape that the network returns, such as images.
        validation : Dataset or (x, y), optional
            What it is judged by after each epoch.
        epochs : int
            How many; with `resume` the number of the whole run, before and after.
        batch_size : int
            Images of one step; the last one of an epoch may have fewer.
        drop_last : bool
            Leave out a last batch that is smaller than the others; which images those are, each epoch draws anew.
        checkpoint : path-like, optional
            Folder for ``last.npz`` and ``best.npz``, written whole at the end of each epoch.
        checkpoint_every : int, optional
            Steps after which ``last.npz`` is written too.
        resume : bool
            Go on from ``last.npz`` where there is one. The weights at the end are bitwise those of a run that was
            never stopped.
        early_stopping : EarlyStopping, optional
            When to stop before the last epoch.
        progress : bool or callable, optional
            True is a bar in terminals and notebooks (extra ``cli``), and a line for each epoch elsewhere, as ``print``
            is. Any other function is called with a `Progress` after every step and every epoch.

        Returns
        -------
        History
            Of the whole run, also as `history`.

        Raises
        ------
        fastconv.errors.DivergedError
            If the loss becomes infinite or NaN; a ``FloatingPointError``.
        fastconv.errors.StateFileError
            If the checkpoint is damaged or something else; a ``ValueError``.
        ValueError
            If the checkpoint belongs to another run (the message says what differs), if the folder has a run already
            and `resume` is False, if the images do not fit the model, or if the last batch of an epoch is too small for
            a layer to learn from, as one image is for batch norm without planes.
        KeyboardInterrupt
            After Ctrl-C: the step is finished and ``last.npz`` written before.

        Warns
        -----
        fastconv.errors.LearningWarning
            Once, if the cross-entropy stays that of guessing, with what to try.
        """
        make = partial(
            Run,
            self,
            self.evaluate,
            train,
            validation,
            epochs=epochs,
            batch_size=batch_size,
            drop_last=drop_last,
            checkpoint=checkpoint,
            checkpoint_every=checkpoint_every,
            resume=resume,
            early_stopping=early_stopping,
            progress=progress,
        )
        threads = self.ranks.threads()
        with self.ranks.guarded(), nullcontext() if threads is None else use_num_threads(threads):
            return self.ranks.by_all(make).go()

    def evaluate(
        self, dataset: Data, *, batch_size: int = 128, between: Callable[[], object] = lambda: None
    ) -> Metrics:
        """Measure the network over a dataset, in evaluation mode, without `augment` and without the `l2` penalty.

        Parameters
        ----------
        dataset, batch_size, between
            As for `fastconv.training.evaluate`.

        Returns
        -------
        Metrics
            ``(loss, accuracy)``.
        """
        images = as_dataset("evaluate", "dataset", dataset)
        share = self.ranks.share(len(images))
        arguments = self.model, images[share.part], self.loss, self.prepare
        own = with_exact(self.exact, evaluate, *arguments, batch_size=batch_size, between=between)
        if self.ranks.size == 1:
            return own
        weighted = [0.0 if value is None else value * share.weight for value in own]
        loss, accuracy = self.ranks.totals(*weighted) if share.weight else self.ranks.totals(0.0, 0.0)
        return Metrics(loss, accuracy if images.has_classes else None)

    def save(self, path: PathLike) -> None:
        """Write the network with what a prediction needs to one file, for `fastconv.load_model`.

        After `fit` that is how to make it, if `fastconv.models.by_name` did; what was done to the images, if `prepare`
        is a `fastconv.data.Preprocessing` or None; and the names of the classes.

        Parameters
        ----------
        path : path-like
            ``.npz`` or ``.safetensors``; see `save_model`.
        """
        write_model(self.model, path, self.card)
