"""Files as `torch.save` writes them, made by hand: opcodes of protocol 2, in a zip archive with the storages."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

BEGIN, END = b"\x80\x02", b"."
ORDERED = b"ccollections\nOrderedDict\n"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + len(data).to_bytes(4, "little") + data


def integer(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def several(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def storage(kind: str, key: str, numel: int) -> bytes:
    module, _, name = kind.rpartition(".")
    place = f"c{module or 'torch'}\n{name}\n".encode()
    return several(text("storage"), place, text(key), text("cpu"), integer(numel)) + b"Q"


def tensor(of: bytes, sizes: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> bytes:
    places = several(*map(integer, sizes)), several(*map(integer, strides))
    return REBUILD + several(of, integer(offset), *places, b"\x89", ORDERED + b")R") + b"R"


def mapping(items: Mapping[str, bytes]) -> bytes:
    return ORDERED + b")R(" + b"".join(text(name) + value for name, value in items.items()) + b"u"


def write(path: Path, content: bytes, storages: Mapping[str, bytes], **others: bytes) -> None:
    """A whole file; `others` are entries beside the pickle, such as its byte order."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", BEGIN + content + END)
        for name, data in {"version": b"3\n", **others}.items():
            archive.writestr(f"archive/{name}", data)
        for key, data in storages.items():
            archive.writestr(f"archive/data/{key}", data)


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """A state dict of float32, each tensor in a storage of its own."""
    tensors = {}
    for key, (name, array) in enumerate(state.items()):
        strides = tuple(step // array.itemsize for step in array.strides)
        tensors[name] = tensor(storage("FloatStorage", str(key), array.size), array.shape, strides)
    write(path, mapping(tensors), {str(key): np.asarray(array).tobytes() for key, array in enumerate(state.values())})
