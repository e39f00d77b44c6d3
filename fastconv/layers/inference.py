"""Whether layers remember what their backward pass needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_remembering: ContextVar[bool] = ContextVar("fastconv_layers_remember", default=True)


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
    token = _remembering.set(False)
    try:
        yield
    finally:
        _remembering.reset(token)


def remembers() -> bool:
    """Whether layers keep what their backward pass needs, that is, whether no `inference_mode` is active."""
    return _remembering.get()
