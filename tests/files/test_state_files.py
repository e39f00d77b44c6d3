"""Weights in files: what comes back, and what is refused."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import run

import fastconv.layers.state as state_module
from fastconv import files
from fastconv.errors import StateFileError
from fastconv.files import check_writable, remove_partial, write_whole
from fastconv.layers import Conv2d, Flatten, Linear, Sequential, load_state, save_state
from fastconv.validation import archives

SUFFIXES = ("npz", "safetensors")

# Every dtype that a state may have, an empty array, one number, other strides, and names that trip up np.savez.
STATE: dict[str, Any] = {
    "file": np.arange(6.0).reshape(2, 3).T,
    "0.body.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4)[:, ::-1],
    "half": np.array([1.5, np.inf, np.nan], np.float16),
    "counter": np.int64(7),
    "empty": np.zeros((0, 3), np.float32),
    "mask": np.array([True, False]),
    "swapped": np.array([1.0, 2.0], ">f4"),
    "größe.npy": np.ones(2, np.float32),
}


def needs(suffix: str) -> None:
    if suffix == "safetensors":
        pytest.importorskip("safetensors", reason="an extra")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_becomes_shorter_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    needs(suffix)
    file = tmp_path / f"weights.{suffix}"
    save_state({"a": np.zeros(70_000), "b": np.ones(70_000)}, file)
    fill = files.fill

    def cut(stream: Any, buffer: Any) -> int:
        os.truncate(file, 600_000)
        return fill(stream, buffer)

    for module in (state_module, archives):
        monkeypatch.setattr(module, "fill", cut)
    with pytest.raises(StateFileError, match=rf"weights\.{suffix} must be a whole"):
        load_state(file)


def test_entries_that_lie_in_each_other(tmp_path: Path) -> None:
    """Small archives of many such entries can unpack to the square of what they have."""
    inner, outer = tmp_path / "inner.npz", tmp_path / "nested.npz"
    np.savez(inner, b=np.zeros(20))
    with zipfile.ZipFile(inner) as archive:
        entry = archive.getinfo("b.npy")
    np.savez(outer, a=np.frombuffer(inner.read_bytes(), np.uint8))
    assert len(load_state(outer)) == 1
    entry.header_offset = outer.read_bytes().rindex(b"PK\3\4")
    with zipfile.ZipFile(outer, "a") as archive:
        archive.filelist.append(entry)
        archive._didModify = True  # type: ignore[attr-defined]
    with pytest.raises(StateFileError, match=r"nested\.npz must be a whole .*so that they overlap"):
        load_state(outer)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes as POSIX has them")
def test_the_metadata_of_a_pipe(tmp_path: Path) -> None:
    needs("safetensors")
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(
        StateFileError, match=r"read: .*pipe\.safetensors must be a regular file, but it is a named pipe"
    ):
        state_module.read_metadata("read", tmp_path / "pipe.safetensors")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_was_saved_comes_back(tmp_path: Path, suffix: str) -> None:
    needs(suffix)
    file = tmp_path / f"state.{suffix}"
    save_state(STATE, file)
    loaded = load_state(str(file))
    assert set(loaded) == set(STATE)
    for name, value in STATE.items():
        wanted = np.asarray(value)
        assert loaded[name].dtype == wanted.dtype.newbyteorder("=")
        np.testing.assert_array_equal(loaded[name], wanted)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_network_comes_back_bitwise(tmp_path: Path, suffix: str) -> None:
    needs(suffix)

    def network(seed: int) -> Sequential:
        return Sequential(Conv2d(1, 3, (3, 2), rng=seed), Flatten(), Linear(3 * 4 * 4, 5, bias=False, rng=seed + 1))

    one, other = network(0), network(7)
    save_state(one, tmp_path / f"net.{suffix}")
    other.load_state_dict(load_state(tmp_path / f"net.{suffix}"))
    x = np.random.default_rng(0).standard_normal((2, 1, 6, 5)).astype(np.float32)
    np.testing.assert_array_equal(one(x), other(x))


def test_a_file_of_numpy_can_be_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "packed.npz", **{"0.weight": np.arange(5.0)})
    assert load_state(tmp_path / "packed.npz")["0.weight"].tolist() == [0, 1, 2, 3, 4]


def test_equal_weights_give_equal_files(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        save_state(STATE, tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_truncated_file_is_refused(tmp_path: Path, suffix: str) -> None:
    needs(suffix)
    file = tmp_path / f"state.{suffix}"
    save_state({"weight": np.arange(5.0), "bias": np.ones(2, np.float32)}, file)
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(StateFileError, match=rf"load_state: .*state\.{suffix} must be a whole .*, but"):
            load_state(file)


def test_a_damaged_byte_is_found_or_does_not_matter(tmp_path: Path) -> None:
    file, state = tmp_path / "state.npz", {"weight": np.arange(5.0), "bias": np.ones(2, np.float32)}
    save_state(state, file)
    whole, refused = file.read_bytes(), 0
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0x41
        file.write_bytes(damaged)
        try:
            loaded = load_state(file)
        except StateFileError:
            refused += 1
            continue
        for name, value in state.items():
            np.testing.assert_array_equal(loaded[name], value)
    assert refused > len(whole) // 2


def test_foreign_files_are_named_for_what_they_are(tmp_path: Path) -> None:
    file = tmp_path / "weights.npz"
    np.savez(file, weight=np.array([{"a": 1}], dtype=object))
    with pytest.raises(StateFileError, match=r"weights\.npz must be a whole \.npz archive.*Object arrays"):
        load_state(file)
    for content, words in (
        (b"", "it is empty"),
        (b"hello" * 20, "something else"),
        (pickle.dumps({"weight": [1.0]}), "it is a pickle"),
    ):
        file.write_bytes(content)
        with pytest.raises(StateFileError, match=words):
            load_state(file)
    with file.open("wb") as stream:
        np.save(stream, np.ones(3))
    with pytest.raises(StateFileError, match="a single array"):
        load_state(file)
    import zipfile

    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(StateFileError, match=r"readme\.txt is something else"):
        load_state(file)


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    class Dangerous:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    np.savez(tmp_path / "bad.npz", weight=np.array([Dangerous()], dtype=object))
    (tmp_path / "plain.npz").write_bytes(pickle.dumps(Dangerous()))
    for name in ("bad.npz", "plain.npz"):
        with pytest.raises(StateFileError):
            load_state(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_what_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"save_state: path must end in \.npz or \.safetensors, but got .*w\.pt'"):
        save_state({}, tmp_path / "w.pt")
    with pytest.raises(ValueError, match=r"load_state: path must end in \.npz or \.safetensors or \.pt or \.pth"):
        load_state(tmp_path / "w.bin")
    with pytest.raises(TypeError, match="path must be a string or a path, but got 3"):
        load_state(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="weight must be real numbers, but got object"):
        save_state({"weight": np.array([{}], dtype=object)}, tmp_path / "w.npz")
    with pytest.raises(TypeError, match="weight must be real numbers, but got complex128"):
        save_state({"weight": np.ones(2) * 1j}, tmp_path / "w.npz")
    with pytest.raises(TypeError, match="every name in state must be a non-empty string, but got 3"):
        save_state({3: np.ones(2)}, tmp_path / "w.npz")  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="state must be a mapping of names to arrays"):
        save_state([np.ones(2)], tmp_path / "w.npz")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_folders_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        load_state(tmp_path / "missing.npz")
    assert str(raised.value.filename).endswith("missing.npz")
    with pytest.raises(FileNotFoundError) as raised:
        save_state(STATE, tmp_path / "nowhere" / "w.npz")
    assert raised.value.filename == str(tmp_path / "nowhere" / "w.npz")


def test_without_safetensors_the_extra_is_named(tmp_path: Path) -> None:
    message = run(
        """
        import numpy as np
        from fastconv.layers import load_state, save_state
        for attempt in (lambda: save_state({"a": np.ones(2)}, "w.safetensors"), lambda: load_state("w.safetensors")):
            try:
                attempt()
            except ImportError as error:
                print(error)
        """,
        blocked=("safetensors",),
    )
    assert message.count('pip install "fastconv[safetensors]"') == 2


def test_files_of_the_package_safetensors_are_the_same(tmp_path: Path) -> None:
    package = pytest.importorskip("safetensors.numpy", reason="an extra")
    weights = {"0.weight": np.arange(6, dtype=np.float32).reshape(2, 3)}
    save_state(weights, tmp_path / "ours.safetensors")
    np.testing.assert_array_equal(package.load_file(tmp_path / "ours.safetensors")["0.weight"], weights["0.weight"])
    package.save_file(weights, tmp_path / "theirs.safetensors")
    np.testing.assert_array_equal(load_state(tmp_path / "theirs.safetensors")["0.weight"], weights["0.weight"])


# files that are written whole or not at all


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "w.npz"
    save_state({"a": np.zeros(3)}, file)

    def full(entry: Any, array: Any, **options: Any) -> None:
        entry.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state_module.np.lib.format, "write_array", full)
    with pytest.raises(OSError, match="No space left"):
        save_state({"a": np.ones(3)}, file)
    monkeypatch.undo()
    assert load_state(file)["a"].tolist() == [0, 0, 0]
    assert list(tmp_path.iterdir()) == [file]


def test_what_a_killed_process_left_does_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "w.npz"
    (tmp_path / f".w.npz.{os.getpid()}-abc.part").write_bytes(b"half")
    (tmp_path / f".w.npz.{os.getpid()}.part").write_bytes(b"half")
    (tmp_path / ".other.npz.1.part").write_bytes(b"somebody else's")
    check_writable(file)
    write_whole(file, lambda stream: stream.write(b"whole"))
    remove_partial(file)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.npz.1.part", "w.npz"]
