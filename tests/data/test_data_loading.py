"""One door to all datasets, and those that are embedded."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import write_cifar, write_cifar_archive, write_mnist

from fastconv.data import DATASETS, load, load_digits, load_sample_photographs
from fastconv.errors import DataError, DataNotFoundError, InvalidTypeError, InvalidValueError

Array = np.ndarray


def write_npz(file: Path) -> Path:
    np.savez(file, images=np.zeros((20, 1, 4, 6), np.uint8), labels=np.arange(20) % 2)
    return file


def write_images(file: Path, count: int = 5) -> Path:
    Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for name in ("cat", "dog"):
        (file / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (6, 4), (number, 0, 0)).save(file / name / f"{number}.png")
    return file


def zipped(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, file.relative_to(folder))
    return path


# by name


def test_the_names() -> None:
    assert DATASETS == ("digits", "mnist", "cifar10")


def test_digits() -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    train, test = load("digits")
    assert (len(train), len(test)) == (1438, 359)
    assert train.image_shape == (1, 8, 8)
    assert train.images.dtype == np.float32
    assert (train.name, test.name) == ("digits train", "digits test")
    original = datasets.load_digits()
    known = {image.tobytes(): label for image, label in zip(original.images.astype(np.float32) / 16, original.target)}
    for part in (train, test):
        assert all(known[image.tobytes()] == label for image, label in zip(part.images, part.labels))
    seen = [image.tobytes() for part in (train, test) for image in part.images]
    assert sorted(seen) == sorted((original.images.astype(np.float32) / 16)[n].tobytes() for n in range(1797))
    counts = np.bincount(original.target)
    assert np.bincount(train.labels).tolist() == [round(0.8 * count) for count in counts.tolist()]


def test_the_parts_of_digits_come_from_the_seed() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    first, again, other = load("digits"), load_digits(seed=0), load("digits", seed=1)
    np.testing.assert_array_equal(first.test.images, again.test.images)
    assert not np.array_equal(first.test.images, other.test.images)
    assert len(load("digits", test_fraction=0.5).test) == len(load_digits(test_fraction=0.5).test) == 899


def test_sample_photographs() -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    pytest.importorskip("PIL", reason="Pillow is not installed")
    photographs = load_sample_photographs()
    assert photographs.images.shape == (2, 3, 427, 640)
    assert photographs.classes == ("china", "flower")
    np.testing.assert_array_equal(photographs.images[1].transpose(1, 2, 0), datasets.load_sample_image("flower.jpg"))


@pytest.mark.parametrize("call", [load_digits, load_sample_photographs])
def test_without_scikit_learn_the_extra_is_named(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r'scikit-learn.* must be installed.*pip install "fastconv\[data\]"'):
        call()


def test_names_with_a_folder(tmp_path: Path) -> None:
    write_mnist(tmp_path / "m")
    write_cifar(tmp_path / "c")
    assert load("mnist", folder=tmp_path / "m").train.name == "mnist train"
    assert load("cifar10", folder=str(tmp_path / "c")).test.name == "cifar10 test"


# by path


@pytest.mark.parametrize("kind", ["mnist", "cifar10", "cifar10 above", "cifar10 archive", "npz", "images", "zip"])
def test_the_content_says_what_it_is(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "data"
    if kind == "mnist":
        write_mnist(path, packed=False)
    elif kind.startswith("cifar10"):
        path.mkdir()
        if kind == "cifar10 archive":
            path = write_cifar_archive(path / "with another name")
        else:
            write_cifar(path / ("cifar-10-batches-py" if kind.endswith("above") else ""))
    elif kind == "npz":
        path = write_npz(tmp_path / "data.npz").rename(tmp_path / "data")
    else:
        path = write_images(path)
        path = zipped(path) if kind == "zip" else path
    expected = {"mnist": "mnist", "cifar10": "cifar10"}.get(kind.split()[0], "data")
    train, test = load(path)
    assert (train.name, test.name) == (f"{expected} train", f"{expected} test")
    assert len(train) > len(test) > 0
    assert repr(load(str(path))) == repr(load(path))


def test_a_test_part_is_held_out_where_there_is_none(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "data.npz")
    train, test = load(path)
    assert (len(train), np.bincount(test.labels).tolist()) == (16, [2, 2])
    assert len(load(path, test_fraction=0.5).test) == 10
    assert len(load(path, test_fraction=0.0).test) == 0
    images = write_images(tmp_path / "images", 30)
    first, again, other = (load(images, seed=seed).test.images for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_options_reach_the_reader(tmp_path: Path) -> None:
    path = write_images(tmp_path / "images")
    reports: list[Any] = []
    train = load(path, size=(3, 5), color="gray", progress=lambda *report: reports.append(report)).train
    assert train.image_shape == (1, 3, 5)
    assert reports[-1] == ("reading 10 images", 1.0)
    ambiguous = tmp_path / "data.npz"
    np.savez(ambiguous, images=np.zeros((10, 3, 4, 1), np.uint8), labels=[0] * 10)
    assert load(ambiguous, layout="NHWC").train.image_shape == (1, 3, 4)


# what is refused


def test_what_is_not_recognised(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"one of digits, mnist, cifar10, or the path of.*but got 'minst'"):
        load("minst")
    with pytest.raises(InvalidTypeError, match="path must be a string or a path, but got 3"):
        load(3)  # type: ignore[arg-type]
    file = tmp_path / "notes.txt"
    file.write_text("words", encoding="ascii")
    with pytest.raises(DataError, match=r"notes.txt must be a folder with the files of MNIST.*none of them"):
        load(file)
    with pytest.raises(DataNotFoundError, match=r"but there is notes.txt"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["data.npz", "data.zip", "data.tar.gz"])
def test_a_damaged_file_is_judged_by_the_reader_of_its_name(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"damaged")
    with pytest.raises(DataError, match=rf"{name} must be an? .*archive"):
        load(file)


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("digits", {"download": True}, "download must not be given for 'digits'"),
        ("digits", {"folder": "."}, "folder must not be given for 'digits'"),
        ("mnist", {"size": 8}, "size must not be given for 'mnist', which takes base_url, download, progress"),
        ("cifar10", {"layout": "NHWC"}, "layout must not be given for 'cifar10'"),
        ("data.npz", {"color": "gray"}, "color must not be given for 'npz', which takes layout"),
        ("data.npz", {"folder": "."}, "folder must not be given.*has its path already"),
    ],
)
def test_options_that_do_not_belong(tmp_path: Path, target: str, options: dict[str, Any], message: str) -> None:
    write_npz(tmp_path / "data.npz")
    with pytest.raises(InvalidValueError, match=message):
        load(tmp_path / target if "." in target else target, **options)
