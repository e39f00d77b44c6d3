"""Whether layers remember what their backward pass needs, and count the passes that wait for one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

FORGETTING, REMEMBERING, TRYING = range(3)
_mode: ContextVar[int] = ContextVar("fastconv_layers_mode", default=REMEMBERING)


@contextmanager
def inference_mode() -> Iterator[None]:
    """Let layers forget their inputs inside the block, so that a network takes the memory of two layers.

    `Layer.backward` raises after such a forward pass. The mode is local to the context; it does not switch dropout or
    batch normalisation, which is what `Layer.eval` does.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.layers import ReLU
    >>> layer = ReLU()
    >>> with inference_mode():
    ...     layer(np.array([-1.0, 2.0]))
    array([0., 2.])
    >>> layer.backward(np.ones(2))
    Traceback (most recent call last):
    fastconv.errors.NotRunError: ReLU.backward: forward must run first, outside of inference_mode.
    """
    with _in_mode(FORGETTING):
        yield


@contextmanager
def trial_passes() -> Iterator[None]:
    """Let forward passes inside the block be followed by any number of backward passes, for who tries functions out."""
    with _in_mode(TRYING):
        yield


@contextmanager
def _in_mode(mode: int) -> Iterator[None]:
    token = _mode.set(mode)
    try:
        yield
    finally:
        _mode.reset(token)


def remembers() -> bool:
    """Whether layers keep what their backward pass needs, that is, whether no `inference_mode` is active."""
    return _mode.get() != FORGETTING


def pass_mode() -> int:
    """What a forward pass does: `FORGETTING`, `REMEMBERING` or, without being counted, `TRYING`."""
    return _mode.get()
