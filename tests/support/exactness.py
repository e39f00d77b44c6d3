"""Who is asked to be exact: a backend that notes it, and the engine with a note at each plan that it makes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import fastconv as fc
from fastconv.backends import settings
from fastconv.backends.numpy import NumpyBackend


class AskedBackend(NumpyBackend):
    """Notes what the options say about exactness, at each convolution and gradient of one."""

    def __init__(self, asked: list[bool]) -> None:
        self.asked = asked

    def conv(self, *arguments: Any) -> Any:
        self.asked.append(fc.get_options().exact)
        return super().conv(*arguments)

    def conv_backward(self, *arguments: Any) -> Any:
        self.asked.append(fc.get_options().exact)
        return super().conv_backward(*arguments)


@contextmanager
def asked_backend() -> Iterator[list[bool]]:
    """Let a backend called "asked" run; the list grows with what its convolutions are asked for."""
    asked: list[bool] = []
    fc.register_backend("asked", AskedBackend(asked))
    try:
        with fc.use_backend("asked"):
            yield asked
    finally:
        fc.unregister_backend("asked")


@contextmanager
def asked_engine() -> Iterator[list[bool]]:
    """Return a list that grows with what the plans of convolutions on the fast backend are asked for."""
    asked: list[bool] = []

    def noted() -> settings.Options:
        here = settings.get_options()
        asked.append(here.exact)
        return here

    with patch("fastconv.backends.fast.conv.conv.get_options", noted):
        yield asked


class Telling:
    """An engine of a contest that tells, in the place of its versions, whether its process is exact."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def versions(self) -> dict[str, str]:
        return {"exact": str(fc.get_options().exact)}
