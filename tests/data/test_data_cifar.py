"""CIFAR-10: what it reads, and that a pickle cannot do anything but hold arrays."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import (
    CIFAR_CLASSES,
    Malicious,
    cifar_batch,
    cifar_contents,
    pickled,
    python2_pickle,
    write_cifar,
    write_cifar_archive,
)

from fastconv.data import load_cifar10
from fastconv.data.unpickling import load_arrays
from fastconv.errors import DataError, DataNotFoundError


def read(content: bytes) -> Any:
    return load_arrays("read", "a.pickle", io.BytesIO(content))


# the batches


@pytest.mark.parametrize("place", ["folder", "folder above", "archive", "folder of the archive"])
def test_all_batches_in_order(tmp_path: Path, place: str) -> None:
    path = tmp_path
    if place == "folder":
        write_cifar(tmp_path)
    elif place == "folder above":
        write_cifar(tmp_path / "cifar-10-batches-py")
    else:
        archive = write_cifar_archive(tmp_path / "cifar-10-python.tar.gz")
        path = archive if place == "archive" else tmp_path
    before = sorted(tmp_path.rglob("*"))
    train, test = load_cifar10(path)
    batches = [cifar_batch(number) for number in range(1, 6)]
    np.testing.assert_array_equal(train.images, np.concatenate([b[b"data"] for b in batches]).reshape(20, 3, 32, 32))
    np.testing.assert_array_equal(train.labels, np.concatenate([b[b"labels"] for b in batches]))
    np.testing.assert_array_equal(test.images.reshape(3, -1), cifar_batch(6, 3)[b"data"])
    assert train.images.dtype == np.uint8
    assert train.images.flags.writeable
    assert train.classes == test.classes == CIFAR_CLASSES
    assert (train.name, test.name) == ("cifar10 train", "cifar10 test")
    assert sorted(tmp_path.rglob("*")) == before  # nothing was unpacked


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_batches_that_python_3_wrote(tmp_path: Path, protocol: int) -> None:
    batch = {key.decode(): value for key, value in cifar_batch(1).items()}
    write_cifar(tmp_path, cifar_contents(data_batch_1=pickled(batch, protocol)))
    np.testing.assert_array_equal(load_cifar10(tmp_path).train.images[:4].reshape(4, -1), batch["data"])


def test_files_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"must hold data_batch_1, .*it does not exist. download=True"):
        load_cifar10(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_bytes(b"")
    with pytest.raises(
        DataNotFoundError, match=r"test_batch, batches.meta \(or cifar-10-python.tar.gz\), but there is notes.txt"
    ):
        load_cifar10(tmp_path)
    contents = cifar_contents()
    del contents["data_batch_3"], contents["batches.meta"]
    message = "must hold data_batch_1.*but data_batch_3, batches.meta cannot be found"
    with pytest.raises(DataNotFoundError, match=message):
        load_cifar10(write_cifar(tmp_path / "some", contents))
    with pytest.raises(DataNotFoundError, match=message):
        load_cifar10(write_cifar_archive(tmp_path / "some.tar.gz", contents))


def changed(**changes: Any) -> bytes:
    content = cifar_batch(1)
    for name, value in changes.items():
        content[name.encode()] = value
    return python2_pickle({key: value for key, value in content.items() if value is not None})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged, truncated or something else"),
        (changed()[:5000], "damaged, truncated or something else"),
        (b"not a pickle at all", "damaged, truncated or something else"),
        (pickled([1, 2]), "must hold a dictionary, but got list"),
        (changed(labels=None), "must hold data and labels, but got the keys batch_label, data, filenames"),
        (changed(labels=[1, 2, 3]), "one label for each of 4 images, but got 3"),
        (changed(labels=[1, 2, 3, 10]), r"between 0 and 9 \(10 classes\), but got 10 at position 3"),
        (changed(labels=[1, 2, 3, -1]), "got -1 at position 3"),
        (changed(labels=b"1234"), "one label for each of 4 images, but got bytes"),
        (changed(labels=[b"1", b"2", b"3", b"4"]), "labels that are integers from 0 to 9"),
        (changed(data=np.zeros((4, 3071), np.uint8)), r"shape \(N, 3072\), uint8, but got uint8 of shape \(4, 3071\)"),
        (changed(data=np.zeros((4, 3072), np.float32)), r"but got float32 of shape \(4, 3072\)"),
        (changed(data=b"zeros"), r"but got bytes"),
    ],
)
def test_a_broken_batch_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    contents = cifar_contents(data_batch_2=content)
    with pytest.raises(DataError, match=rf"some/data_batch_2 .*{message}|some/data_batch_2: .*{message}"):
        load_cifar10(write_cifar(tmp_path / "some", contents))
    with pytest.raises(DataError, match=rf"some.tar.gz:cifar-10-batches-py/data_batch_2.*{message}"):
        load_cifar10(write_cifar_archive(tmp_path / "some.tar.gz", contents))


@pytest.mark.parametrize("names", [[b"cat"], b"cat", None])
def test_broken_names_of_classes(tmp_path: Path, names: Any) -> None:
    meta = python2_pickle({b"num_vis": b"3072"} if names is None else {b"label_names": names})
    with pytest.raises(DataError, match=r"batches.meta must hold label_names, a list of 10 names"):
        load_cifar10(write_cifar(tmp_path, cifar_contents(**{"batches.meta": meta})))


@pytest.mark.parametrize("content", [b"", b"nothing that tar knows" * 50])
def test_a_broken_archive(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "cifar-10-python.tar.gz"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"cifar-10-python.tar.gz must be a tar archive"):
        load_cifar10(file)


@pytest.mark.parametrize("kept", [20, 1000, 40000, -20])
def test_a_truncated_archive(tmp_path: Path, kept: int) -> None:
    file = write_cifar_archive(tmp_path / "cifar-10-python.tar.gz")
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"cifar-10-python.tar.gz.* must be .*damaged(,| or) truncated"):
        load_cifar10(file)


def test_a_link_in_an_archive_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(python2_pickle(cifar_batch(1)))
    file = tmp_path / "linked.tar"
    with tarfile.open(file, "w") as archive:
        for name, content in cifar_contents().items():
            member = tarfile.TarInfo(name)
            if name == "data_batch_1":
                member.type, member.linkname = tarfile.SYMTYPE, str(secret)
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    with pytest.raises(DataNotFoundError, match="data_batch_1 cannot be found"):
        load_cifar10(file)


def test_a_member_that_is_far_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastconv.data.cifar._LARGEST", 1000)
    with pytest.raises(DataError, match=r"data_batch_1 must have at most 1000 bytes, but got \d{5}"):
        load_cifar10(write_cifar(tmp_path))


# the unpickler


ARRAYS = (
    np.arange(6, dtype=np.uint8).reshape(2, 3),
    np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
    np.arange(5, dtype=">f4"),
    np.array(3.5),
    np.zeros((0, 3), bool),
)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype.str}{array.shape}")
def test_arrays_come_back(array: np.ndarray, protocol: int) -> None:
    result = read(pickled({"a": array, "again": [array, (1, 2.5, None, True, "text", b"bytes")]}, protocol))
    for each in (result["a"], result["again"][0]):
        np.testing.assert_array_equal(each, array)
        assert each.dtype == array.dtype.newbyteorder("=")
    assert result["again"][0] is result["a"]
    assert result["again"][1] == (1, 2.5, None, True, "text", b"bytes")


@pytest.mark.parametrize("array", ARRAYS[:2], ids=["C", "F"])
def test_arrays_of_python_2_come_back(array: np.ndarray) -> None:
    result = read(python2_pickle({b"data": array, b"name": b"caf\xe9", b"list": [1, -2]}))
    np.testing.assert_array_equal(result[b"data"], array)
    assert (result[b"name"], result[b"list"]) == (b"caf\xe9", [1, -2])


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (os.system, ("touch {}",), rf"{os.name}.system"),
        (builtins.eval, ("open('{}', 'w')",), "(builtins|__builtin__).eval"),
        (builtins.open, ("{}", "w"), "(io|_io|builtins|__builtin__).open"),
        (getattr, (np, "save"), "(builtins|__builtin__).getattr|pickle"),
        (np.load, ("{}",), "numpy.load"),
        (np.fromfile, ("{}",), r"numpy(\.core|\._core)?(\.multiarray)?.fromfile"),
    ],
    ids=["system", "eval", "open", "getattr", "load", "fromfile"],
)
def test_a_malicious_pickle_runs_nothing(
    tmp_path: Path, function: Any, arguments: tuple[Any, ...], named: str, protocol: int
) -> None:
    touched = tmp_path / "touched"
    filled = tuple(one.format(touched) if isinstance(one, str) else "os" for one in arguments)
    folder = write_cifar(
        tmp_path / "cifar",
        cifar_contents(data_batch_4=pickled({"data": Malicious(function, *filled), "labels": []}, protocol)),
    )
    with pytest.raises(DataError, match=rf"data_batch_4 must hold arrays.*it asks for ({named}), which is not allowed"):
        load_cifar10(folder)
    assert not touched.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x02cnumpy\nndarray\n(K\x02tR.", "numpy.ndarray must not be called"),
        (b"\x80\x02cnumpy\nndarray\n.", "a type where arrays"),
        (b"\x80\x02cnumpy\ndtype\n(U\x02u1K\x00K\x01tR.", "a Dtype where arrays"),
        (b"\x80\x02c_codecs\nencode\n.", "a function where arrays"),
        (
            b"\x80\x02c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00hextR.",
            "must turn a string into latin1.*'hex'",
        ),
        (b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)R.", "an array without content"),
        (b"\x80\x02]q\x00h\x00a.", "a container that holds itself"),
        (b"\x80\x02Pidentity\n.", "damaged, truncated"),
        (b"\x80\x04\x8f.", "a set where arrays"),
        (b"\x80\x02l.", "damaged, truncated"),
        (b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n}X\x05\x00\x00\x00arrayK\x01sb.", "damaged"),
    ],
)
def test_crafted_pickles(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=rf"read: a.pickle must .*{message}"):
        read(content)


def crafted_array(shape: bytes, dtype: bytes, content: bytes, order: bytes = b"|") -> bytes:
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    kind = (
        b"cnumpy\ndtype\n(U"
        + bytes([len(dtype)])
        + dtype
        + b"K\x00K\x01tR(K\x03U\x01"
        + order
        + b"NNNJ\xff\xff\xff\xffK\x00tb"
    )
    return b"\x80\x02" + made + b"(K\x01" + shape + kind + b"\x89" + content + b"tb."


@pytest.mark.parametrize(
    ("shape", "dtype", "content", "order", "message"),
    [
        (b"(K\x04t", b"u1", b"U\x03abc", b"|", r"shape \(4,\) and uint8 must have 4 bytes, but got 3"),
        (b"(K\x02t", b"u1", b"U\x03abc", b"|", "must have 2 bytes, but got 3"),
        (b"(J\xff\xff\xff\xfft", b"u1", b"U\x00", b"|", r"tuple of sizes, but got \(-1,\)"),
        (b"K\x03", b"u1", b"U\x03abc", b"|", "tuple of sizes, but got 3"),
        (b"(K\x01t", b"O8", b"]Na", b"|", "an array must have a dtype and bytes"),
        (b"(K\x01t", b"O8", b"U\x08abcdefgh", b"|", "dtype must be numeric, but got 'O8'"),
        (b"(K\x01t", b"V3", b"U\x03abc", b"|", "dtype must be numeric, but got 'V3'"),
        (b"(K\x01t", b"u3", b"U\x03abc", b"|", "damaged"),
        (b"(K\x01t", b"u1,u1", b"U\x02ab", b"|", "dtype must be numeric"),
        (b"(K\x01t", b"u1", b"U\x01a", b"x", "byte order must be one of"),
    ],
)
def test_crafted_arrays(shape: bytes, dtype: bytes, content: bytes, order: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(crafted_array(shape, dtype, content, order))
    whole = read(crafted_array(b"(K\x03t", b"u1", b"U\x03abc"))
    np.testing.assert_array_equal(whole, [97, 98, 99])


def test_objects_inside_an_array_are_refused() -> None:
    with pytest.raises(DataError, match="an array must have a dtype and bytes"):
        read(pickled(np.array([{}, []], dtype=object)))


def test_a_small_file_cannot_grow_without_bound() -> None:
    doubled = b"\x80\x02]q\x00K\x01a" + b"".join(
        b"0]q" + bytes([i + 1]) + b"(h" + bytes([i]) + b"h" + bytes([i]) + b"e" for i in range(60)
    )
    result = read(doubled + b".")  # 2**60 numbers, if each mention were followed
    assert result[0] is result[1]


def test_a_file_cannot_change_how_the_next_is_read() -> None:
    poison = b"\x80\x02cnumpy\ndtype\nN}X\x05\x00\x00\x00dtypeNs\x86b0]."  # sets an attribute of what it names
    try:
        assert read(poison) == []
    except DataError as error:
        assert "damaged" in str(error)  # noqa: PT017 (either is right)
    np.testing.assert_array_equal(read(pickled(ARRAYS[0])), ARRAYS[0])


def test_nesting_too_deep(tmp_path: Path) -> None:
    nested = b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."
    with pytest.raises(DataError, match="nested too deeply"):
        read(nested)
