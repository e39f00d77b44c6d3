"""Trials of somebody's code with a time limit, and the proof in a process of its own, which leaves no trace here."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Callable, Set
from typing import Any, TypeVar

from fastconv.dropin.accelerate.mismatch import Mismatch
from fastconv.dropin.accelerate.proof import Findings, Proof, find, proof_of
from fastconv.dropin.accelerate.undisturbed import undisturbed
from fastconv.dropin.conventions.convention import Implementation
from fastconv.errors import InvalidValueError
from fastconv.evidence.forked import CAN_FORK, call_in_child
from fastconv.evidence.watchdog import EndedError, NoResultError, NotEndedError, call_within

Result = TypeVar("Result")
Found = tuple[Findings, dict[str, Any]]

# Numba sends this to a forked child that enters a parallel region of GNU OpenMP, which its parent has used.
_NOT_IN_A_CHILD = -signal.SIGTERM


def call_here(function: Callable[[], Result], time_limit: float, otherwise: Result | None = None) -> Result:
    """Call a function that runs somebody's code in this process, since what it finds cannot be sent.

    Parameters
    ----------
    function : callable
        Without arguments.
    time_limit : float
        Seconds that it may take.
    otherwise : object, optional
        The result where the code does not come to an end.

    Returns
    -------
    object
        What the function returned.

    Raises
    ------
    InvalidValueError
        If the code does not come to an end, and there is no other result.
    """
    try:
        with undisturbed():
            return call_within(function, time_limit)
    except NoResultError as error:
        if otherwise is not None:
            return otherwise
        text = f"accelerate: the target must come to an end, but when it was tried, {error}."
        raise InvalidValueError(text) from None


def prove(implementation: Implementation, settled: Set[str], *, contiguous: bool, time_limit: float) -> Proof:
    """Run an implementation and its equivalents on every case that it can express, in a process of its own.

    Parameters
    ----------
    implementation : Implementation
        Somebody's functions.
    settled : set of str
        Roles that are not in question: their functions are fast already.
    contiguous : bool
        Let the equivalents give results in C order.
    time_limit : float
        Seconds that all of it may take.

    Returns
    -------
    Proof
        A role is in `equal`, in `refused` or in `slower`, unless it is in `settled`. Functions that do not come to an
        end, or end the process, are refused.
    """
    asked = [role for role in implementation.targets if role not in settled]
    if not asked:
        return Proof(implementation, {}, {})

    def trials() -> Found:
        with undisturbed():
            return find(implementation, settled, contiguous=contiguous), implementation.details

    try:
        findings, details = _apart(trials, time_limit)
    except NoResultError as error:
        text = f"when {implementation.label} was tried, {error}"
        if isinstance(error, NotEndedError):
            text += "; if it is slow and not endless, give it more time_limit"
        return Proof(implementation, {}, dict.fromkeys(asked, Mismatch("", text)))
    implementation.details.update(details)
    return proof_of(implementation, findings)


def _apart(trials: Callable[[], Found], time_limit: float) -> Found:
    if CAN_FORK:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python 3.12 warns of forks beside threads
                return call_in_child(trials, time_limit)
        except EndedError as error:
            if error.code != _NOT_IN_A_CHILD:
                raise
    return call_within(trials, time_limit)
