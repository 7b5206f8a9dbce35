"""Open the files of data sets; each error names the file and its fault."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from icl_mesh.body.smpl_pickle import read_smpl_pickle
from icl_mesh_training.errors import shown

#: Errors raised by conversions of values in an unexpected form.
CONVERSION_ERRORS = (
    *(KeyError, IndexError, TypeError, ValueError, AttributeError),
    *(OverflowError, ZeroDivisionError),
)

#: Errors raised by damaged archives, besides.
ARCHIVE_ERRORS = (zipfile.BadZipFile, zlib.error)


@contextmanager
def as_published(where: str, rule: str) -> Iterator[None]:
    """Convert CONVERSION_ERRORS raised inside to a ValueError. where: path and part. rule: the
    published form. Code inside must not raise errors that already name the file."""
    try:
        yield
    except CONVERSION_ERRORS as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"{where}: not as published ({reason}); {rule}") from None


def existing(path: Path, what: str) -> Path:
    """The path itself. Raises FileNotFoundError if it does not exist."""
    if not os.path.exists(path):  # noqa: PTH110  # Path.exists raises for names too long
        raise FileNotFoundError(
            f"{path}: {what} is not there; docs/datasets.md says where to get it"
        )
    return path


def first_existing(folder: Path, names: tuple[str, ...], what: str) -> Path:
    """The first existing path among several names of a published file."""
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(
        f"{folder}: {what} is not there (looked for {', '.join(names)}); docs/datasets.md says "
        "where to get it"
    )


def read_json(path: Path, what: str) -> Any:
    """The content of a JSON file. Raises ValueError with the line if it is no JSON."""
    try:
        # From bytes: json recognises byte order marks and UTF-16.
        return json.loads(existing(path, what).read_bytes())
    except FileNotFoundError:
        raise
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}: not valid JSON (line {error.lineno}: {error.msg}); download it again"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a text file; download it again") from None
    except (ValueError, RecursionError, OSError) as error:
        raise ValueError(f"{path}: not readable JSON ({error}); download it again") from None


def entries(content: Any, key: str, path: Path) -> list[dict[str, Any]]:
    """A list of objects in a JSON file. Raises ValueError naming the key if there is none."""
    found = content.get(key) if isinstance(content, dict) else None
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise ValueError(f"{path}: has no list of objects called '{key}'; is it the right file?")
    return found


def image_number(annotation: dict[str, Any], index_of: dict[Any, int], name: str) -> int:
    """Index of an annotation's image; index_of: image id -> index.

    name: of the annotation, for the ValueError if its image is not among them.
    """
    wanted = annotation.get("image_id")
    found = index_of.get(wanted) if isinstance(wanted, int | float | str) else None
    if found is None:
        raise ValueError(f"{name} is of image {shown(wanted)}, which is not among the images")
    return found


def read_npz(path: Path, required: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an .npz. Raises ValueError where some are missing or it cannot be read."""
    existing(path, "the label file")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (*CONVERSION_ERRORS, OSError, EOFError, NotImplementedError, *ARCHIVE_ERRORS) as error:
        raise ValueError(f"{path}: not a readable .npz ({error}); make it again") from None
    missing = sorted(set(required) - set(arrays))
    if missing:
        raise ValueError(f"{path}: lacks {', '.join(missing)}; is it the right file?")
    return arrays


def read_mat(path: Path, name: str) -> npt.NDArray[np.float64]:
    """One array of a MATLAB file."""
    import scipy.io

    existing(path, "the label file")
    try:
        content = scipy.io.loadmat(path)
    except Exception as error:  # the library names no errors of its own for damaged files
        raise ValueError(f"{path}: not a readable MATLAB file ({error})") from None
    if name not in content:
        raise ValueError(f"{path}: lacks '{name}'; is it the right file?")
    with as_published(f"{path}: '{name}'", "it is an array of numbers"):
        return np.asarray(content[name], np.float64)


def read_pickle(path: Path, what: str) -> dict[Any, Any]:
    """The dictionary of a .pkl of arrays, read without executing its content."""
    existing(path, what)
    try:
        content = read_smpl_pickle(path, None)
    except (*CONVERSION_ERRORS, pickle.UnpicklingError, EOFError, OSError, MemoryError) as error:
        raise ValueError(f"{path}: not read ({error}); download it again") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: holds no dictionary; is it the right file?")
    return content


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in px, from the file's header alone."""
    existing(path, "the image")
    try:
        with Image.open(path) as image:
            return image.size
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: not a readable image ({error})") from None


def read_image(path: Path, size: tuple[int, int] | None = None) -> npt.NDArray[np.uint8]:
    """RGB uint8 [H, W, 3]. Raises for a missing, truncated or unreadable image.

    size: width and height that the labels were made for. The image is rotated by the camera's EXIF
    flag only if its stored size differs from this.
    """
    existing(path, "the image")
    try:
        with Image.open(path) as image:
            if size is not None and image.size != size:
                image = ImageOps.exif_transpose(image)  # noqa: PLW2901
            # PIL, not cv2: cv2 fills the lost part of a truncated JPEG with grey without an error.
            pixels = np.asarray(image.convert("RGB"), np.uint8)
    except (
        *(UnidentifiedImageError, OSError, SyntaxError, ValueError),
        Image.DecompressionBombError,
    ) as error:
        raise ValueError(f"{path}: not a readable image ({error}); get it again") from None
    if size is not None and (pixels.shape[1], pixels.shape[0]) != size:
        raise ValueError(
            f"{path}: is {pixels.shape[1]}x{pixels.shape[0]} px, its labels are for "
            f"{size[0]}x{size[1]}; get the image the labels were made for"
        )
    return pixels
