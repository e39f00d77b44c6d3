"""One picture from a file: modes, orientation, layouts, and files that are none."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from fastconv.data import load_image, load_image_folder
from fastconv.errors import DataError, DataNotFoundError, InvalidValueError

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
GRAY = PIXELS[..., 0]
ORIENTATION = 0x0112  # tag of EXIF


def saved(folder: Path, picture: object, name: str = "a.png", **options: object) -> Path:
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    image.save(folder / name, **options)
    return folder / name


def test_colours_have_three_channels_first_or_last(tmp_path: Path) -> None:
    file = saved(tmp_path, PIXELS)
    np.testing.assert_array_equal(load_image(file), PIXELS.transpose(2, 0, 1))
    np.testing.assert_array_equal(load_image(str(file), layout="HWC"), PIXELS)
    assert load_image(file).flags.c_contiguous
    assert load_image(file).dtype == np.uint8


def test_gray_has_one_and_keeps_its_axis(tmp_path: Path) -> None:
    file = saved(tmp_path, GRAY)
    np.testing.assert_array_equal(load_image(file), GRAY[None])
    np.testing.assert_array_equal(load_image(file, layout="HWC"), GRAY[..., None])
    np.testing.assert_array_equal(load_image(file, color="rgb"), np.stack([GRAY] * 3))


@pytest.mark.parametrize(("mode", "channels"), [("1", 1), ("LA", 1), ("RGBA", 3), ("P", 3), ("CMYK", 3)])
def test_every_mode_becomes_gray_or_colours(tmp_path: Path, mode: str, channels: int) -> None:
    source = Image.fromarray(PIXELS).convert(mode)
    file = saved(tmp_path, source, "a.jpg" if mode == "CMYK" else "a.png")
    assert load_image(file).shape == (channels, 4, 6)
    assert load_image(file, color="gray").shape == (1, 4, 6)
    assert load_image(file, color="rgb").shape == (3, 4, 6)


def test_transparency_is_dropped_not_blended(tmp_path: Path) -> None:
    clear = np.dstack([PIXELS, np.zeros((4, 6), np.uint8)])
    np.testing.assert_array_equal(load_image(saved(tmp_path, clear)), PIXELS.transpose(2, 0, 1))


def test_16_bits_keep_their_digits(tmp_path: Path) -> None:
    deep = np.array([[0, 1, 257], [40000, 65534, 65535]], np.uint16)
    found = load_image(saved(tmp_path, deep))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, deep[None].astype(np.float32) / np.float32(65535))
    assert load_image(tmp_path / "a.png", color="rgb").shape == (3, 2, 3)


@pytest.mark.parametrize(("orientation", "turned"), [(3, GRAY[::-1, ::-1]), (6, np.rot90(GRAY, -1)), (5, GRAY.T)])
def test_a_picture_is_turned_as_exif_says_also_in_a_folder(tmp_path: Path, orientation: int, turned: object) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    (tmp_path / "cat").mkdir()
    file = saved(tmp_path / "cat", GRAY, exif=exif)
    np.testing.assert_array_equal(load_image(file)[0], turned)
    np.testing.assert_array_equal(load_image_folder(tmp_path).train.images[0, 0], turned)


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    file = saved(tmp_path, PIXELS)
    whole = file.read_bytes()
    for content in (b"", b"no picture", whole[: len(whole) // 2], io.BytesIO(whole).read(20)):
        (tmp_path / "b.png").write_bytes(content)
        with pytest.raises(DataError, match=r"load_image: .*b\.png must be an image .*, but it is damaged"):
            load_image(tmp_path / "b.png")
    with pytest.raises(DataNotFoundError, match="must be a picture, but it does not exist"):
        load_image(tmp_path / "c.png")
    with pytest.raises(DataNotFoundError, match="must be a picture, but it is a folder"):
        load_image(tmp_path)
    with pytest.raises(InvalidValueError, match="color must be one of"):
        load_image(file, color="blue")
    with pytest.raises(InvalidValueError, match="layout must be one of"):
        load_image(file, layout="NCHW")


@pytest.mark.filterwarnings("ignore:Image size")
def test_the_limit_of_pillow_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = saved(tmp_path, PIXELS)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 23)
    with pytest.raises(DataError, match="must have at most 23 pixels, but got 4x6"):
        load_image(file)


def test_floats_of_any_size_are_refused(tmp_path: Path) -> None:
    Image.fromarray(GRAY.astype(np.float32)).save(tmp_path / "a.pfm", format="PPM")
    with pytest.raises(DataError, match="must have 8 or 16 bits"):
        load_image(tmp_path / "a.pfm")
