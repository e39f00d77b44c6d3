"""Commands that start at once: run one after another in a process of their own, with what each has brought by then."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from programs import run

COMMANDS = (
    (),
    ("--help",),
    *(
        (name, "--help")
        for name in ("compare", "info", "warmup", "train", "check", "bench", "report", "summary", "predict", "evaluate")
    ),
    ("summary", "--list"),
    ("summary", "resnet20", "--batch", "8"),
)
HEAVY = ("numba", "matplotlib", "sklearn", "scipy", "pytest", "torch", "jax", "onnxruntime", "fastconv.dropin.check")

PROGRAM = f"""
    import io, json, sys
    from contextlib import redirect_stdout
    from fastconv.__main__ import main
    found = []
    for arguments in {COMMANDS!r}:
        sys.argv = ["fastconv", *arguments]
        with redirect_stdout(io.StringIO()) as out:
            code = main()
        found.append([code, out.getvalue(), [name for name in {HEAVY!r} if name in sys.modules]])
    print(json.dumps(found))
"""


@cache
def _results() -> Any:
    return json.loads(run(PROGRAM, PYTHONIOENCODING="utf-8"))


def printed_by(*arguments: str) -> str:
    """What a command printed that ended well, and before which nothing heavy was imported."""
    pytest.importorskip("typer")
    code, out, heavy = _results()[COMMANDS.index(arguments)]
    assert (code, heavy) == (0, []), arguments
    return str(out)
