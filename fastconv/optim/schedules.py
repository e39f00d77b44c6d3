"""Learning-rate schedules: the rate of every group as a function of how many epochs, or steps, are done."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import cos, pi
from typing import Any

from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.optim.arguments import check_not_negative, check_positive
from fastconv.optim.base import Optimizer
from fastconv.validation.constructors import Constructed
from fastconv.validation.sizes import check_choice, check_integer


class Schedule(metaclass=Constructed):
    """Base class of the schedules.

    Making one sets the rates of its optimiser to those of the beginning; each `step` sets the next ones. A
    `fastconv.training.Trainer` calls `step` by itself.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``lr`` is changed; what it has now is the base rate of each group.
    interval : {"epoch", "step"}
        What one `step` of the schedule stands for, an epoch or a step of the optimiser.

    Raises
    ------
    TypeError
        If `optimizer` is not one.
    ValueError
        If a number is out of its range.

    Attributes
    ----------
    done : int
        Epochs, or steps, that are done.
    """

    def __init__(self, optimizer: Optimizer, interval: str) -> None:
        if not isinstance(optimizer, Optimizer):
            raise InvalidTypeError(f"{self._name}: optimizer must be an Optimizer, but got {type(optimizer).__name__}.")
        self.optimizer = optimizer
        self.interval = check_choice(self._name, "interval", interval, ("epoch", "step"))
        for group in optimizer.groups:
            # not what an earlier schedule, of the same chain, has made of it
            group.setdefault("initial_lr", group["lr"])
        self.base_lrs = [float(group["initial_lr"]) for group in optimizer.groups]
        self.done = 0
        self._apply()

    @property
    def _name(self) -> str:
        return type(self).__name__

    @abstractmethod
    def lr_at(self, base_lr: float, done: int) -> float:
        """Return the learning rate after `done` epochs or steps.

        Parameters
        ----------
        base_lr : float
            The rate of the beginning.
        done : int
            Epochs, or steps, that are done.

        Returns
        -------
        float
            The rate of the next one.
        """

    def step(self) -> None:
        """Count one epoch, or step, and set the rates of the next."""
        self.done += 1
        self._apply()

    def _apply(self) -> None:
        for group, base_lr in zip(self.optimizer.groups, self.base_lrs):
            group["lr"] = self.lr_at(base_lr, self.done)

    def state_dict(self) -> dict[str, Any]:
        """What a run that continues needs.

        Returns
        -------
        dict
            ``done`` and ``base_lrs``.
        """
        return {"done": self.done, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where another schedule of the same kind was, and set the rates.

        Parameters
        ----------
        state : mapping
            As `state_dict` returns it.

        Raises
        ------
        ValueError
            If it belongs to an optimiser with another number of groups.
        """
        if len(state["base_lrs"]) != len(self.base_lrs):
            raise InvalidValueError(
                f"{self._name}.load_state_dict: state must have {len(self.base_lrs)} base rates, one for each group, "
                f"but got {len(state['base_lrs'])}."
            )
        self.done = check_integer(f"{self._name}.load_state_dict", "done", state["done"], 0)
        self.base_lrs = [float(rate) for rate in state["base_lrs"]]
        self._apply()

    def options(self) -> dict[str, Any]:
        """Return what was given besides the optimiser and the interval.

        Returns
        -------
        dict
            By name.
        """
        return {name: value for name, value in vars(self).items() if name not in _COMMON}

    def __repr__(self) -> str:
        options = "".join(f"{name}={value!r}, " for name, value in self.options().items())
        return f"{self._name}({options}interval={self.interval!r})"


_COMMON = ("optimizer", "interval", "base_lrs", "done")


class StepLR(Schedule):
    """Multiply the rate by `gamma` after every `step_size` epochs.

    Parameters
    ----------
    optimizer, interval
        As for `Schedule`.
    step_size : int
        Epochs, or steps, between two changes.
    gamma : float
        The factor.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.layers import Parameter
    >>> from fastconv.optim import SGD, StepLR
    >>> optimizer = SGD([Parameter(np.zeros(3))], lr=0.5)
    >>> schedule = StepLR(optimizer, step_size=2, gamma=0.1)
    >>> for epoch in range(5):
    ...     print(round(optimizer.lr, 6), end=" ")
    ...     schedule.step()
    0.5 0.5 0.05 0.05 0.005
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, *, interval: str = "epoch") -> None:
        self.step_size = check_integer("StepLR", "step_size", step_size, 1)
        self.gamma = check_positive("StepLR", "gamma", gamma)
        super().__init__(optimizer, interval)

    def lr_at(self, base_lr: float, done: int) -> float:
        """``base_lr * gamma ** (done // step_size)``; see `Schedule.lr_at`."""
        return float(base_lr * self.gamma ** (done // self.step_size))


class MultiStepLR(Schedule):
    """Multiply the rate by `gamma` at each milestone.

    Parameters
    ----------
    optimizer, interval
        As for `Schedule`.
    milestones : sequence of int
        Epochs, or steps, after which it changes, in rising order.
    gamma : float
        The factor.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.layers import Parameter
    >>> from fastconv.optim import SGD, MultiStepLR
    >>> schedule = MultiStepLR(SGD([Parameter(np.zeros(3))], lr=0.5), milestones=(80, 120))
    >>> [round(schedule.lr_at(0.5, epoch), 6) for epoch in (0, 79, 80, 120)]
    [0.5, 0.5, 0.05, 0.005]
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1, *, interval: str = "epoch"
    ) -> None:
        self.milestones = _milestones("MultiStepLR", milestones)
        self.gamma = check_positive("MultiStepLR", "gamma", gamma)
        super().__init__(optimizer, interval)

    def lr_at(self, base_lr: float, done: int) -> float:
        """``base_lr * gamma ** (milestones reached)``; see `Schedule.lr_at`."""
        return float(base_lr * self.gamma ** bisect_right(self.milestones, done))


class ExponentialLR(Schedule):
    """Multiply the rate by `gamma` after every epoch: the ``lr_decay`` of the course CS231n.

    Parameters
    ----------
    optimizer, interval
        As for `Schedule`.
    gamma : float
        The factor.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.layers import Parameter
    >>> from fastconv.optim import SGD, ExponentialLR
    >>> schedule = ExponentialLR(SGD([Parameter(np.zeros(3))], lr=1.0), gamma=0.5)
    >>> [schedule.lr_at(1.0, epoch) for epoch in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, *, interval: str = "epoch") -> None:
        self.gamma = check_positive("ExponentialLR", "gamma", gamma)
        super().__init__(optimizer, interval)

    def lr_at(self, base_lr: float, done: int) -> float:
        """``base_lr * gamma ** done``; see `Schedule.lr_at`."""
        return float(base_lr * self.gamma**done)


class CosineAnnealingLR(Schedule):
    """Lower the rate along half a period of a cosine.

    Parameters
    ----------
    optimizer, interval
        As for `Schedule`.
    T_max : int
        Epochs, or steps, until the lowest rate; after that it rises again.
    eta_min : float
        The lowest rate.

    Notes
    -----
    Loshchilov and Hutter (2017), "SGDR: Stochastic Gradient Descent with Warm Restarts", section 3, without restarts.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.layers import Parameter
    >>> from fastconv.optim import SGD, CosineAnnealingLR
    >>> schedule = CosineAnnealingLR(SGD([Parameter(np.zeros(3))], lr=1.0), T_max=4)
    >>> [round(schedule.lr_at(1.0, epoch), 3) for epoch in range(5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, *, interval: str = "epoch") -> None:
        self.T_max = check_integer("CosineAnnealingLR", "T_max", T_max, 1)
        self.eta_min = check_not_negative("CosineAnnealingLR", "eta_min", eta_min)
        super().__init__(optimizer, interval)

    def lr_at(self, base_lr: float, done: int) -> float:
        """``eta_min + (base_lr - eta_min) (1 + cos(π done / T_max)) / 2``; see `Schedule.lr_at`."""
        return self.eta_min + (base_lr - self.eta_min) * (1.0 + cos(pi * done / self.T_max)) / 2.0


class LinearWarmup(Schedule):
    """Raise the rate along a line to its full value, and keep it there.

    Parameters
    ----------
    optimizer, interval
        As for `Schedule`.
    duration : int
        Epochs, or steps, until the full rate.
    start_factor : float
        Share of the full rate at the beginning, from 0 to 1.

    Notes
    -----
    Goyal et al. (2017), "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", section 2.2. PyTorch calls it
    ``LinearLR``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.layers import Parameter
    >>> from fastconv.optim import SGD, LinearWarmup
    >>> schedule = LinearWarmup(SGD([Parameter(np.zeros(3))], lr=1.0), duration=4, start_factor=0.0)
    >>> [schedule.lr_at(1.0, epoch) for epoch in range(6)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """

    def __init__(
        self, optimizer: Optimizer, duration: int, start_factor: float = 0.1, *, interval: str = "epoch"
    ) -> None:
        self.duration = check_integer("LinearWarmup", "duration", duration, 1)
        self.start_factor = check_not_negative("LinearWarmup", "start_factor", start_factor)
        if self.start_factor > 1:
            raise InvalidValueError(f"LinearWarmup: start_factor must be at most 1, but got {self.start_factor}.")
        super().__init__(optimizer, interval)

    def lr_at(self, base_lr: float, done: int) -> float:
        """``base_lr (start_factor + (1 - start_factor) min(done / duration, 1))``; see `Schedule.lr_at`."""
        return base_lr * (self.start_factor + (1.0 - self.start_factor) * min(done / self.duration, 1.0))


class SequentialLR(Schedule):
    """One schedule after the other, such as a warm-up and then a cosine.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``lr`` is changed.
    schedules : sequence of Schedule
        Of the same optimiser and interval; each starts to count where it takes over.
    milestones : sequence of int
        Epochs, or steps, at which the next one takes over, in rising order: one fewer than schedules.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.layers import Parameter
    >>> from fastconv.optim import SGD, CosineAnnealingLR, LinearWarmup, SequentialLR
    >>> optimizer = SGD([Parameter(np.zeros(3))], lr=1.0)
    >>> warmup = LinearWarmup(optimizer, duration=2, start_factor=0.5)
    >>> schedule = SequentialLR(optimizer, [warmup, CosineAnnealingLR(optimizer, T_max=4)], milestones=[2])
    >>> [round(schedule.lr_at(1.0, epoch), 3) for epoch in range(7)]
    [0.5, 0.75, 1.0, 0.854, 0.5, 0.146, 0.0]
    """

    def __init__(self, optimizer: Optimizer, schedules: Sequence[Schedule], milestones: Sequence[int]) -> None:
        self.schedules, self.milestones = tuple(schedules), _milestones("SequentialLR", milestones)
        if not self.schedules or len(self.schedules) != len(self.milestones) + 1:
            raise InvalidValueError(
                "SequentialLR: schedules must be one more than milestones, but got "
                f"{len(self.schedules)} schedules and {len(self.milestones)} milestones."
            )
        for schedule in self.schedules:
            if not isinstance(schedule, Schedule):
                raise InvalidTypeError(f"SequentialLR: every schedule must be a Schedule, but got {shown(schedule)}.")
            if schedule.optimizer is not optimizer or schedule.interval != self.schedules[0].interval:
                raise InvalidValueError(
                    f"SequentialLR: all schedules must have the same optimizer and interval, but {schedule!r} differs."
                )
        super().__init__(optimizer, self.schedules[0].interval)

    def lr_at(self, base_lr: float, done: int) -> float:
        """Rate of the schedule whose turn it is; see `Schedule.lr_at`."""
        turn = bisect_right(self.milestones, done)
        return self.schedules[turn].lr_at(base_lr, done - (self.milestones[turn - 1] if turn else 0))


def _milestones(operation: str, values: Sequence[int]) -> tuple[int, ...]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Sequence):
        raise InvalidTypeError(f"{operation}: milestones must be a sequence of integers, but got {shown(values)}.")
    milestones = tuple(check_integer(operation, "every milestone", value, 1) for value in values)
    if any(first >= second for first, second in pairwise(milestones)):
        raise InvalidValueError(f"{operation}: milestones must rise, but got {shown(milestones)}.")
    return milestones
