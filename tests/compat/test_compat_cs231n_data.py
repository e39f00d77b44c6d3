"""The readers of CS231n: arrays of the course from small files, and from the real ones where they are."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import Malicious, cifar_batch, cifar_contents, pickled, write_cifar, write_cifar_archive
from strategies import Array

from fastconv.compat.cs231n import data_utils
from fastconv.data.download import data_folder
from fastconv.errors import DataError, DataNotFoundError, InvalidTypeError, InvalidValueError


def as_the_course_has_it(batch: dict[bytes, Any]) -> tuple[Array, Array]:
    """Pixel by pixel: a row has the red plane, the green one and the blue one."""
    rows = batch[b"data"]
    images = np.zeros((len(rows), 32, 32, 3))
    for number, row in enumerate(rows):
        for channel in range(3):
            plane = row[1024 * channel : 1024 * (channel + 1)]
            for y in range(32):
                images[number, y, :, channel] = plane[32 * y : 32 * (y + 1)]
    return images, np.array(batch[b"labels"])


def whole_set() -> tuple[Array, Array, Array, Array]:
    images, labels = zip(*(as_the_course_has_it(cifar_batch(number)) for number in range(1, 6)))
    return np.concatenate(images), np.concatenate(labels), *as_the_course_has_it(cifar_batch(6, 3))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_cifar(tmp_path / "cifar-10-batches-py")


def same(found: Any, expected: Any) -> None:
    for array, right in zip(found, expected, strict=True):
        np.testing.assert_array_equal(array, right)
        assert array.dtype == right.dtype


def test_one_batch(folder: Path) -> None:
    for file in (folder / "data_batch_2", str(folder / "data_batch_2")):
        same(data_utils.load_CIFAR_batch(file), as_the_course_has_it(cifar_batch(2)))


def test_all_batches(folder: Path) -> None:
    (folder / "batches.meta").unlink()  # the course does not look at it
    same(data_utils.load_CIFAR10(folder), whole_set())


def test_an_archive_and_the_folder_above_will_do(folder: Path) -> None:
    same(data_utils.load_CIFAR10(str(folder.parent)), whole_set())
    archive = write_cifar_archive(folder.parent / "elsewhere.tar.gz")
    same(data_utils.load_CIFAR10(archive), whole_set())


@pytest.mark.parametrize("subtract_mean", [True, False])
def test_what_the_networks_take(folder: Path, subtract_mean: bool) -> None:
    Xtr, ytr, Xte, yte = whole_set()
    X = {"train": Xtr[:13], "val": Xtr[13:18], "test": Xte[:2]}
    mean = np.mean(X["train"], axis=0)
    data = data_utils.get_CIFAR10_data(13, 5, 2, subtract_mean, cifar10_dir=folder)
    assert list(data) == ["X_train", "X_val", "X_test", "y_train", "y_val", "y_test"]
    for name, images in X.items():
        right = (images - mean if subtract_mean else images).transpose(0, 3, 1, 2)
        same([data[f"X_{name}"]], [right])
        assert data[f"X_{name}"].flags.c_contiguous
    same((data["y_train"], data["y_val"], data["y_test"]), (ytr[:13], ytr[13:18], yte[:2]))


def test_the_folder_by_default(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = folder.parent / "cs231n" / "datasets" / "cifar-10-batches-py"
    place.parent.mkdir(parents=True)
    folder.rename(place)
    monkeypatch.chdir(place.parents[2])
    assert data_utils.get_CIFAR10_data(num_training=15, num_validation=5, num_test=3)["X_val"].shape == (5, 3, 32, 32)
    with pytest.raises(InvalidValueError, match=r"num_training \+ num_validation must be at most 20, but got 50000"):
        data_utils.get_CIFAR10_data()
    with pytest.raises(InvalidValueError, match=r"get_CIFAR10_data: num_test must be at most 3, but got 1000"):
        data_utils.get_CIFAR10_data(15, 5)


def test_bad_numbers(folder: Path) -> None:
    for name, value in (("num_training", 0), ("num_validation", -1), ("num_test", -1)):
        with pytest.raises(InvalidValueError, match=f"get_CIFAR10_data: {name} must"):
            data_utils.get_CIFAR10_data(**{name: value}, cifar10_dir=folder)
    with pytest.raises(InvalidTypeError, match="num_training must be an integer"):
        data_utils.get_CIFAR10_data(4.0, 0, 0, cifar10_dir=folder)  # type: ignore[arg-type]
    assert data_utils.get_CIFAR10_data(2, 0, 0, cifar10_dir=folder)["X_test"].shape == (0, 3, 32, 32)


def test_missing_files_say_how_to_get_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    place = re.escape(str(Path("cs231n/datasets/cifar-10-batches-py")))
    with pytest.raises(
        DataNotFoundError, match=rf"get_CIFAR10_data: {place} must have .*fastconv.data.load_cifar10\(.*download=True\)"
    ):
        data_utils.get_CIFAR10_data()
    (folder / "data_batch_4").unlink()
    with pytest.raises(DataNotFoundError, match=r"load_CIFAR10: .*batches-py must have the batches .*download=True"):
        data_utils.load_CIFAR10(folder)
    with pytest.raises(FileNotFoundError, match="data_batch_4 must be a batch of CIFAR-10, but there is no such file"):
        data_utils.load_CIFAR_batch(folder / "data_batch_4")
    with pytest.raises(InvalidTypeError, match="path must be a string or a path"):
        data_utils.load_CIFAR10(None)  # type: ignore[arg-type]


def test_a_malicious_batch_runs_nothing(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    bad = pickled({"data": Malicious(os.system, f"touch {touched}"), "labels": []})
    folder = write_cifar(tmp_path / "cifar", cifar_contents(data_batch_3=bad))
    for load in (lambda: data_utils.load_CIFAR_batch(folder / "data_batch_3"), lambda: data_utils.load_CIFAR10(folder)):
        with pytest.raises(DataError, match=r"data_batch_3 must hold arrays.*asks for .*system, which is not allowed"):
            load()
    assert not touched.exists()


def test_the_real_files() -> None:
    """Where `FASTCONV_DATA` (or the cache folder of the user) has CIFAR-10 unpacked: the first labels are known."""
    file = data_folder() / "cifar10" / "cifar-10-batches-py" / "data_batch_1"
    if not file.is_file():
        pytest.skip("FASTCONV_DATA names no folder with cifar10/cifar-10-batches-py, which is not part of a checkout")
    X, y = data_utils.load_CIFAR_batch(file)
    assert y[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
    assert X[0, 0, 0].tolist() == [59.0, 62.0, 63.0]
    assert X.shape == (len(y), 32, 32, 3)


# Tiny ImageNet


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Two classes, with one gray image among those to be trained on."""
    image = pytest.importorskip("PIL.Image", reason="Pillow reads the images")
    rng = np.random.default_rng(0)

    def write(file: Path, shape: tuple[int, ...] = (64, 64, 3)) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(file, format="PNG")

    root = tmp_path / "tiny"
    for wnid, count in (("n02", 3), ("n01", 2)):
        for number in range(count):
            write(root / "train" / wnid / "images" / f"{wnid}_{number}.JPEG", (64, 64) if number == 1 else (64, 64, 3))
        boxes = "".join(f"{wnid}_{number}.JPEG\t0\t0\t9\t9\n" for number in range(count))
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text(boxes)
    for part, names in (("val", ("v1", "v0")), ("test", ("t1", "t0"))):
        for name in names:
            write(root / part / "images" / f"{name}.JPEG")
    (root / "wnids.txt").write_text("n02\nn01\n")
    (root / "words.txt").write_text("n01\tcat, house cat\nn02\tdog\nn03\tbird\n")
    (root / "val" / "val_annotations.txt").write_text("v1.JPEG\tn01\t0\t0\t9\t9\nv0.JPEG\tn02\t0\t0\t9\t9\n")
    return root


def pixels(root: Path, *names: str) -> Array:
    image = pytest.importorskip("PIL.Image", reason="Pillow reads the images")
    read = []
    for name in names:
        with image.open(root / name) as opened:
            read.append(np.array(opened.convert("RGB")))
    return np.stack(read).transpose(0, 3, 1, 2).astype(np.float32)


def test_tiny_imagenet(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = data_utils.load_tiny_imagenet(tiny, subtract_mean=False)
    names = [f"{wnid}_{number}" for wnid, count in (("n02", 3), ("n01", 2)) for number in range(count)]
    files = [f"train/{name[:3]}/images/{name}.JPEG" for name in names]
    np.testing.assert_array_equal(data["X_train"], pixels(tiny, *files))
    np.testing.assert_array_equal(data["X_val"], pixels(tiny, "val/images/v1.JPEG", "val/images/v0.JPEG"))
    np.testing.assert_array_equal(data["X_test"], pixels(tiny, "test/images/t0.JPEG", "test/images/t1.JPEG"))
    assert data["y_train"].tolist() == [0, 0, 0, 1, 1]
    assert (data["y_val"].tolist(), data["y_test"]) == ([1, 0], None)
    assert data["class_names"] == [["dog"], ["cat", "house cat"]]
    assert data["X_train"].dtype == np.float32
    np.testing.assert_array_equal(data["mean_image"], data["X_train"].mean(axis=0))
    (tiny / "test" / "test_annotations.txt").write_text("t1.JPEG\tn02\nt0.JPEG\tn01\n")
    again = data_utils.load_tiny_imagenet(str(tiny), np.float64)
    assert again["y_test"].tolist() == [1, 0]
    for name in ("X_train", "X_val", "X_test"):
        np.testing.assert_array_equal(again[name], data[name].astype(np.float64) - again["mean_image"])
    assert capsys.readouterr().out == ""  # a line for every twenty classes


def test_broken_tiny_imagenets(tiny: Path) -> None:
    load = data_utils.load_tiny_imagenet
    with pytest.raises(DataNotFoundError, match=r"load_tiny_imagenet: .*nowhere must be a folder with wnids.txt"):
        load(tiny / "nowhere")
    (tiny / "train" / "n01" / "images" / "n01_1.JPEG").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"n01_1.JPEG must be an image, but it cannot be read"):
        load(tiny)
    for kind in ("EPS", "TIFF"):  # for the first of which Pillow starts another program
        pytest.importorskip("PIL.Image").new("RGB", (64, 64)).save(
            tiny / "train" / "n01" / "images" / "n01_1.JPEG", format=kind
        )
        with pytest.raises(DataError, match=r"n01_1.JPEG must be an image, but it cannot be read .cannot identify"):
            load(tiny)
    pytest.importorskip("PIL.Image").new("RGB", (64, 60)).save(
        tiny / "train" / "n01" / "images" / "n01_1.JPEG", format="PNG"
    )
    with pytest.raises(DataError, match=r"n01_1.JPEG must have 64 x 64 pixels, but got \(60, 64\)"):
        load(tiny)
    (tiny / "train" / "n01" / "n01_boxes.txt").write_text("n01_0.JPEG\t0\t0\t1\t1\n")
    (tiny / "val" / "val_annotations.txt").write_text("v1.JPEG\tn07\n")
    with pytest.raises(DataError, match=r"val must have classes of wnids.txt alone, but got 'n07'"):
        load(tiny)
    (tiny / "words.txt").unlink()
    with pytest.raises(DataNotFoundError, match=r"words.txt must be there, but there is no such file"):
        load(tiny)
