"""Finds and reads image files. All faults of one file are a ValueError with its path."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

#: Formats that are not read, and the command that converts a file IN to a file OUT. Cameras' raw
#: files have the form of TIFF: OpenCV would read their thumbnail.
UNREAD = {
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".raf", ".dng"), "darktable-cli IN OUT.jpg"),
    ".jxl": "djxl IN OUT.png",
}
#: Formats that OpenCV reads only in some builds; Pillow is tried next.
_PERHAPS = {
    **dict.fromkeys((".heic", ".heif", ".hif"), "heif-convert IN OUT.jpg"),
    ".avif": "avifdec IN OUT.png",
    ".jp2": "opj_decompress -i IN -o OUT.png",
    ".gif": "magick IN[0] OUT.png",
}
_READ = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".pbm",
    ".pgm",
    ".ppm",
    ".bmp",
    ".webp",
    ".tif",
    ".tiff",
)
#: Suffixes of images. Formats that are not read are found too, so that they are reported.
IMAGE_SUFFIXES = (*_READ, *_PERHAPS, *UNREAD)
#: Largest size of an image file.
_MOST_BYTES = 2**30


def find_images(path: Path) -> list[Path]:
    """The file itself, or the image files of a folder (not of its subfolders) by name.

    Raises FileNotFoundError for a missing path, ValueError for a folder without images.
    """
    if not path.is_dir():
        if path.exists() or path.is_symlink():
            return [path]
        raise FileNotFoundError(f"{path}: no such image or folder")
    paths = sorted(item for item in path.iterdir() if item.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise ValueError(f"{path}: no images here; files must end in {', '.join(IMAGE_SUFFIXES)}")
    return paths


def read_images(paths: Iterable[Path]) -> Iterator[npt.NDArray[np.uint8]]:
    """RGB uint8 [H, W, 3] of each readable file; other files are reported on stderr."""
    for path in paths:
        try:
            yield read_image(path)
        except ValueError as error:
            print(f"left out: {error}", file=sys.stderr)


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """An image file -> RGB uint8 [H, W, 3], rotated by its EXIF orientation.

    Of an animation it is the first image. Raises ValueError, with the path, for a file that cannot
    be opened or is no image.
    """
    suffix = path.suffix.lower()
    if suffix in UNREAD:
        raise ValueError(f"{path}: {_not_read(path, suffix, UNREAD[suffix])}")
    data = _bytes_of(path)
    try:
        bgr = decode_image(data, cv2.IMREAD_COLOR)
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)
    except (ValueError, cv2.error) as error:
        image = _read_by_pillow(data)
        if image is not None:
            return image
        suffix = ".heic" if _is_heif(data) else suffix  # phones may use any suffix
        if suffix in _PERHAPS:
            raise ValueError(f"{path}: {_not_read(path, suffix, _PERHAPS[suffix])}") from error
        raise ValueError(
            f"{path}: not an image that OpenCV can read, or broken ({error}): replace or remove it"
        ) from error


def decode_image(data: npt.NDArray[np.uint8], flags: int) -> npt.NDArray[Any]:
    """The bytes of a JPEG, PNG, ... -> BGR [H, W, 3], uint8 unless flags have IMREAD_ANYDEPTH.

    flags: OpenCV's ImreadModes. Raises ValueError with the reason for all errors of OpenCV.
    """
    if not data.size:
        raise ValueError("it is empty")
    _check_png(data)
    try:
        # Older OpenCV (4.8) lacks IMREAD_COLOR_RGB.
        image = cv2.imdecode(data, flags)
    except (cv2.error, MemoryError) as error:
        if "MAX_IMAGE" in str(error):
            raise ValueError("its header promises more pixels than any camera has") from error
        reason = str(error).strip().splitlines()[-1] if str(error) else "out of memory"
        raise ValueError(reason) from error
    if image is None:
        raise ValueError("no known format")
    return np.asarray(image)


def _check_png(data: npt.NDArray[np.uint8]) -> None:
    """Raise ValueError for a PNG with a chunk longer than the file.

    OpenCV would allocate the length in the chunk's header, up to 4 GB for a file of 100 bytes.
    """
    signature = b"\x89PNG\r\n\x1a\n"
    if data[: len(signature)].tobytes() != signature:
        return
    at = len(signature)
    while at + 8 <= data.size:
        length, left = int.from_bytes(data[at : at + 4].tobytes(), "big"), data.size - at - 12
        if length > left:
            raise ValueError(f"it is cut off or damaged: {length} bytes promised, {left} are left")
        at += 12 + length


def _bytes_of(path: Path) -> npt.NDArray[np.uint8]:
    try:
        if not path.is_file():
            if path.is_symlink() and not path.exists():
                what = f"a link to '{path.readlink()}', which is not there"
            else:  # reading a pipe would block
                what = "a folder" if path.is_dir() else "not a file" if path.exists() else "gone"
            raise ValueError(f"{path}: it is {what}: replace or remove it")
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"{path}: has more than {_MOST_BYTES} bytes: replace or remove it")
        return np.fromfile(path, dtype=np.uint8)  # imread is limited to ASCII paths on some systems
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be read ({error.strerror}): check its rights and its disk"
        ) from error


def _not_read(path: Path, suffix: str, command: str) -> str:
    stem = path.stem
    command = command.replace("IN", f"'{path.name}'").replace("OUT", f"'{stem}'")
    hint = ""
    if suffix in (".heic", ".heif", ".hif"):
        hint = "pip install pi-heif, or "
    elif suffix in (".avif", ".gif", ".jp2"):
        hint = "pip install -U pillow, or "
    return (
        f"{suffix[1:].upper()} is not read here, or the file is broken: {hint}convert it to JPEG "
        f"or PNG: {command}"
    )


def _is_heif(data: npt.NDArray[np.uint8]) -> bool:
    brand = bytes(data[4:12])
    return brand[:4] == b"ftyp" and brand[4:] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1")


def _read_by_pillow(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | None:
    """RGB [H, W, 3] of formats that OpenCV may lack; None if Pillow cannot read them either."""
    try:
        from PIL import Image, ImageOps
    except ImportError:
        return None
    try:
        from pi_heif import register_heif_opener

        register_heif_opener()
    except ImportError:
        pass
    Image.init()
    formats: list[str] = [
        name for name in ("AVIF", "GIF", "HEIF", "JPEG2000") if name in Image.OPEN
    ]
    try:
        with Image.open(BytesIO(data.tobytes()), formats=formats) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"), dtype=np.uint8)
    except Exception:  # Pillow and its plugins raise many types for broken files
        return None
