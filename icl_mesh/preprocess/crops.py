"""Square crops of a camera image, one for each person, as the second stage's input.

Crops are cut from the image as it is, with its lens' distortion: nothing is resampled twice, and
people look as the first stage saw them. Crop pixels go back to the image's pixels exactly, and
Camera.undistort takes those to the pinhole's. Letters: N crops, S = 256 pixels on a side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh import kernels
from icl_mesh.network.single_person import CROP_SIZE
from icl_mesh.preprocess.host import SIDE_BY_SIDE, image_size

Floats = npt.NDArray[np.float64]

#: Bytes as numbers, and black padding: what the kernel multiplies by, adds, and pads with.
_TONES = np.array([[1.0] * 3, [0.0] * 3, [0.0] * 3], np.float32)
#: Sides and centres are limited to this, px: whole numbers of so many pixels are exact.
_FARTHEST = 2.0**40


@dataclass(frozen=True)
class Crops:
    """Crops and the way back from their pixels. Pixel centres are integers in both.

    pixels [N, 3, S, S]: RGB, float32 from 0 to 255, black outside of the image.
    scale [N, 2]: (x, y) image pixels per crop pixel; equal but for crops that reach beyond the
    image, whose part inside is resized to whole crop pixels. offset [N, 2]: image pixel (x, y) of
    the centre of the crop's first pixel.
    """

    pixels: torch.Tensor
    scale: Floats
    offset: Floats

    def px_from_crop(self, points: npt.ArrayLike) -> Floats:
        """Crop pixels [N, K, 2] -> pixels of the image [N, K, 2]."""
        return np.asarray(points, np.float64) * self.scale[:, None] + self.offset[:, None]

    def crop_from_px(self, px: npt.ArrayLike) -> Floats:
        """Pixels of the image [N, K, 2] -> crop pixels [N, K, 2]; the inverse of px_from_crop."""
        return (np.asarray(px, np.float64) - self.offset[:, None]) / self.scale[:, None]


def square_around(points: npt.ArrayLike, margin: float = 1.2) -> Floats:
    """Points [N, K, 2] -> squares [N, 3]: centre (x, y) and side of the upright square around each
    row's finite points, ``margin`` times their extent. A row without any gets one pixel at 0, 0."""
    points = np.asarray(points, np.float64)
    finite = np.isfinite(points).all(-1, keepdims=True)
    low = np.where(finite, points, np.inf).min(1, initial=np.inf)
    high = np.where(finite, points, -np.inf).max(1, initial=-np.inf)
    there = np.isfinite(low).all(-1, keepdims=True)
    low, high = np.where(there, low, 0.0), np.where(there, high, 0.0)
    side = np.maximum(margin * (high - low).max(-1, keepdims=True), 1.0)
    return np.concatenate(((low + high) / 2, side), axis=-1)


def cut_crops(image: npt.NDArray[np.uint8], squares: npt.ArrayLike) -> Crops:
    """Cut squares out of an image and resize them to the second stage's input.

    image: RGB uint8 [H, W, 3]. squares [N, 3]: centre (x, y) and side, pixels of the image, rounded
    to whole pixels, at least one. Squares may reach beyond the image or lie outside of it. A new
    pixel is the mean of what it covers where a crop shrinks, and lies between its neighbours in the
    crop where it grows.

    Raises ValueError for anything but an RGB uint8 image with pixels, and for squares of another
    shape or that are not finite.
    """
    image_size(image)  # checks it
    squares = np.asarray(squares, np.float64)
    if squares.ndim != 2 or squares.shape[1] != 3 or not np.isfinite(squares).all():
        raise ValueError(
            f"squares must be finite numbers [N, 3] (centre x, y and side, pixels), got "
            f"{squares.tolist() if squares.size <= 12 else list(squares.shape)}: the caller should "
            f"leave out what has no place"
        )
    if image.strides[1:] not in SIDE_BY_SIDE:
        image = np.ascontiguousarray(image)
    side = np.clip(np.rint(squares[:, 2:]), 1, _FARTHEST)
    corner = np.rint(np.clip(squares[:, :2], -_FARTHEST, _FARTHEST) - (side - 1) / 2)
    size = np.array(image.shape[1::-1])
    low, high = np.clip(corner, 0, size), np.clip(corner + side, 0, size)  # [N, 2] inside
    inside = (high > low).all(-1, keepdims=True)
    start = np.rint((low - corner) * CROP_SIZE / side)
    start = np.clip(start, 0, CROP_SIZE - 1)
    stop = np.clip(np.rint((high - corner) * CROP_SIZE / side), start + 1, CROP_SIZE)
    scale = np.where(inside, (high - low) / (stop - start), side / CROP_SIZE)
    edge = np.where(inside, low - start * scale, corner)
    pixels = np.empty((len(squares), 3, CROP_SIZE, CROP_SIZE), np.float32)
    for row in range(len(squares)):
        if not inside[row]:
            pixels[row] = 0
            continue
        left, top, right, bottom = np.concatenate((low[row], high[row])).astype(int)
        part = image[top:bottom, left:right]
        width, height = (int(length) for length in (stop - start)[row])
        x, y = (int(place) for place in start[row])
        kernels.letterbox(part, pixels[row : row + 1], width, height, x, y, _TONES)
    return Crops(torch.from_numpy(pixels), scale, edge + 0.5 * scale - 0.5)
