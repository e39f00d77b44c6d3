"""Files of `torch.save`, read without PyTorch: every dtype and form, and nothing in them is run."""

from __future__ import annotations

import os
import pickle
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytorch_writer import BEGIN, END, ORDERED, REBUILD, integer, mapping, several, storage, tensor, text, write

from fastconv.errors import StateFileError
from fastconv.layers import BatchNorm2d, Conv2d, Sequential, load_state

NUMBERS = np.arange(12, dtype="<f4")
OF_NUMBERS = storage("FloatStorage", "0", 12)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "weights.pth"


def refused(file: Path, message: str) -> None:
    with pytest.raises(StateFileError, match=rf"load_state: .*weights\.pth must .*{message}"):
        load_state(file)


# what comes back


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("FloatStorage", "<f4"), ("DoubleStorage", "<f8"), ("HalfStorage", "<f2"), ("LongStorage", "<i8"),
        ("IntStorage", "<i4"), ("ShortStorage", "<i2"), ("CharStorage", "i1"), ("ByteStorage", "u1"),
        ("BoolStorage", "?"), ("torch.storage.FloatStorage", "<f4"),
    ],
)  # fmt: skip
def test_every_kind_of_storage(file: Path, kind: str, dtype: str) -> None:
    values = np.array([1, 0, 1, 1, 0, 1], dtype)
    write(file, mapping({"a": tensor(storage(kind, "7", 6), (2, 3), (3, 1))}), {"7": values.tobytes()})
    found = load_state(file)["a"]
    assert found.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(found, values.reshape(2, 3))
    found[0, 0] = 0  # it may be written


def test_bfloat16_is_read_as_float32(file: Path) -> None:
    values = np.array([1.0, -2.5, 3e38, np.inf], np.float32)
    bits = (values.view(np.uint32) >> 16).astype("<u2")
    write(file, mapping({"a": tensor(storage("BFloat16Storage", "0", 4), (4,), (1,))}), {"0": bits.tobytes()})
    found = load_state(file)["a"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, (bits.astype(np.uint32) << 16).view(np.float32))


def test_views_with_strides_and_offsets(file: Path) -> None:
    tensors = {
        "turned": tensor(OF_NUMBERS, (4, 3), (1, 4)),
        "part": tensor(OF_NUMBERS, (2, 2), (6, 2), 1),
        "one": tensor(OF_NUMBERS, (), (), 5),
        "none": tensor(OF_NUMBERS, (0, 3), (3, 1)),
    }
    write(file, mapping(tensors), {"0": NUMBERS.tobytes()}, byteorder=b"little")
    found = load_state(file)
    np.testing.assert_array_equal(found["turned"], NUMBERS.reshape(3, 4).T)
    np.testing.assert_array_equal(found["part"], [[1, 3], [7, 9]])
    assert found["one"].shape == ()
    assert found["one"] == 5
    assert found["none"].shape == (0, 3)
    assert np.shares_memory(found["turned"], found["part"])  # as in PyTorch


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
def test_a_checkpoint_has_it_inside(file: Path, key: str) -> None:
    inside = mapping(
        {"module.fc.weight": tensor(OF_NUMBERS, (12,), (1,)), "module.fc.bias": tensor(OF_NUMBERS, (3,), (1,))}
    )
    content = mapping({"epoch": integer(3), "losses": b"]", key: inside})
    write(file, content, {"0": NUMBERS.tobytes()})
    assert list(load_state(file)) == ["fc.weight", "fc.bias"]


def test_a_prefix_that_not_all_have_stays(file: Path) -> None:
    write(file, mapping({name: tensor(OF_NUMBERS, (3,), (1,)) for name in ("module.a", "b")}), {"0": NUMBERS.tobytes()})
    assert list(load_state(file)) == ["module.a", "b"]


# nothing is run


class Harmful:
    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.place),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("inside", [False, True])
def test_a_harmful_pickle_is_refused_by_name(tmp_path: Path, file: Path, protocol: int, inside: bool) -> None:
    content = pickle.dumps({"a": Harmful(tmp_path / "ran")} if inside else Harmful(tmp_path / "ran"), protocol)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", content)
    refused(file, rf"asks for '{os.mkdir.__module__}\.mkdir', which is not run")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cbuiltins\neval\n(X\x03\x00\x00\x001+1tR", r"'builtins\.eval'"),
        (b"cbuiltins\ngetattr\n", r"'builtins\.getattr'"),
        (b"X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93", r"'os\.system'"),
        (b"(X\x04\x00\x00\x00trueios\nsystem\n", r"'os\.system'"),
        (b"(cos\nsystem\nX\x04\x00\x00\x00trueo", r"'os\.system'"),
        (b"ctorch\nload\n", r"'torch\.load'"),
        (b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n", r"_rebuild_tensor_v2\.__globals__'"),
        (b"ctorch.storage\n_load_from_bytes\n", r"'torch\.storage\._load_from_bytes'"),
        (b"cnumpy.core.multiarray\nscalar\n", r"'numpy\.core\.multiarray\.scalar'"),
        (b"\x82\x01", "the registry of extensions"),
        (b"ctorch\nFloatStorage\n)R", "not callable"),
        (ORDERED + b")\x81}X\x01\x00\x00\x00ab", "KeyError|TypeError|damaged"),
        (REBUILD + b"(t" + b"R", "TypeError"),
        (text("storage") + b"Q", "no storage"),
        (b"\x8f", "a set"),
    ],
)  # fmt: skip
def test_instructions_that_are_refused(file: Path, content: bytes, message: str) -> None:
    write(file, content, {})
    refused(file, message)


def test_a_record_cannot_be_changed_afterwards(file: Path) -> None:
    one = tensor(OF_NUMBERS, (12,), (1,))
    change = b"}" + text("sizes") + several(integer(2**40)) + b"s"
    for state in (change, b"N" + change + b"\x86"):  # attributes, and those of slots
        write(file, mapping({"a": one + state + b"b"}), {"0": NUMBERS.tobytes()})
        refused(file, "AttributeError")


def test_deep_nesting_is_no_crash(file: Path) -> None:
    write(file, b"]" * 100_000 + b"a" * 99_999, {})
    refused(file, "hold a state dict, but it holds a list")


# sizes are compared before memory is taken


@pytest.mark.parametrize(
    ("of", "sizes", "strides", "offset", "message"),
    [
        (OF_NUMBERS, (13,), (1,), 0, "a tensor must lie in its storage of 12 numbers"),
        (OF_NUMBERS, (2,), (11,), 1, "a tensor must lie in its storage"),
        (OF_NUMBERS, (2**62,), (0,), 0, "a tensor must lie in its storage"),
        (OF_NUMBERS, (2**200,), (1,), 0, "an integer of 201 bits|a tensor must lie in its storage"),
        (OF_NUMBERS, (2,), (-1,), 1, "the stride of a tensor must not be negative"),
        (OF_NUMBERS, (-1,), (1,), 0, "the size of a tensor must not be negative"),
        (OF_NUMBERS, (2,), (1,), -1, "the offset of a tensor must not be negative"),
        (OF_NUMBERS, (2, 2), (1,), 0, "a stride for each size"),
        (OF_NUMBERS, (0,), (1,), 13, "a tensor must lie in its storage"),
        (integer(3), (2,), (1,), 0, "a tensor must have a storage, but got 3"),
        (storage("FloatStorage", "9", 12), (2,), (1,), 0, "data/9' is missing"),
        (storage("FloatStorage", "../data.pkl", 12), (2,), (1,), 0, "is missing"),
        (storage("FloatStorage", "0", 2**60), (2**60,), (1,), 0, r"must have 4611686018427387904 bytes, but got 48"),
        (storage("DoubleStorage", "0", 12), (2,), (1,), 0, "must have 96 bytes, but got 48"),
        (storage("FloatStorage", "0", -1), (0,), (1,), 0, "a storage must have a class, a key and a length"),
        (storage("QInt8Storage", "0", 48), (2,), (1,), 0, r"'torch\.QInt8Storage'"),
    ],
)  # fmt: skip
def test_tensors_beyond_their_memory(
    file: Path, of: bytes, sizes: tuple[int, ...], strides: tuple[int, ...], offset: int, message: str
) -> None:
    write(file, mapping({"a": tensor(of, sizes, strides, offset)}), {"0": NUMBERS.tobytes()})
    tracemalloc.start()
    refused(file, message)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**22


def test_a_compressed_storage_is_refused(file: Path) -> None:
    write(file, mapping({"a": tensor(storage("FloatStorage", "0", 2**20), (1,), (1,))}), {})
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(2**22))
    refused(file, "archive/data/0 must be stored as it is, but it is compressed")


def test_storages_that_overlap_are_refused(file: Path) -> None:
    """The memory of one is the whole entry of another, header and all: a file of many such would take the square."""
    inner = zipfile.ZipInfo("archive/data/1")
    inner.file_size = inner.compress_size = 400
    data = bytes(400)
    inner.CRC = zlib.crc32(data)
    outer = inner.FileHeader(zip64=False) + data
    kinds = ("ByteStorage", "CharStorage", "BoolStorage", "UntypedStorage")
    tensors = {kind: tensor(storage(kind, "0", len(outer)), (1,), (1,)) for kind in kinds}
    tensors["inner"] = tensor(storage("ByteStorage", "1", 400), (1,), (1,))
    write(file, mapping(tensors), {})
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("archive/data/0", outer)
        inner.header_offset = archive.getinfo("archive/data/0").header_offset + 30 + len("archive/data/0")
        archive.filelist.append(inner)
        archive.NameToInfo[inner.filename] = inner
    refused(file, "so that they overlap")


def test_the_byte_order_of_another_machine_is_refused(file: Path) -> None:
    for order in (b"big", b"little\n", b""):
        write(file, mapping({"a": tensor(OF_NUMBERS, (2,), (1,))}), {"0": NUMBERS.tobytes()}, byteorder=order)
        refused(file, "little-endian order")


# other files


def test_what_else_a_file_may_be(file: Path) -> None:
    for content, message in (
        (b"", "it is empty"),
        (pickle.dumps({"a": [1.0]}), r"as torch\.save wrote it before PyTorch 1\.6.*Save it anew"),
        (b"hello" * 20, "something else"),
        (b"PK\3\4" + bytes(100), "damaged, truncated or something else"),
    ):
        file.write_bytes(content)
        refused(file, message)
    write(file, mapping({"a": integer(1)}), {})
    refused(file, "a state dict of tensors, or one under state_dict, model_state_dict, model, but 'a' is 1")
    write(file, tensor(OF_NUMBERS, (2,), (1,)), {"0": NUMBERS.tobytes()})
    refused(file, "but it holds a tensor")
    write(file, mapping({}), {}, **{"constants.pkl": BEGIN + b")" + END})
    refused(file, "a program of TorchScript")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "hello")
    refused(file, "one data.pkl")


def test_damage_is_found_or_does_not_matter(file: Path) -> None:
    write(file, mapping({"a": tensor(OF_NUMBERS, (3, 4), (4, 1))}), {"0": NUMBERS.tobytes()})
    whole, found = file.read_bytes(), 0
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        refused(file, "")
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x41
        file.write_bytes(damaged)
        try:
            np.testing.assert_array_equal(load_state(file)["a"], NUMBERS.reshape(3, 4))
        except StateFileError:
            found += 1
    assert found > len(whole) // 2


# beside PyTorch


def test_what_pytorch_saves(file: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch writes the files here")
    values = {
        "float": torch.randn(2, 3), "double": torch.randn(2).double(), "half": torch.randn(3).half(),
        "brain": torch.randn(3, 4).bfloat16(), "turned": torch.randn(4, 5).t(), "part": torch.randn(10)[2:5],
        "none": torch.zeros(0, 3), "one": torch.tensor(3.5), "long": torch.arange(4),
        "bool": torch.tensor([True, False]), "byte": torch.arange(3, dtype=torch.uint8),
        "parameter": torch.nn.Parameter(torch.randn(2)),
        "last": torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
    }  # fmt: skip
    torch.save(values, file)
    found = load_state(file)
    assert list(found) == list(values)
    for name, value in values.items():
        expected = (value.float() if value.dtype == torch.bfloat16 else value).detach().numpy()
        assert found[name].dtype == expected.dtype, name
        np.testing.assert_array_equal(found[name], expected, err_msg=name)


def test_a_network_of_pytorch_in_its_forms(file: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch writes the files here")
    theirs = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    ours = Sequential(Conv2d(3, 4, 3), BatchNorm2d(4))
    torch.save({"epoch": 3, "state_dict": torch.nn.DataParallel(theirs).state_dict()}, file)
    assert ours.load_state_dict(load_state(file)) == ((), ())
    np.testing.assert_array_equal(ours[0].weight.data, theirs[0].weight.detach().numpy())
    torch.save(theirs.state_dict(), file, _use_new_zipfile_serialization=False)
    refused(file, "before PyTorch 1.6")
    torch.save(theirs, file)
    refused(file, r"asks for 'torch\.nn\.modules\.container\.Sequential'")


def test_safetensors_of_bfloat16(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch writes the files here")
    package = pytest.importorskip("safetensors.torch", reason="an extra")
    values = torch.randn(3, 5).bfloat16()
    package.save_file({"a": values}, tmp_path / "a.safetensors")
    found = load_state(tmp_path / "a.safetensors")["a"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values.float().numpy())
