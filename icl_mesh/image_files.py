"""Image files: finding and reading them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def find_images(path: Path) -> list[Path]:
    """The file itself, or the image files of a folder (not of its subfolders) by name.

    Raises FileNotFoundError where there is nothing, ValueError for a folder without images.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such image or folder")
    paths = sorted(item for item in path.iterdir() if item.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise ValueError(f"{path}: no images here; files must end in {', '.join(IMAGE_SUFFIXES)}")
    return paths


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """An image file -> RGB uint8 [H, W, 3], turned as its EXIF orientation says.

    Raises ValueError, with the path, for a file that is no image.
    """
    data = np.fromfile(path, dtype=np.uint8)  # imread takes no paths beyond ASCII on some systems
    # Not IMREAD_COLOR_RGB: the OpenCV of older systems, from 4.8 on, does not have it.
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise ValueError(
            f"{path}: not an image that OpenCV can read, or broken: replace or remove it"
        )
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)
