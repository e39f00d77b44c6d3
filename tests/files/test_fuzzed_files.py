"""Files of every kind, damaged in every way: read, or refused by an error that names the file."""

from __future__ import annotations

import faulthandler
import json
import struct
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import idx_bytes
from fuzzed_calls import network
from fuzzer import unclear
from programs import FULL, patience
from pytorch_writer import mapping, storage, tensor, write

from fastconv import data, models, onnx, training
from fastconv.dropin.source.notebook import read_cells
from fastconv.layers import load_state, save_state
from fastconv.optim import Adam

TIMES = 5000 if FULL else 120  # how often each is damaged
SHAPE = (4, 3, 6, 7)
HUGE = (0, 2**31 - 1, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)


def safetensors(file: Path) -> None:
    pytest.importorskip("safetensors", reason="an extra")
    save_state(network().state_dict(), file)


def pytorch(file: Path) -> None:
    of = storage("FloatStorage", "0", 12)
    write(file, mapping({"a": tensor(of, (3, 4), (4, 1))}), {"0": np.arange(12, dtype="<f4").tobytes()})


def saved_model(file: Path) -> None:
    training.save_model(models.by_name("digits", rng=0), file, preprocessing=data.Preprocessing(), class_names="ab")


def checkpoint(file: Path) -> None:
    model = models.by_name("digits", rng=0)
    images = np.zeros((4, 1, 8, 8), np.float32)
    run = training.Trainer(model, Adam(model.parameters()), compile=False)
    run.fit((images, [0, 1, 2, 3]), epochs=1, batch_size=2, checkpoint=file.parent / "run")
    (file.parent / "run" / "last.npz").rename(file)


def graph(file: Path) -> None:
    pytest.importorskip("onnx", reason="an extra")
    onnx.save(network(), file, SHAPE)


def run_graph(file: Path) -> Any:
    return onnx.load(file).run([np.zeros(SHAPE, np.float32)])


def picture(file: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    notes = image.Exif()
    notes[0x0112] = 6
    pixels = np.random.default_rng(0).integers(0, 256, (6, 7, 3), np.uint8)
    image.fromarray(pixels).save(file, **({"exif": notes} if file.suffix == ".jpg" else {}))


def notebook(file: Path) -> None:
    cell = {"cell_type": "code", "source": ["%matplotlib inline\n", "def conv(x):\n", "    return x\n"]}
    file.write_text(json.dumps({"nbformat": 4, "metadata": {"language_info": {"name": "python"}}, "cells": [cell]}))


KINDS: dict[str, tuple[Callable[[Path], Any], Callable[[Path], Any]]] = {
    "w.safetensors": (safetensors, load_state),
    "w.npz": (lambda file: save_state(network().state_dict(), file), load_state),
    "w.pth": (pytorch, load_state),
    "model.npz": (saved_model, training.load_model),
    "last.npz": (checkpoint, training.checkpoint_weights),
    "net.onnx": (graph, run_graph),
    "images.npz": (lambda file: np.savez(file, images=np.zeros((2, 1, 3, 2), np.uint8), labels=[0, 1]), data.load_npz),
    "images": (lambda file: file.write_bytes(idx_bytes(np.arange(12, dtype=np.uint8).reshape(3, 4))), data.read_idx),
    **{f"picture.{suffix}": (picture, data.load_image) for suffix in ("png", "jpg", "gif", "bmp", "ppm", "webp")},
    "notes.ipynb": (notebook, read_cells),
}


def damaged(content: bytes, rng: np.random.Generator) -> Iterator[bytes]:
    """Cut off, with bits and bytes that are others, with huge numbers, with parts gone and parts more."""
    for number in range(TIMES):
        changed, at = bytearray(content), int(rng.integers(len(content)))
        more = rng.integers(0, 256, rng.integers(1, 20), np.uint8).tobytes()
        if number % 6 == 0:
            del changed[at:]
        elif number % 6 == 1:
            changed[at % 400 % len(content)] ^= 1 << int(rng.integers(8))
        elif number % 6 == 2:
            changed[at : at + len(more)] = more
        elif number % 6 == 3:
            changed[at : at + 8] = struct.pack("<Q", HUGE[int(rng.integers(len(HUGE)))])
        elif number % 6 == 4:
            del changed[at : at + len(more)]
        else:
            changed[at:at] = more
        yield bytes(changed)


@pytest.mark.parametrize("name", KINDS)
def test_damaged_files_are_read_or_refused(tmp_path: Path, name: str) -> None:
    make, read = KINDS[name]
    file = tmp_path / name
    make(file)
    read(file)
    rng = np.random.default_rng(None if FULL else 0)
    wrong, refused = [], 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy and Pillow warn of headers that are odd
        for content in damaged(file.read_bytes(), rng):
            file.write_bytes(content)
            faulthandler.dump_traceback_later(patience(), exit=True)
            try:
                read(file)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is judged
                refused += 1
                named = name in str(error) or str(error).startswith("OnnxModel.run")
                found = unclear(error) or (None if named else f"{error} does not name the file")
                wrong += [] if found is None else [(found, content)]
    faulthandler.cancel_dump_traceback_later()
    assert wrong == []
    assert refused > TIMES // 10
