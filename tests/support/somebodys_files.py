"""Files of somebody's for tests: scripts and notebooks with a convolution in them."""

from __future__ import annotations

import json
from pathlib import Path

from programs import patience

import fastconv as fc
from fastconv.dropin.check import CheckReport

CONV = """
def conv2d(x, w, stride=1):
    (n, _, height, width), (f, _, rows, columns) = x.shape, w.shape
    y = np.zeros((n, f, (height - rows) // stride + 1, (width - columns) // stride + 1), x.dtype)
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            window = x[:, :, i * stride : i * stride + rows, j * stride : j * stride + columns]
            y[:, :, i, j] = np.tensordot(window, w, ((1, 2, 3), (1, 2, 3)))
    return y
"""
WRONG = CONV.replace("j * stride :", "j :")


def written(folder: Path, *parts: str, name: str = "net.py") -> Path:
    """A file with pieces of code in it."""
    path = folder / name
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def notebook(folder: Path, *cells: str, language: str = "python", name: str = "net.ipynb") -> Path:
    """A notebook with cells of code, and one of text between all of them."""
    text = {"cell_type": "markdown", "metadata": {}, "source": ["# A convolution"]}
    code = [
        {"cell_type": "code", "metadata": {}, "source": cell.splitlines(keepends=True), "outputs": []} for cell in cells
    ]
    parts = [part for cell in code for part in (text, cell)]
    metadata = {"language_info": {"name": language}}
    return written(folder, json.dumps({"nbformat": 4, "metadata": metadata, "cells": parts}), name=name)


def checked(path: Path, *, limit: float | None = None) -> CheckReport:
    return fc.check(path, cases=["plain", "a larger stride"], time_limit=limit or patience())
