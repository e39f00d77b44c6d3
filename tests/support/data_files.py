"""Small files of datasets, written by hand: what the tests of the readers read."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray

IDX_CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def idx_bytes(array: Array) -> bytes:
    """An IDX file, written from its definition: magic, big-endian sizes, big-endian values."""
    header = bytes([0, 0, IDX_CODES[array.dtype.name], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_mnist(folder: Path, train: int = 5, test: int = 3, *, packed: bool = True) -> dict[str, Array]:
    """The four files; images H != W."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", train), ("t10k", test)):
        arrays[f"{part}-images-idx3-ubyte"] = rng.integers(0, 256, (count, 4, 6), np.uint8)
        arrays[f"{part}-labels-idx1-ubyte"] = rng.integers(0, 10, count).astype(np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(array)))
        else:
            (folder / name).write_bytes(idx_bytes(array))
    return arrays


def _string(text: bytes) -> bytes:
    """A str of Python 2: BINSTRING."""
    return b"T" + struct.pack("<i", len(text)) + text


def _integer(number: int) -> bytes:
    return b"J" + struct.pack("<i", number)


def python2_pickle(content: dict[bytes, Any]) -> bytes:
    """A pickle of protocol 2 with the instructions that Python 2 wrote for CIFAR-10."""
    out = [b"\x80\x02}("]
    for key, value in content.items():
        out.append(_string(key))
        if isinstance(value, np.ndarray):
            out.append(_python2_array(value))
        elif isinstance(value, list):
            items = b"".join(_integer(item) if isinstance(item, int) else _string(item) for item in value)
            out.append(b"](" + items + b"e")
        else:
            out.append(_string(value))
    return b"".join([*out, b"u."])


def _python2_array(array: Array) -> bytes:
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + _string(b"b") + b"\x87R"
    dtype = b"cnumpy\ndtype\n" + _string(array.dtype.str[1:].encode()) + b"K\x00K\x01\x87R"
    dtype += (
        b"(K\x03"
        + _string(b"|" if array.dtype.itemsize == 1 else b"<")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    shape = b"(" + b"".join(map(_integer, array.shape)) + b"t"
    order = b"\x88" if not array.flags.c_contiguous else b"\x89"
    content = array.tobytes(order="A")
    return made + b"(K\x01" + shape + dtype + order + _string(content) + b"tb"


CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def cifar_batch(seed: int, count: int = 4) -> dict[bytes, Any]:
    rng = np.random.default_rng(seed)
    return {
        b"batch_label": b"training batch",
        b"labels": [int(label) for label in rng.integers(0, 10, count)],
        b"data": rng.integers(0, 256, (count, 3072), np.uint8),
        b"filenames": [b"a.png"] * count,
    }


def cifar_contents(**replaced: bytes) -> dict[str, bytes]:
    """All files by name, with some of them replaced."""
    files = {f"data_batch_{number}": python2_pickle(cifar_batch(number)) for number in range(1, 6)}
    files["test_batch"] = python2_pickle(cifar_batch(6, 3))
    files["batches.meta"] = python2_pickle({b"label_names": [name.encode() for name in CIFAR_CLASSES]})
    return {**files, **replaced}


def write_cifar(folder: Path, contents: dict[str, bytes] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (contents or cifar_contents()).items():
        (folder / name).write_bytes(content)
    return folder


def write_cifar_archive(file: Path, contents: dict[str, bytes] | None = None) -> Path:
    """As published: in a folder, with a page beside the batches, and in no particular order."""
    items = {"readme.html": b"<html>", **(contents or cifar_contents())}
    with tarfile.open(file, "w:gz") as archive:
        for name in sorted(items, reverse=True):
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(items[name])
            archive.addfile(member, io.BytesIO(items[name]))
    return file


class Malicious:
    """Pickles into a call of anything."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def pickled(content: object, protocol: int = 2) -> bytes:
    return pickle.dumps(content, protocol)
