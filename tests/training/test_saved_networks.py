"""One file for a trained network: what goes in comes out, and whatever is wrong with a file is said with its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv.data import Dataset, Preprocessing
from fastconv.errors import FastconvError, InvalidTypeError, InvalidValueError, MemoryLimitError, StateFileError
from fastconv.layers import Flatten, Layer, Linear, Sequential, load_state, save_state
from fastconv.layers.state import read_arrays, read_metadata, write_arrays
from fastconv.models import Classifier, by_name
from fastconv.optim import SGD
from fastconv.training import Trainer, load_model, save_model

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 1, 8, 8), np.uint8)
DATA = Dataset(IMAGES, np.arange(12) % 3, ("cat", "dog", "owl"))
PREPARE = Preprocessing(size=8, mean=0.4, std=0.3, channels=1)


@pytest.fixture(autouse=True)
def numpy_backend() -> None:
    fc.set_backend("numpy")


def trained(model: Layer | None = None, **options: Any) -> Trainer:
    model = by_name("digits", classes=3, filters=2, rng=0) if model is None else model
    trainer = Trainer(model, SGD(model.parameters(), lr=0.01), **options)
    return trainer


def with_card(file: Path, **changes: Any) -> None:
    """Change what a file says about its network."""
    arrays, metadata = read_arrays("test", file), read_metadata("test", file)
    card = {**json.loads(metadata["fastconv"]), **changes}
    arrays["__metadata__"] = np.array(json.dumps({"fastconv": json.dumps(card)}).encode("ascii"))
    write_arrays(file, arrays)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_what_is_saved_comes_back(tmp_path: Path, suffix: str) -> None:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    trainer, file = trained(prepare=PREPARE), tmp_path / f"net{suffix}"
    trainer.fit(DATA, epochs=1)
    trainer.save(file)
    model = fc.load_model(file)
    assert isinstance(model, Classifier)
    assert (model.preprocessing, model.class_names) == (PREPARE, DATA.classes)
    assert repr(model.network) == repr(trainer.model)
    np.testing.assert_array_equal(model.scores(IMAGES), trainer.model.eval()(PREPARE(IMAGES)))
    np.testing.assert_equal(load_state(file), trainer.model.state_dict())  # weights alone, as ever
    save_model(model, tmp_path / f"again{suffix}")
    assert (tmp_path / f"again{suffix}").read_bytes() == file.read_bytes()


@pytest.mark.parametrize("name", ["last.npz", "best.npz"])
def test_a_checkpoint_is_a_network_too(tmp_path: Path, name: str) -> None:
    trainer = trained()
    trainer.fit(DATA, epochs=1, checkpoint=tmp_path)
    model = load_model(tmp_path / name)
    assert (model.preprocessing, model.class_names) == (Preprocessing(size=8, channels=1), DATA.classes)
    np.testing.assert_array_equal(model.scores(IMAGES), trainer.model.eval()(IMAGES / np.float32(255)))


def test_nothing_is_lost_of_a_network_of_somebody_s_own(tmp_path: Path) -> None:
    network, file = Sequential(Flatten(), Linear(64, 3, rng=0)), tmp_path / "net.npz"
    trainer = trained(network, prepare=PREPARE)
    trainer.fit(DATA, epochs=1)
    trainer.save(file)
    with pytest.raises(StateFileError, match=r"net\.npz has the weights of a network .* Pass the network .* model="):
        load_model(file)
    model = load_model(file, Sequential(Flatten(), Linear(64, 3, rng=1)))
    assert (model.preprocessing, model.class_names) == (PREPARE, DATA.classes)
    np.testing.assert_equal(model.state_dict(), network.state_dict())
    with pytest.raises(InvalidValueError, match="missing"):
        load_model(file, Linear(64, 3))
    with pytest.raises(InvalidTypeError, match="network must be a Layer"):
        load_model(file, "digits")  # type: ignore[arg-type]


def test_a_function_that_prepares_is_not_saved_and_can_be_replaced(tmp_path: Path) -> None:
    trainer, file = trained(prepare=lambda images: images / np.float32(255)), tmp_path / "net.npz"
    trainer.fit(DATA, epochs=1)
    trainer.save(file)
    assert load_model(file).preprocessing is None
    model = load_model(file, preprocessing=PREPARE, class_names=["A", "B", "C"])
    assert (model.preprocessing, model.class_names) == (PREPARE, ("A", "B", "C"))


def test_files_from_before_are_weights(tmp_path: Path) -> None:
    model, file = by_name("digits", rng=0), tmp_path / "old.npz"
    save_state(model, file)
    with pytest.raises(StateFileError, match=r"old\.npz has the weights of a network"):
        load_model(file)
    assert load_model(file, by_name("digits", rng=1)).class_names == ()
    trained().fit(DATA, epochs=1, checkpoint=tmp_path)
    arrays = read_arrays("test", tmp_path / "last.npz")
    about = json.loads(arrays["checkpoint"].item())
    del about["network"]
    write_arrays(tmp_path / "last.npz", {**arrays, "checkpoint": np.array(json.dumps(about).encode("ascii"))})
    assert load_model(tmp_path / "last.npz", by_name("digits", classes=3, filters=2)).preprocessing is None


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "another"},
        {"version": 2},
        {"class_names": None},
        {"class_names": [1]},
        {"architecture": "digits"},
        {"architecture": {"name": "no-such-network", "arguments": {}}},
        {"architecture": {"name": ["digits"], "arguments": {}}},
        {"architecture": {"name": "digits", "arguments": {"layers": 3}}},
        {"architecture": {"name": "digits", "arguments": {"rng": 3}}},
        {"architecture": {"name": "digits", "arguments": {"classes": 4, "filters": 2}}},
        {"architecture": {"name": "digits", "arguments": {"dtype": "O"}}},
        {"architecture": {"name": "digits", "arguments": {"dtype": {"dtype": "V"}}}},
        {"architecture": {"name": "digits", "arguments": {"input_shape": [1, -8, 8]}}},
        {"architecture": {"name": "digits", "arguments": {"input_shape": [1, 10**12, 10**12]}}},
        {"architecture": {"name": "digits", "arguments": {"classes": 10**6}}},
        {"architecture": {"name": "digits", "arguments": [1]}},
        {"preprocessing": 3},
        {"preprocessing": {"size": "large"}},
        {"preprocessing": {"colour": 1}},
    ],
)
def test_a_description_that_is_another_one_is_refused_by_name(tmp_path: Path, changes: dict[str, Any]) -> None:
    file = tmp_path / "net.npz"
    save_model(by_name("digits", classes=3, filters=2, rng=0), file)
    load_model(file)
    with_card(file, **changes)
    with pytest.raises((StateFileError, MemoryLimitError), match=r"load_model: .*net\.npz"):
        load_model(file)


def test_a_network_of_many_more_weights_than_the_file_has_is_not_made(tmp_path: Path) -> None:
    file = tmp_path / "net.npz"
    save_model(by_name("digits", classes=3, filters=2, rng=0), file)
    for arguments in ({"classes": 10**5}, {"filters": 10**4}):
        with_card(file, architecture={"name": "digits", "arguments": arguments})
        with pytest.raises(StateFileError, match=r"net\.npz must describe .*all weights together must have at most"):
            load_model(file)


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b'{"fastconv": 1}', b'{"fastconv": "{"}', b'{"fastconv": "[]"}'])
def test_metadata_that_is_none_is_refused_by_name(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "net.npz"
    save_state(by_name("digits", rng=0), file)
    write_arrays(file, {**read_arrays("test", file), "__metadata__": np.array(text or b"x")})
    with pytest.raises(StateFileError, match=r"load_model: .*net\.npz"):
        load_model(file)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "net.npz"
    save_model(by_name("digits", classes=3, filters=1, rng=0), file)
    content = file.read_bytes()
    for end in range(0, len(content), max(1, len(content) // 25)):
        file.write_bytes(content[:end])
        with pytest.raises(FastconvError, match=r"net\.npz"):
            load_model(file)


def test_what_cannot_be_saved_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidTypeError, match="save_model: model must be a Layer"):
        save_model({}, tmp_path / "net.npz")  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match=r"path must end in \.npz"):
        save_model(Linear(3, 2), tmp_path / "net.pkl")
    with pytest.raises(InvalidTypeError, match="metadata must be a mapping of text to text"):
        save_state({}, tmp_path / "net.npz", metadata={"version": 1})  # type: ignore[dict-item]
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_onnx_is_said_to_be_read_by_another_function() -> None:
    with pytest.raises(
        ValueError, match=r"load_model: net\.onnx must be a file of weights; fastconv\.onnx\.load reads"
    ):
        fc.load_model("net.onnx")
