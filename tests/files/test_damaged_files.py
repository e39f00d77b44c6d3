"""One flipped bit, anywhere in a file: the whole content, or an error that names the file; never less in silence.

An archive tells three times what is in it, and a reader that looks at one of them loses an image with the bit that
another has. Damage at a few places that somebody thought of does not show that; damage at every place does.
"""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import CIFAR_CLASSES, cifar_batch, idx_bytes, python2_pickle, write_cifar
from programs import FULL

from fastconv import data
from fastconv.data.cifar import load_cifar10_batch
from fastconv.errors import DataError, FastconvError, StateFileError
from fastconv.layers import load_state, save_state
from fastconv.validation.archives import open_archive

NAMES = ("cat/1.png", "cat/2.png", "dog/1.png", "größe/1.png", "größe/io.png")


def picture(seed: int) -> bytes:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    stream = io.BytesIO()
    image.fromarray(np.random.default_rng(seed).integers(0, 256, (2, 3, 3), np.uint8)).save(stream, "png")
    return stream.getvalue()


def zipped(method: int = zipfile.ZIP_STORED, names: tuple[str, ...] = NAMES) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for seed, name in enumerate(names):
            archive.writestr(name, picture(seed))
    return stream.getvalue()


def arrays_in(save: Callable[..., None]) -> bytes:
    stream = io.BytesIO()
    images = np.arange(24, dtype=np.uint8).reshape(4, 1, 3, 2)
    save(stream, images=images, labels=[0, 1, 0, 1], classes=["a", "b"], other=np.zeros(2))
    return stream.getvalue()


def state() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **{"a": np.arange(5.0), "b.c": np.ones(2, np.float32)})
    return stream.getvalue()


def batches() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        contents = {f"data_batch_{n}": python2_pickle(cifar_batch(n, 1)) for n in range(1, 6)}
        contents["test_batch"] = python2_pickle(cifar_batch(6, 1))
        contents["batches.meta"] = python2_pickle({b"label_names": [name.encode() for name in CIFAR_CLASSES]})
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


IDX = idx_bytes(np.arange(12, dtype=np.uint8).reshape(3, 4))
# The content, the reader, and whether the format has a checksum: without one, another number is not found out.
CASES: dict[str, tuple[Callable[[], bytes], Callable[[Path], Any], bool]] = {
    "stored.zip": (zipped, data.load_image_folder, True),
    "deflated.zip": (lambda: zipped(zipfile.ZIP_DEFLATED), data.load_image_folder, True),
    "plain.npz": (lambda: arrays_in(np.savez), data.load_npz, True),
    "packed.npz": (lambda: arrays_in(np.savez_compressed), data.load_npz, True),
    "state.npz": (state, load_state, True),
    "images.gz": (lambda: gzip.compress(IDX, mtime=0), data.read_idx, True),
    "images": (lambda: IDX, data.read_idx, False),
    "data_batch_1": (lambda: python2_pickle(cifar_batch(1, 2)), load_cifar10_batch, False),
    "cifar.tar": (batches, data.load_cifar10, False),
    "cifar.tar.gz": (lambda: gzip.compress(batches(), mtime=0), data.load_cifar10, True),
}


def plain(value: Any) -> Any:
    """What a reader returned, to be compared."""
    if isinstance(value, data.DataBundle):
        return [plain(part) for part in value]
    if isinstance(value, data.Dataset):
        return [value.images, value.labels, value.classes]
    return value


def shapes(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shapes(part) for name, part in value.items()}
    if isinstance(value, list):
        return [shapes(part) for part in value]
    return (value.shape, value.dtype) if isinstance(value, np.ndarray) else len(value)


def sizes(value: Any) -> list[Any]:
    """Sizes of the arrays; their type, and the classes that labels make up, are numbers in the file too."""
    arrays = value if isinstance(value, list) else [value]
    return [sizes(part) if isinstance(part, list) else np.shape(part) for part in arrays if part is not None][:2]


def equal(one: Any, other: Any) -> bool:
    try:
        np.testing.assert_equal(one, other)
    except AssertionError:
        return False
    return shapes(one) == shapes(other)


def damaged(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Every bit and every byte of a file inverted; without FASTCONV_FULL about 350 bits, all over it."""
    step = 1 if FULL else max(len(content) // 350, 1)
    for position in range(0, len(content), step):
        for mask in (1, 2, 4, 8, 16, 32, 64, 128, 255) if FULL else (1 << position // step % 8,):
            changed = bytearray(content)
            changed[position] ^= mask
            yield position, bytes(changed)


@pytest.mark.parametrize("name", CASES)
def test_one_bit(tmp_path: Path, name: str) -> None:
    make, read, has_checksum = CASES[name]
    file, content = tmp_path / name, make()
    file.write_bytes(content)
    whole = plain(read(file))
    wrong, refused = [], 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy and Pillow warn of headers that are odd
        for position, changed in damaged(content):
            file.write_bytes(changed)
            try:
                found = plain(read(file))
            except FastconvError as error:
                refused += 1
                wrong += [] if name in str(error) else [(position, error)]
            except Exception as error:  # noqa: BLE001 - whatever it is, it is reported
                wrong.append((position, error))
            else:
                if not (equal(whole, found) if has_checksum else sizes(whole) == sizes(found)):
                    wrong.append((position, found))
    assert wrong == []
    assert refused > 10


@pytest.mark.parametrize("name", ["stored.zip", "plain.npz"])
def test_one_bit_of_what_is_recognised_by_its_content(tmp_path: Path, name: str) -> None:
    """`load` looks at a file before the reader does."""
    file, content = tmp_path / name, CASES[name][0]()
    file.write_bytes(content)
    whole = plain(data.load(file))
    for _, changed in list(damaged(content))[:: 1 if FULL else 8]:
        file.write_bytes(changed)
        try:
            found = plain(data.load(file))
        except FastconvError:
            continue
        assert equal(whole, found)


# each kind of damage to an archive, by its message


def end_of(content: bytes) -> int:
    return content.rindex(b"PK\5\6")


def with_count(content: bytes) -> bytes:
    at = end_of(content) + 10
    return content[:at] + struct.pack("<H", 6) + content[at + 2 :]


def with_longer_comment(content: bytes) -> bytes:
    """The first entry of the directory takes those behind it for its comment: one of five images was left."""
    first = content.index(b"PK\1\2")
    last = content.rindex(b"PK\1\2")
    second = content.index(b"PK\1\2", first + 4)
    return content[: first + 32] + struct.pack("<H", last - second) + content[first + 34 :]


def renamed_in_the_directory(content: bytes) -> bytes:
    at = content.rindex(b"dog/1.png")
    return content[:at] + b"cat/3.png" + content[at + 9 :]


def with_an_archive_inside(content: bytes) -> bytes:
    """The end is damaged; that of an archive which is stored in it is not."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("cat/1.png", picture(0))
        archive.writestr("inside.zip", content)
    outer = stream.getvalue()
    at = end_of(outer)
    return outer[:at] + b"QK\5\6" + outer[at + 4 :]


def longer_than_packed(content: bytes) -> bytes:
    first = content.index(b"PK\1\2")
    return content[: first + 24] + struct.pack("<I", 2**27) + content[first + 28 :]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-22], "its end is missing"),
        (lambda content: content + b"more", "it does not end where it says"),
        (with_an_archive_inside, "it does not end where it says"),
        (with_count, "its directory must have 6 entries, but 5 can be read"),
        (with_longer_comment, "its directory must have 5 entries, but [12] can be read"),
        (renamed_in_the_directory, r"its directory has 'cat/3\.png', but there is something else in its place"),
        (longer_than_packed, r"cat/1\.png must have 134217728 bytes, more than \d+ bytes can hold"),
    ],
)
def test_damage_to_an_archive_is_named(tmp_path: Path, change: Callable[[bytes], bytes], message: str) -> None:
    file = tmp_path / "images.zip"
    file.write_bytes(change(zipped()))
    with pytest.raises(DataError, match=rf"images\.zip.*{message}"):
        data.load_image_folder(file)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "images.zip").write_bytes(zipped(names=("cat/1.png", "cat/1.png")))
    with pytest.raises(DataError, match="two entries of the same name"):
        data.load_image_folder(tmp_path / "images.zip")
    with zipfile.ZipFile(tmp_path / "twice.npz", "w") as archive:
        for name in ("a", "a.npy"):
            with archive.open(name, "w") as entry:
                np.lib.format.write_array(entry, np.zeros(2))
    with pytest.raises(StateFileError, match="two arrays have the same name"):
        load_state(tmp_path / "twice.npz")


def test_an_entry_that_is_packed_in_another_way(tmp_path: Path) -> None:
    (tmp_path / "images.zip").write_bytes(zipped(zipfile.ZIP_BZIP2))
    with pytest.raises(DataError, match=r"cat/1\.png must be stored or deflated, but got the compression method 12"):
        data.load_image_folder(tmp_path / "images.zip")


def test_archives_that_are_in_order(tmp_path: Path) -> None:
    """A comment, folders, something before the archive, entries whose size comes after them, and the large format."""
    for number, comment in enumerate((b"", b"images of PK\3\4 pets")):
        file = tmp_path / f"{number}.zip"
        with file.open("wb") as stream:
            stream.write(b"#!/bin/sh\n" * number)
        with zipfile.ZipFile(file, "a" if number else "w") as archive:
            archive.writestr("cat/", b"")
            with archive.open("cat/1.png", "w", force_zip64=True) as entry:
                entry.write(picture(0))
            archive.comment = comment
        assert len(data.load_image_folder(file).train) == 1
    stream = io.BytesIO()

    class Pipe(io.RawIOBase):
        """What cannot go back to write a size."""

        def writable(self) -> bool:
            return True

        def write(self, content: Any) -> int:
            return stream.write(content)

    with zipfile.ZipFile(Pipe(), "w") as archive:  # type: ignore[arg-type]  # as zipfile documents
        archive.writestr("cat/1.png", picture(0))
    (tmp_path / "piped.zip").write_bytes(stream.getvalue())
    assert len(data.load_image_folder(tmp_path / "piped.zip").train) == 1


@pytest.mark.slow
def test_more_entries_than_the_old_format_counts() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(65_537):
            archive.writestr(zipfile.ZipInfo(f"{number}"), b"")
    assert len(open_archive(stream).infolist()) == 65_537
    content = bytearray(stream.getvalue())
    content[content.rindex(b"PK\6\6") + 32] ^= 1
    with pytest.raises(zipfile.BadZipFile, match="must have 65536 entries, but 65537 can be read"):
        open_archive(io.BytesIO(content))


def test_a_folder_without_one_of_the_batches(tmp_path: Path) -> None:
    folder = write_cifar(tmp_path / "cifar")
    (folder / "data_batch_3").write_bytes((folder / "data_batch_3").read_bytes() + b"more")
    with pytest.raises(DataError, match=r"data_batch_3.*it must end with its last instruction, but 4 bytes follow"):
        data.load_cifar10(folder)


def test_weights_of_another_length(tmp_path: Path) -> None:
    """A header that says less than there is would leave the rest out without a word."""
    save_state({"weight": np.arange(6.0)}, tmp_path / "w.npz")
    with zipfile.ZipFile(tmp_path / "w.npz") as archive:
        content = archive.read("weight.npy")
    for shape, words in ((b"(5,)", "must have 40 bytes, but got 48"), (b"(7,)", "must have 56 bytes, but got 48")):
        with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
            archive.writestr("weight.npy", content.replace(b"(6,)", shape))
        with pytest.raises(StateFileError, match=rf"w\.npz.*weight is something else, or damaged.*{words}"):
            load_state(tmp_path / "w.npz")
