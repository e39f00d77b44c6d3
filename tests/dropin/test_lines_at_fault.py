"""`check` names the mistake and its line, in several ways of writing; put in place, the change mends the file."""

from __future__ import annotations

from pathlib import Path

import loop_code
import pytest
from grids import quick
from loop_code import changed
from programs import patience

import fastconv as fc
from fastconv.dropin.check import explanation
from fastconv.dropin.check.repair.changes import CHANGES
from fastconv.dropin.conventions.mistakes import MISTAKES

Change = tuple[str, str]

CASES = [
    "plain",
    "a rectangular image",
    "a wide kernel",
    "a stride that does not divide",
    "padding",
    "padding and a larger stride",
    "overlapping windows",
    "negative input in overlapping windows",
    "negative input and padding",
    "an integer image",
    "inputs looked at afterwards",
]

# A third way to write a maximum: cell by cell, the padding by hand.
CELLS = """
import numpy as np


def max_pool2d(x, kernel_size, stride=None, padding=0):
    k, s, p = kernel_size, stride or kernel_size, padding
    N, C, H, W = x.shape
    padded = np.full((N, C, H + 2 * p, W + 2 * p), -np.inf)
    padded[:, :, p : p + H, p : p + W] = x
    y = np.zeros((N, C, (H + 2 * p - k) // s + 1, (W + 2 * p - k) // s + 1))
    for n, c, i, j in np.ndindex(*y.shape):
        best = -np.inf
        for value in padded[n, c, i * s : i * s + k, j * s : j * s + k].ravel():
            if value > best:
                best = value
        y[n, c, i, j] = best
    return y
"""

_CS231N_SUM = "np.sum(patch * w[f]) + b[f]"
_COURSERA_SUM = "np.sum(patch * W[..., c]) + float(b[0, 0, 0, c])"
_CS231N_PATCH = "patch = padded[n, :, i * stride : i * stride + HH, j * stride : j * stride + WW]"
_COURSERA_PATCH = "patch = padded[i, h * stride : h * stride + f, w * stride : w * stride + f]"
_CS231N_CUT = "return dpadded[:, :, pad : pad + H, pad : pad + W], dw, db"
_COURSERA_CUT = "return dpadded[:, pad : pad + A_prev.shape[1], pad : pad + A_prev.shape[2]], dW, db"
_CS231N_PAD = "np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))\n    OH"
_COURSERA_PAD = "np.pad(A_prev, ((0, 0), (pad, pad), (pad, pad), (0, 0)))\n    for"
_CS231N_SIZES = "OH, OW = 1 + (H - HH) // stride, 1 + (W - WW) // stride\n    out = np.zeros((N, C, OH, OW), dtype"
_COURSERA_SIZES = "n_H, n_W = 1 + (H - f) // stride, 1 + (Wd - f) // stride"
_CS231N_CONV_SIZES = "OH, OW = 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride"
_COURSERA_CONV_SIZES = "n_H, n_W = int((H - f + 2 * pad) / stride) + 1, int((Wd - f + 2 * pad) / stride) + 1"


def within(text: str, old: str, new: str) -> Change:
    """A change of a part of some text."""
    assert old in text, old
    return text, text.replace(old, new)


# Mistake, module, the change that makes it.
MADE: list[tuple[str, str, Change]] = [
    ("assigned", "CS231N", ("stride + l] += dout", "stride + l] = dout")),
    ("assigned", "COURSERA", ("w * stride + l, c] += dA", "w * stride + l, c] = dA")),
    ("stride forgotten", "CS231N", within(_CS231N_PATCH, "j * stride : j * stride", "j : j")),
    ("stride forgotten", "CS231N", ("dpadded[n, :, rows, cols] +=", "dpadded[n, :, i : i + HH, j : j + WW] +=")),
    ("stride forgotten", "COURSERA", ("dpadded[i, rows, cols] +=", "dpadded[i, h : h + f, w : w + f] +=")),
    (
        "stride forgotten",
        "IMAGES",
        ("i * stride : i * stride + KH, j * stride : j * stride + KW", "i : i + KH, j : j + KW"),
    ),
    ("kernel flipped", "CS231N", within(_CS231N_SUM, "w[f]", "w[f, :, ::-1, ::-1]")),
    ("kernel flipped", "COURSERA", within(_COURSERA_SUM, "W[..., c]", "np.rot90(W[..., c], 2)")),
    ("kernel flipped in the gradient", "CS231N", ("+= w[f] * dout", "+= w[f, :, ::-1, ::-1] * dout")),
    ("kernel flipped in the gradient", "COURSERA", ("W[..., c] * dZ", "W[::-1, ::-1, :, c] * dZ")),
    ("bias in every cell", "CS231N", (_CS231N_SUM, "np.sum(patch * w[f] + b[f])")),
    ("bias in every cell", "COURSERA", (_COURSERA_SUM, "np.sum(patch * W[..., c] + float(b[0, 0, 0, c]))")),
    ("bias subtracted", "CS231N", within(_CS231N_SUM, "+ b", "- b")),
    ("bias subtracted", "COURSERA", within(_COURSERA_SUM, "+ float", "- float")),
    ("bias of one filter", "CS231N", within(_CS231N_SUM, "b[f]", "b[0]")),
    ("bias of one filter", "COURSERA", within(_COURSERA_SUM, "0, c]", "0, 0]")),
    ("mean of products", "CS231N", within(_CS231N_SUM, "np.sum", "np.mean")),
    ("mean of products", "COURSERA", within(_COURSERA_SUM, "np.sum", "np.mean")),
    ("first channel alone", "CS231N", within(_CS231N_SUM, "patch * w[f]", "patch[0] * w[f, 0]")),
    ("first channel alone", "COURSERA", within(_COURSERA_SUM, "patch * W[..., c]", "patch[:, :, 0] * W[:, :, 0, c]")),
    ("first filter for all", "CS231N", within(_CS231N_SUM, "w[f]", "w[0]")),
    ("first filter for all", "COURSERA", within(_COURSERA_SUM, "W[..., c]", "W[..., 0]")),
    ("first image for all", "CS231N", within(_CS231N_PATCH, "padded[n", "padded[0")),
    ("first image for all", "COURSERA", within(_COURSERA_PATCH, "padded[i", "padded[0")),
    ("last position alone", "CS231N", ("db[f] += dout", "db[f] = dout")),
    ("last position alone", "COURSERA", ("dW[..., c] += padded", "dW[..., c] = padded")),
    ("divided by images", "CS231N", within(_CS231N_CUT, "dw, db", "dw / N, db")),
    ("divided by images", "COURSERA", within(_COURSERA_CUT, "dW, db", "dW / m, db")),
    ("mean over positions", "TUTORIAL", ("sensitivity_array[f].sum()", "sensitivity_array[f].mean()")),
    ("mean over positions", "PLAIN", ("dy.sum(axis=(0, 2, 3))", "dy.mean(axis=(0, 2, 3))")),
    ("padding not cut off", "CS231N", (_CS231N_CUT, "return dpadded, dw, db")),
    ("padding not cut off", "COURSERA", (_COURSERA_CUT, "return dpadded, dW, db")),
    ("cut at the wrong place", "CS231N", (_CS231N_CUT, "return dpadded[:, :, :H, :W], dw, db")),
    ("cut at the wrong place", "AVERAGE", ("dx[:, :, p : p + H, p : p + W]", "dx[:, :, :H, :W]")),
    ("cut with exchanged axes", "CS231N", (_CS231N_CUT, "return dpadded[:, :, pad : pad + W, pad : pad + H], dw, db")),
    (
        "cut with exchanged axes",
        "COURSERA",
        (_COURSERA_CUT, "return dpadded[:, pad : pad + A_prev.shape[2], pad : pad + A_prev.shape[1]], dW, db"),
    ),
    ("empty cut", "CS231N", (_CS231N_CUT, "return dpadded[:, :, pad:-pad, pad:-pad], dw, db")),
    ("empty cut", "COURSERA", (_COURSERA_CUT, "return dpadded[:, pad:-pad, pad:-pad], dW, db")),
    ("size of the other axis", "CS231N", within(_CS231N_SIZES, "W - WW", "H - HH")),
    ("size of the other axis", "COURSERA", within(_COURSERA_SIZES, "Wd - f", "H - f")),
    (
        "rounded up",
        "CS231N",
        within(_CS231N_SIZES, "(H - HH) // stride, 1 +", "int(np.ceil((H - HH) / stride)), 1 +"),
    ),
    ("rounded up", "COURSERA", within(_COURSERA_SIZES, "(H - f) // stride", "int(np.ceil((H - f) / stride))")),
    ("true division", "CS231N", within(_CS231N_SIZES, "//", "/")),
    ("true division", "COURSERA", within(_COURSERA_SIZES, "//", "/")),
    ("one missing", "CS231N", within(_CS231N_CONV_SIZES, "1 + ", "")),
    ("one missing", "COURSERA", within(_COURSERA_CONV_SIZES, " + 1", "")),
    ("padding on one side", "CS231N", within(_CS231N_PAD, "(pad, pad), (pad, pad)", "(2 * pad, 0), (2 * pad, 0)")),
    ("padding on one side", "COURSERA", within(_COURSERA_PAD, "(pad, pad), (pad, pad)", "(0, 2 * pad), (0, 2 * pad)")),
    ("padding repeats", "CS231N", within(_CS231N_PAD, "pad)))", "pad)), mode='edge')")),
    ("padding repeats", "COURSERA", within(_COURSERA_PAD, "(0, 0)))", "(0, 0)), 'edge')")),
    ("zero padding of maxima", "PLAIN", ("padding, fill=-np.inf)", "padding, fill=0)")),
    (
        "zero padding of maxima",
        "CELLS",
        ("np.full((N, C, H + 2 * p, W + 2 * p), -np.inf)", "np.zeros((N, C, H + 2 * p, W + 2 * p))"),
    ),
    ("maximum from zero", "CS231N", ("window.max(axis=(2, 3))", "window.max(axis=(2, 3)).clip(0)")),
    ("maximum from zero", "CELLS", ("best = -np.inf", "best = 0")),
    ("sum for mean", "CS231N", (" / (HH * WW)", "")),
    ("sum for mean", "AVERAGE", (" / (self.pool_h * self.pool_w)", "")),
    ("divided by a square", "CS231N", ("/ (HH * WW)", "/ HH**2")),
    ("divided by a square", "AVERAGE", ("/ (self.pool_h * self.pool_w)", "/ self.pool_h**2")),
    ("integer result", "CS231N", ("dtype=np.result_type(x, w, b)", "dtype=x.dtype")),
    ("integer result", "COURSERA", ("Z = np.zeros((m, n_H, n_W, C))", "Z = np.zeros((m, n_H, n_W, C), A_prev.dtype)")),
    ("changes its input", "CS231N", (f"    {_CS231N_CUT}", f"    x *= 2\n    {_CS231N_CUT}")),
    ("changes its input", "COURSERA", (f"    {_COURSERA_CUT}", f"    dZ *= 2\n    {_COURSERA_CUT}")),
]


def code_of(module: str) -> str:
    return CELLS if module == "CELLS" else str(getattr(loop_code, module))


def written(folder: Path, source: str) -> Path:
    path = folder / "layers.py"
    path.write_text(source, encoding="utf-8")
    return path


@pytest.mark.parametrize(("mistake", "module", "change"), quick(MADE, 6))
def test_the_mistake_is_named_and_its_line_mends_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: str, module: str, change: Change
) -> None:
    monkeypatch.setattr(explanation, "_SECONDS", patience())  # on a machine with other things to do
    source = changed(code_of(module), change)
    path = written(tmp_path, source)
    report = fc.check(path, cases=CASES, time_limit=patience())
    bad = [case for each in report.implementations for case in each.bad]
    assert mistake in {case.mistake for case in bad}, [(case.case, case.what) for case in bad]
    assert {case.mistake for case in bad} <= {mistake, "", "last filter alone", "changes its input"}, str(report)
    lines = {case.line for case in bad}
    assert len(lines) == 1, str(report)
    line = lines.pop()
    assert line is not None
    rows = source.splitlines()
    assert rows[line.number - 1].strip() == line.text != code_of(module).splitlines()[line.number - 1].strip()
    assert f"layers.py:{line.number}  {line.text}\n" in str(report)
    rows[line.number - 1] = rows[line.number - 1].replace(line.text, line.better or "pass")
    written(tmp_path, "\n".join(rows) + "\n")
    assert fc.check(path, cases=CASES).ok


def test_a_report_of_one_mistake_is_read_in_one_screen(tmp_path: Path) -> None:
    for source, change in ((loop_code.CS231N, MADE[0][2]), (loop_code.COURSERA, MADE[1][2])):
        printed = str(fc.check(written(tmp_path, changed(source, change)))).splitlines()
        assert len(printed) <= 24
        assert printed[0].startswith("layers.py: ")
        assert sum(len(line) > 100 for line in printed) <= 1


def test_changes_belong_to_mistakes_that_there_are() -> None:
    assert [name for name in CHANGES if name not in MISTAKES] == []
    assert len({mistake for mistake, *_ in MADE}) >= 15


def test_a_file_that_works_stays_as_it_is(tmp_path: Path) -> None:
    path = written(tmp_path, changed(loop_code.CS231N, MADE[0][2]))
    before = path.read_bytes()
    fc.check(path, cases=["overlapping windows"])
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir() if file.suffix == ".py"] == ["layers.py"]
