"""Folders and zip archives of images by class."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastconv.data import load_image_folder, trees
from fastconv.errors import DataError, DataNotFoundError, InvalidTypeError, InvalidValueError

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

Array = np.ndarray
LOSSLESS = ("png", "bmp", "ppm")


def pixels(seed: int, shape: tuple[int, ...] = (4, 6, 3)) -> Array:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def encoded(picture: Array | Any, form: str = "png") -> bytes:
    stream = io.BytesIO()
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    image.save(stream, format={"jpg": "jpeg"}.get(form, form))
    return stream.getvalue()


def stored_in(folder: Path, files: dict[str, bytes], kind: str = "folder") -> Path:
    """Write files as a folder or as a zip archive."""
    if kind == "zip":
        path = folder / "images.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    path = folder / "images"
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


BOTH = pytest.mark.parametrize("kind", ["folder", "zip"])


@BOTH
@pytest.mark.parametrize("wrapper", ["", "all/of/it/"])
def test_classes_are_folders(tmp_path: Path, kind: str, wrapper: str) -> None:
    files = {"dog/1.png": pixels(0), "cat/b.png": pixels(1), "cat/a.PNG": pixels(2)}
    path = stored_in(tmp_path, {wrapper + name: encoded(picture) for name, picture in files.items()}, kind)
    train, test = load_image_folder(path)
    expected = np.stack([pixels(2), pixels(1), pixels(0)]).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(train.images, expected)
    assert train.images.dtype == np.uint8
    assert train.images.flags.c_contiguous
    assert train.labels.tolist() == [0, 0, 1]
    assert train.classes == ("cat", "dog")
    assert (train.name, test.name, len(test)) == ("images train", "images test", 0)


@BOTH
def test_train_and_test(tmp_path: Path, kind: str) -> None:
    files = {
        "train/cat/1.png": 0,
        "train/dog/1.png": 1,
        "test/dog/1.png": 2,
        "README.txt": None,
        "train/notes.md": None,
    }
    contents = {name: b"words" if seed is None else encoded(pixels(seed)) for name, seed in files.items()}
    train, test = load_image_folder(stored_in(tmp_path, contents, kind))
    assert (train.labels.tolist(), test.labels.tolist()) == ([0, 1], [1])
    np.testing.assert_array_equal(test.images[0], pixels(2).transpose(2, 0, 1))
    assert test.classes == ("cat", "dog")


def test_numbers_are_in_their_order(tmp_path: Path) -> None:
    path = stored_in(tmp_path, {f"{number}/1.png": encoded(pixels(number)) for number in (10, 2, 0)})
    train = load_image_folder(path).train
    assert train.classes == ("0", "2", "10")
    np.testing.assert_array_equal(train.images[train.labels == 2][0], pixels(10).transpose(2, 0, 1))


@pytest.mark.parametrize("form", ["png", "jpg", "jpeg", "bmp", "gif", "ppm", "webp"])
def test_formats(tmp_path: Path, form: str) -> None:
    from PIL import features

    if form == "webp" and not features.check("webp"):
        pytest.skip("Pillow was built without WebP")
    content = encoded(Image.new("RGB", (6, 4), (255, 0, 0)), form)
    images = load_image_folder(stored_in(tmp_path, {f"red/1.{form}": content})).train.images
    assert images.shape == (1, 3, 4, 6)
    red, green, blue = images[0].astype(int)
    assert (red > 200).all()
    assert (green < 50).all()
    assert (blue < 50).all()
    if form in LOSSLESS:
        assert (images[0, 0] == 255).all()


def test_many_files_in_many_threads_keep_their_order(tmp_path: Path) -> None:
    files = {f"{n % 3}/{n:04}.png": encoded(np.full((2, 3), n % 256, np.uint8)) for n in range(700)}
    reports: list[tuple[str, float]] = []
    path = stored_in(tmp_path, files, "zip")
    train = load_image_folder(path, threads=4, progress=lambda *report: reports.append(report)).train
    expected = [n % 256 for label in range(3) for n in range(700) if n % 3 == label]
    assert train.images[:, 0, 0, 0].tolist() == expected
    assert reports[-1] == ("reading 700 images", 1.0)
    assert [fraction for _, fraction in reports] == sorted(fraction for _, fraction in reports)
    np.testing.assert_array_equal(load_image_folder(path, threads=1).train.images, train.images)


# colours


def test_gray_images_have_one_channel(tmp_path: Path) -> None:
    gray = pixels(0, (4, 6))
    path = stored_in(tmp_path, {"a/1.png": encoded(gray), "a/2.png": encoded(Image.fromarray(gray > 99))})
    images = load_image_folder(path).train.images
    np.testing.assert_array_equal(images[:, 0], [gray, np.where(gray > 99, 255, 0)])
    rgb = load_image_folder(path, color="rgb").train.images
    np.testing.assert_array_equal(rgb, np.repeat(images, 3, axis=1))


@pytest.mark.parametrize("first_is_gray", [True, False])
def test_one_colour_image_makes_all_have_three_channels(tmp_path: Path, first_is_gray: bool) -> None:
    gray, colour = pixels(0, (4, 6)), pixels(1)
    order = [gray, colour] if first_is_gray else [colour, gray]
    path = stored_in(tmp_path, {f"a/{n}.png": encoded(picture) for n, picture in enumerate(order)})
    expected = [np.repeat(gray[None], 3, 0), colour.transpose(2, 0, 1)]
    np.testing.assert_array_equal(load_image_folder(path).train.images, expected if first_is_gray else expected[::-1])
    assert load_image_folder(path, color="gray").train.images.shape == (2, 1, 4, 6)


def test_transparency_is_dropped(tmp_path: Path) -> None:
    colour = pixels(1)
    see_through = np.concatenate([colour, pixels(2, (4, 6, 1))], axis=2)
    palette = Image.fromarray(colour).quantize(8)
    with_transparency = io.BytesIO()
    palette.save(with_transparency, format="png", transparency=bytes(range(8)))
    files = {"a/1.png": encoded(see_through), "a/2.png": with_transparency.getvalue()}
    images = load_image_folder(stored_in(tmp_path, files)).train.images
    np.testing.assert_array_equal(images[0], colour.transpose(2, 0, 1))
    np.testing.assert_array_equal(images[1], np.asarray(palette.convert("RGB")).transpose(2, 0, 1))


# sizes


def test_mixed_sizes_name_two_files(tmp_path: Path) -> None:
    path = stored_in(tmp_path, {"a/1.png": encoded(pixels(0)), "b/2.png": encoded(pixels(0, (5, 6, 3)))})
    message = r"same size \(H x W\), but a/1.png has 4x6 and b/2.png 5x6. Pass size=\(4, 6\)"
    with pytest.raises(DataError, match=message):
        load_image_folder(path)


def test_resizing(tmp_path: Path) -> None:
    ramp = np.repeat(np.arange(0, 240, 10, dtype=np.uint8)[None], 8, axis=0)  # (8, 24)
    path = stored_in(tmp_path, {"a/1.png": encoded(ramp), "b/2.png": encoded(pixels(0, (5, 6)))})
    images = load_image_folder(path, size=(4, 12)).train.images
    assert images.shape == (2, 1, 4, 12)
    middle = (ramp[::2, ::2].astype(int) + ramp[::2, 1::2]) // 2  # a ramp stays one
    assert np.abs(images[0, 0, :, 1:-1].astype(int) - middle[:, 1:-1]).max() <= 1
    assert load_image_folder(path, size=3).train.images.shape == (2, 1, 3, 3)


# what file managers leave, and links


@BOTH
def test_hidden_files_are_passed_over(tmp_path: Path, kind: str) -> None:
    names = ("cat/.DS_Store", "__MACOSX/cat/._1.png", "cat/Thumbs.db", ".git/config", ".DS_Store", "desktop.ini")
    files = {"cat/1.png": encoded(pixels(0)), **dict.fromkeys(names, b"?")}
    assert len(load_image_folder(stored_in(tmp_path, files, kind)).train) == 1


def test_links_are_followed_and_circles_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stored_in(tmp_path, {"cat/1.png": encoded(pixels(0))})
    try:
        (path / "dog").symlink_to(path / "cat", target_is_directory=True)
    except OSError:
        pytest.skip("no links here")
    assert load_image_folder(path).train.classes == ("cat", "dog")
    (path / ".hidden").symlink_to(path, target_is_directory=True)
    assert load_image_folder(path).train.classes == ("cat", "dog")
    for place in (path / "again", path / "cat" / "again"):
        place.symlink_to(path, target_is_directory=True)
        with pytest.raises(DataError, match=r"links in .* must not go round in circles, but .*again does"):
            load_image_folder(path)
        place.unlink()
    for name in "abcdefgh":  # two folders of links to each other: eight to the fourth
        (tmp_path / "other").mkdir(exist_ok=True)
        (path / name).symlink_to(tmp_path / "other", target_is_directory=True)
        (tmp_path / "other" / name).symlink_to(path, target_is_directory=True)
    monkeypatch.setattr(trees, "_MOST_FOLDERS", 1000)
    with pytest.raises(DataError, match=r"must have at most 1000 folders, but got more. Do links"):
        load_image_folder(path)


# what is refused


GOOD = {"cat/1.png": encoded(pixels(0))}


@BOTH
@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"cat/2.png": b""}, r"cat/2.png must be an image.*damaged, truncated"),
        ({"cat/2.jpg": encoded(pixels(0, (64, 64, 3)), "jpg")[:900]}, r"cat/2.jpg must be an image.*truncated"),
        ({"cat/2.png": encoded(pixels(0))[:60]}, r"cat/2.png must be an image.*damaged, truncated"),
        ({"cat/2.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 4\n"}, r"cat/2.png must be an image"),
        ({"cat/notes.txt": b"words"}, r"cat/notes.txt must be an image \(.png, .*its name says otherwise"),
        (
            {"cat/deep.png": encoded(Image.fromarray(np.zeros((4, 6), np.uint16)))},
            "deep.png must have 8 bits.*mode I;16",
        ),
        ({"3.png": encoded(pixels(0))}, "must be <class>/<image>.*but there is 3.png"),
        ({"dog/more/3.png": encoded(pixels(0))}, "must be <class>/<image>.*but there is dog/more/3.png"),
        ({"train/cat/3.png": encoded(pixels(0))}, "must be <class>/<image>.*but there is cat/1.png"),
    ],
)
def test_broken_and_misplaced_files(tmp_path: Path, kind: str, files: dict[str, bytes], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load_image_folder(stored_in(tmp_path, {**GOOD, **files}, kind))
    assert "images" in str(caught.value)


def test_the_folder_of_a_class_without_an_image(tmp_path: Path) -> None:
    """It would be missing among the classes, and the network would have one output less."""
    path = stored_in(tmp_path, {"train/cat/1.png": encoded(pixels(0)), "train/dog/2.png": encoded(pixels(1))})
    (path / "train" / ".cache").mkdir()
    (path / "notes").mkdir()
    assert load_image_folder(path).train.classes == ("cat", "dog")
    (path / "train" / "bird").mkdir()
    (path / "train" / "bird" / "Thumbs.db").touch()
    with pytest.raises(DataError, match=r"every class must hold an image, but .*train.bird holds none\. Remove it"):
        load_image_folder(path)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("cat/1.png", encoded(pixels(0)))
        archive.writestr("dog/", b"")
    with pytest.raises(DataError, match=r"every class must hold an image, but .*a\.zip:dog holds none"):
        load_image_folder(tmp_path / "a.zip")


@BOTH
@pytest.mark.parametrize(
    ("files", "kind_of_error", "message"),
    [
        (
            {"train/cat/1.png": 0, "test/dog/1.png": 1},
            DataError,
            r"test .*must be in train, but dog is not \(train has cat",
        ),
        ({"train/cat/1.png": 0, "val/cat/1.png": 1}, DataError, "there is val/cat/1.png"),
        ({"test/cat/1.png": 0}, DataError, "must hold train/<class>/<image>, but there is only test/"),
        (
            {"notes.txt": 0, "data.csv": 0},
            DataNotFoundError,
            r"must hold images \(.png.*but there is data.csv, notes.txt",
        ),
    ],
)
def test_folders_in_another_arrangement(
    tmp_path: Path, kind: str, files: dict[str, int], kind_of_error: type[Exception], message: str
) -> None:
    contents = {name: encoded(pixels(seed)) for name, seed in files.items()}
    with pytest.raises(kind_of_error, match=message):
        load_image_folder(stored_in(tmp_path, contents, kind))


@pytest.mark.parametrize("name", ["../cat/1.png", "/cat/1.png", "..\\cat\\1.png", "cat/../../1.png"])
def test_an_archive_cannot_reach_outside(tmp_path: Path, name: str) -> None:
    path = stored_in(tmp_path, {**GOOD, name: encoded(pixels(0))}, "zip")
    before = sorted(tmp_path.parent.rglob("*"))
    with pytest.raises(DataError, match="must stay inside of it, but there is"):
        load_image_folder(path)
    assert sorted(tmp_path.parent.rglob("*")) == before


def archive_with(change: Any) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("cat/1.png", encoded(pixels(0)))
    return bytes(change(bytearray(stream.getvalue())))


def _flip_pixel(content: bytearray) -> bytearray:
    content[80] ^= 255  # inside of the image: the CRC of the archive does not agree any more
    return content


def _encrypt(content: bytearray) -> bytearray:
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return content


def _unknown_method(content: bytearray) -> bytearray:
    content[8] = 99
    content[content.index(b"PK\x01\x02") + 10] = 99
    return content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: b"", "must be a zip archive, but it is damaged"),
        (lambda content: content[:-30], "must be a zip archive, but it is damaged"),
        (_flip_pixel, r"broken.zip:cat/1.png must be an image.*(CRC|header)"),
        (_encrypt, r"broken.zip:cat/1.png must be an image.*(encrypted|password)"),
        (_unknown_method, r"broken.zip:cat/1.png must be an image.*compression"),
    ],
)
def test_broken_archives(tmp_path: Path, change: Any, message: str) -> None:
    file = tmp_path / "broken.zip"
    file.write_bytes(archive_with(change))
    with pytest.raises(DataError, match=message):
        load_image_folder(file)


def test_a_member_that_is_far_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastconv.data.trees._LARGEST", 20)
    with pytest.raises(DataError, match=r"images.zip:cat/1.png must have at most 20 bytes, but got \d+"):
        load_image_folder(stored_in(tmp_path, GOOD, "zip"))


def test_the_first_broken_file_is_the_one_that_is_named(tmp_path: Path) -> None:
    files = {f"cat/{n:04}.png": encoded(pixels(0, (2, 2, 3))) for n in range(600)}
    files["cat/0300.png"] = files["cat/0590.png"] = b"broken"
    for _ in range(3):
        with pytest.raises(DataError, match=r"cat/0300.png must be an image"):
            load_image_folder(stored_in(tmp_path, files, "zip"), threads=4)


def test_other_arguments(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="nowhere must be a folder or a zip archive, but it does not exist"):
        load_image_folder(tmp_path / "nowhere")
    with pytest.raises(DataNotFoundError, match="but there is nothing"):
        load_image_folder(tmp_path)
    path = stored_in(tmp_path, GOOD)
    with pytest.raises(InvalidValueError, match="color must be one of 'auto', 'rgb', 'gray'"):
        load_image_folder(path, color="cmyk")
    with pytest.raises(InvalidValueError, match="threads must be at least 1"):
        load_image_folder(path, threads=0)
    with pytest.raises(InvalidTypeError, match="size must be an integer or a sequence"):
        load_image_folder(path, size=2.5)  # type: ignore[arg-type]


def test_without_pillow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(ImportError, match=r'Pillow must be installed.*pip install "fastconv\[data\]"'):
        load_image_folder(stored_in(tmp_path, GOOD))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="counts descriptors in /dev/fd")
def test_files_are_closed_also_after_an_error(tmp_path: Path) -> None:
    path = stored_in(tmp_path, {**GOOD, "cat/2.png": b""}, "zip")
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(DataError):
        load_image_folder(path)
    assert len(os.listdir("/dev/fd")) == before
