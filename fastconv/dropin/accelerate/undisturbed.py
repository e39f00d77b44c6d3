"""Running somebody's functions without a trace."""

from __future__ import annotations

import io
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import numpy as np


@contextmanager
def undisturbed() -> Iterator[None]:
    """Swallow what is printed and warned inside the block, and put the global random generators back afterwards."""
    drawn, state = random.getstate(), np.random.get_state()  # noqa: NPY002 - that one is theirs
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
            np.errstate(all="ignore"),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(drawn)
        np.random.set_state(state)  # noqa: NPY002 - as above
