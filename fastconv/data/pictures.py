"""Pictures in files: decoded by Pillow, turned upright, gray or in colours."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fastconv.data.files import PathLike, as_path, imported
from fastconv.errors import DataError, DataNotFoundError, FastconvError, MemoryLimitError
from fastconv.files import is_there, open_regular
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_choice

COLORS = ("auto", "rgb", "gray")
GRAY, DEEP = ("1", "L", "LA"), ("I", "F")  # modes of Pillow; those that begin with I or F have more than 8 bits

_OPERATION = "load_image"
_LAYOUTS = ("CHW", "HWC")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "WEBP")  # nothing that starts another program
_WHITE = 65535  # of 16 bits


def load_image(path: PathLike, *, color: str = "auto", layout: str = "CHW") -> Array:
    """Read a picture from a file, upright as its camera says.

    ``file -> (C, H, W)``

    Parameters
    ----------
    path : path-like
        PNG, JPEG, BMP, GIF (the first picture), PPM or WebP.
    color : {"auto", "rgb", "gray"}
        "auto" gives one channel if the picture is gray, and three otherwise, also for a palette.
    layout : {"CHW", "HWC"}
        Order of the axes; one channel keeps its axis.

    Returns
    -------
    ndarray, shape (C, H, W) or (H, W, C)
        uint8, 0 to 255. A gray picture of 16 bits is float32, 0 to 1; one in colours is cut to 8 bits by Pillow.

    Raises
    ------
    fastconv.errors.DataNotFoundError
        If there is no such file; a ``FileNotFoundError``.
    fastconv.errors.DataError
        If it is damaged or no picture, has too many pixels, or more than 16 bits a pixel; a ``ValueError``.
    ImportError
        If Pillow is missing (extra ``data``).

    See Also
    --------
    fastconv.data.Preprocessing : From pictures to what a network takes.

    Notes
    -----
    The orientation that EXIF notes is applied. Transparency is dropped, as by `load_image_folder`: a network sees the
    colours that are stored below it.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from PIL import Image
    >>> from fastconv.data import load_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "cat.png")
    ...     Image.new("RGB", (6, 4)).save(file)
    ...     load_image(file).shape, load_image(file, color="gray", layout="HWC").shape
    ((3, 4, 6), (4, 6, 1))
    """
    check_choice(_OPERATION, "color", color, COLORS)
    check_choice(_OPERATION, "layout", layout, _LAYOUTS)
    file = as_path(_OPERATION, path)
    if not is_there(file):
        state = "it is a folder" if file.is_dir() else "it does not exist"
        raise DataNotFoundError(f"{_OPERATION}: {file} must be a picture, but {state}.")
    read = partial(open_regular, _OPERATION, file, DataError)
    pixels = decoded(_OPERATION, str(file), read, lambda picture: _pixels(str(file), picture, color))
    return np.ascontiguousarray(pixels if layout == "CHW" else pixels.transpose(1, 2, 0))


def decoded(
    operation: str, label: str, read: Callable[[], IO[bytes]], convert: Callable[[Any], NDArray[Any]]
) -> NDArray[Any]:
    """Open a picture with Pillow, turn it upright, and return what `convert` makes of it as (C, H, W).

    Parameters
    ----------
    operation, label : str
        Whom messages name, and what they call the picture.
    read : callable
        Opens it as a stream.
    convert : callable
        Takes the picture of Pillow, returns its pixels as (H, W) or (H, W, C).

    Raises
    ------
    fastconv.errors.DataError
        If it is damaged, no picture, or larger than `PIL.Image.MAX_IMAGE_PIXELS`.
    ImportError
        If Pillow is missing.
    """
    image, operations = (imported(operation, f"PIL.{name}", "Pillow") for name in ("Image", "ImageOps"))
    try:
        with read() as stream, image.open(stream, formats=FORMATS) as picture:
            _check_size(operation, label, picture, image.MAX_IMAGE_PIXELS)
            operations.exif_transpose(picture, in_place=True)
            pixels = convert(picture)
    except (FastconvError, PermissionError):
        raise
    except MemoryError:
        raise MemoryLimitError(f"{operation}: {label} must fit into memory, but its pixels do not.") from None
    except Exception as error:  # noqa: BLE001 - damaged files raise almost anything, out of zlib, struct, zipfile and Pillow
        reason = "" if type(error).__name__ == "UnidentifiedImageError" else f" ({error})"
        raise DataError(
            f"{operation}: {label} must be an image ({', '.join(FORMATS)}), but it is damaged, truncated or something "
            f"else{reason}."
        ) from None  # Pillow has a chain of its own
    return pixels[np.newaxis] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _check_size(operation: str, label: str, picture: Any, most: int | None) -> None:
    """Refuse a picture by the size that its file says, before its pixels take memory."""
    width, height = picture.size
    if most is not None and width * height > most:
        raise DataError(
            f"{operation}: {label} must have at most {most} pixels, but got {height}x{width}. "
            "PIL.Image.MAX_IMAGE_PIXELS is the limit."
        )


def in_mode(picture: Any, mode: str) -> Any:
    """Convert a picture to a mode of Pillow, "L" or "RGB"."""
    if picture.mode == mode:
        return picture
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")  # or Pillow warns that transparency is lost
    return picture.convert(mode)


def _pixels(label: str, picture: Any, color: str) -> NDArray[Any]:
    """Return (H, W) or (H, W, 3)."""
    if picture.mode.startswith(DEEP):
        gray = _deep(label, picture)
        return np.repeat(gray[..., np.newaxis], 3, axis=2) if color == "rgb" else gray
    gray_wanted = color == "gray" or (color == "auto" and picture.mode in GRAY)
    return np.asarray(in_mode(picture, "L" if gray_wanted else "RGB"))


def _deep(label: str, picture: Any) -> NDArray[np.float32]:
    """Return a gray picture of 16 bits, which some versions of Pillow keep in 32, between 0 and 1."""
    values = np.asarray(picture)
    if values.dtype.kind not in "iu" or values.min(initial=0) < 0 or values.max(initial=0) > _WHITE:
        raise DataError(
            f"{_OPERATION}: {label} must have 8 or 16 bits for each channel, but it has more (mode {picture.mode})."
        )
    return values.astype(np.float32) / np.float32(_WHITE)
