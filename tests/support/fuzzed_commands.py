"""Right command lines with some of their words replaced: each ends with a result, or with one line and a code.

As a program: ``python tests/support/fuzzed_commands.py SEED CALLS`` prints those that do not.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import sys
import tempfile
import traceback
import warnings
from itertools import pairwise
from pathlib import Path
from unittest import mock

import numpy as np
import typer
from programs import patience

import fastconv as fc
from fastconv import cli
from fastconv.validation import memory

MEMORY = 2**28  # bytes that a command may ask for
LONGEST = 2500  # characters of a line
_SHOWN = 300  # of what is printed about a call

VALUES = (
    "", " ", "0", "-1", "1", "3", "-0", "1.5", "nan", "-inf", "1e400", "1e-400", "9223372036854775807",
    "9223372036854775808", "-99999999999999999999", "9" * 5000, "0x10", "1_000", "\u0663", "\uff13", "True", "None",
    "[1, 2]", "{}", "{0}", "%s%n", "a\0b", "a\nb", "\x1b[31m", "\udcff", "\u00e9\U0001f600", "x" * 5000, "1x" * 3000,
    "x", "1x3x8x8", "1x1x8x8", "0x0x0x0", "1x3x9223372036854775808x3", "-1x3x8x8", "1x3", "1,2", ",", ":", "=", "a=b",
    "-", "--", "--x", "-h", ".", "..", "/dev", "~", "*", "/dev/null", "/proc/self/mem", "folder", "folder/",
    "folder/no/file.json", "bytes.npz", "half.npy", "half.onnx", "bad.json", "list.json", "nested.json",
    "bad.py", "model.npz", "images.npz", "image.npy", "saved.json", "loops.py", "out.json", "out.png", "out.html",
    "float64", "float16", "int8", "complex64", "naive", "fast", "numpy", "naive,fast", "NHWC", "same", "digits",
    "lenet", "conv2d", "max_pool2d",
)  # fmt: skip
ENDLESS = ("--epochs", "--repeats", "--time-limit", "--rounds", "--seconds", "--batch-size", "--checkpoint-every")
_LARGE = ("9223372036854775807", "9223372036854775808")
_LEFT_OUT = ("--debug", "--download", "--list", "--help")  # a traceback that is asked for, the network, and texts

RIGHT = (
    "summary lenet --batch 2 --dtype float32 --optimizer sgd --json out.json",
    "summary model.npz --input 1x8x8",
    "summary digits --program --classes 3",
    "compare --operation conv2d --input 1x2x5x6 --weight 3x2x2x2 --stride 1 --padding 0 --repeats 1 --seed 0",
    "compare --operation max_pool2d --input 1x2x5x6 --kernel-size 2 --dtype float64 --repeats 1 --backends numpy,fast",
    "compare --operation conv2d --x image.npy --weight 3x1x2x2 --repeats 1 --json out.json --html out.html",
    "check loops.py --case plain --time-limit 20 --json out.json",
    "report saved.json --markdown out.md --html out.html",
    "train images.npz --model digits --epochs 1 --batch-size 8 --lr 0.01 --seed 0 --validation 0.2 --json out.json",
    "train images.npz --model digits --epochs 1 --augment flip --optimizer sgd --schedule cosine --save out.npz",
    "evaluate model.npz images.npz --batch 4 --part test --json out.json",
    "predict model.npz image.npy --top 2 --batch 1 --size 8 --json out.json",
    "predict model.npz image.npy --scale 0.1 --mean 0.5 --std 0.5 --layout CHW",
)
_LOOPS = """import numpy as np
def conv2d(x, w):
    y = np.zeros((x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1))
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = (x[i : i + w.shape[0], j : j + w.shape[1]] * w).sum()
    return y
"""


def write_files() -> None:
    """Write right and wrong files into the working folder."""
    Path("folder").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo("folder/pipe.py")
    images = np.random.default_rng(0).integers(0, 255, (20, 1, 8, 8)).astype(np.uint8)
    np.savez("images.npz", images=images, labels=np.arange(20) % 3)
    np.save("image.npy", images[:1] / np.float32(255))
    fc.training.save_model(fc.models.by_name("digits", rng=0), "model.npz")
    saved = fc.compare("conv2d", x=np.ones((1, 1, 4, 5)), weight=np.ones((1, 1, 2, 2)), repeats=1)
    Path("saved.json").write_text(saved.to_json())
    contents = {"half.npy": b"\x93NUMPY\1\0", "bytes.npz": b"PK\3\4", "half.onnx": b"\0\1", "bad.json": b"{"}
    contents |= {"list.json": b"[1, null]", "nested.json": b"[" * 100_000, "bad.py": b"x = (\n"}
    for file, content in {**contents, "loops.py": _LOOPS.encode()}.items():
        Path(file).write_bytes(content)


def options_of(command: str) -> list[str]:
    """Options of a command that take a value."""
    found = typer.main.get_command(cli.app).commands[command].params  # type: ignore[attr-defined]
    return [one.opts[0] for one in found if one.param_type_name == "option" and not one.is_flag]


def drawn(rng: np.random.Generator) -> list[str]:
    """A right command line with one to three words replaced, or options more."""
    words = str(rng.choice(RIGHT)).split()
    for _ in range(int(rng.integers(1, 4))):
        place, value = int(rng.integers(1, len(words))), str(rng.choice(VALUES))
        if rng.random() < 0.4:
            words += [str(rng.choice(options_of(words[0]))), value]
        elif words[place].startswith("--"):
            words[place + 1 : place + 2] = [value]
        else:
            words[place] = value
    endless = any(option in ENDLESS and value in _LARGE for option, value in pairwise(words))
    return drawn(rng) if endless or {*words} & {*_LEFT_OUT} else words


def verdict(words: list[str]) -> str | None:
    """What is wrong with what a command line did, or None."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors) for errors in ("strict", "backslashreplace"))
    with (
        contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings(),
        np.errstate(all="ignore"), mock.patch.object(memory, "memory_limit", return_value=MEMORY),
        mock.patch.object(sys, "argv", ["fastconv", *words]),
    ):  # fmt: skip
        warnings.simplefilter("ignore")
        try:
            code = cli.main()
        except BaseException as error:  # noqa: BLE001 - whatever it is, nobody catches it
            where = traceback.extract_tb(error.__traceback__)[-1]
            return f"{type(error).__name__}: {str(error)[:_SHOWN]} ({Path(where.filename).name}:{where.lineno})"
    said = [(stream.flush(), stream.buffer.getvalue().decode())[1] for stream in (out, err)]  # type: ignore[attr-defined]
    return unclear(code, *said)


def unclear(code: int, printed: str, said: str) -> str | None:
    """What is wrong with a code and what stands on the two streams, or None."""
    lines = [line for line in said.splitlines() if line.startswith("fastconv: ")]
    if "Traceback" in said or any("fastconv: unexpected" in line for line in lines):
        return next((line for line in lines if "unexpected" in line), said[-_SHOWN:])
    if code not in (0, 1, 2):
        return f"code {code}"
    if code and not lines and not printed:
        return f"code {code} without a word: {said[-_SHOWN:]!r}"
    if any(len(line) > LONGEST for line in lines):
        return f"a line of {max(map(len, lines))} characters"
    return None


def main(seed: int, count: int) -> None:
    """Run so many command lines, and print what is wrong with them; a crash or a hang shows where it was."""
    faulthandler.enable()
    rng, wrong = np.random.default_rng(seed), 0
    with tempfile.TemporaryDirectory() as folder:
        inner = Path(folder, "inner")  # so that ".." is ours, too
        inner.mkdir()
        os.chdir(inner)
        write_files()
        for _ in range(count):
            words = drawn(rng)
            faulthandler.dump_traceback_later(patience(), exit=True)
            found = verdict(words)
            if found is not None:
                print(
                    f"{[word[:40] for word in words]} -> {found}".encode("ascii", "backslashreplace").decode(),
                    flush=True,
                )
            wrong += found is not None
        faulthandler.cancel_dump_traceback_later()
        os.chdir("/")
    print(f"{count} command lines with seed {seed}, {wrong} unclear")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
