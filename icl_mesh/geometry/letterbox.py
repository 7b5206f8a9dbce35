"""Letterbox: an image fitted, aspect kept, into the network's padded square, and back exactly.

An image is resized to whole pixels, so the true scale differs a little between the axes. Both
scales are kept, and every coordinate goes through them: nothing is lost by rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from icl_mesh.geometry.camera import Camera, SquareCamera

#: Grey of the padding: near the ImageNet mean, so that it normalises to about zero.
PAD_VALUE = (124, 116, 104)


@dataclass(frozen=True)
class Letterbox:
    """Maps pixels of a width x height image to a size x size square, centred, aspect kept."""

    width: int
    height: int
    size: int

    def __post_init__(self) -> None:
        if min(self.width, self.height, self.size) < 1:
            raise ValueError(
                f"letterbox needs positive sizes, got image {self.width}x{self.height} and "
                f"square {self.size}"
            )

    @property
    def inner_size(self) -> tuple[int, int]:
        """(width, height) in pixels of the resized image inside the square."""
        scale = self.size / max(self.width, self.height)
        return max(1, round(self.width * scale)), max(1, round(self.height * scale))

    @property
    def scale(self) -> npt.NDArray[np.float64]:
        """(x, y) scale, square pixels per image pixel."""
        inner_width, inner_height = self.inner_size
        return np.array([inner_width / self.width, inner_height / self.height])

    @property
    def offset(self) -> npt.NDArray[np.int64]:
        """(x, y) whole pixels of padding before the image."""
        inner_width, inner_height = self.inner_size
        return np.array([(self.size - inner_width) // 2, (self.size - inner_height) // 2])

    def square_from_px(self, px: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Image pixels [..., 2] -> square coordinates [..., 2] in [-1, 1]."""
        edge = (np.asarray(px, dtype=np.float64) + 0.5) * self.scale + self.offset
        return 2 * edge / self.size - 1

    def px_from_square(self, square: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Square coordinates [..., 2] -> image pixels [..., 2]; the inverse of square_from_px."""
        edge = (np.asarray(square, dtype=np.float64) + 1) * self.size / 2
        return (edge - self.offset) / self.scale - 0.5

    def check(self, camera: Camera) -> None:
        """Raise ValueError for the camera of an image of another size."""
        camera.check_size(self.width, self.height)

    def camera(self, camera: Camera) -> SquareCamera:
        """The image's camera, seen in square coordinates. Raises as check does."""
        self.check(camera)
        unit = 2 * self.scale / self.size
        px, py = self.square_from_px([camera.cx, camera.cy])
        return SquareCamera(camera.fx * unit[0], camera.fy * unit[1], float(px), float(py))


def resampling_weights(before: int, after: int) -> npt.NDArray[np.float32]:
    """Resampling weights along an axis: float32 [after, before].

    Shrinking: the share of the new pixel that an old one covers (cv2.INTER_AREA). Growing: linear
    between the two nearest centres (cv2.INTER_LINEAR), with replicated borders.
    """
    old, new = np.arange(before), np.arange(after)[:, None]
    if after > before:
        centers = np.clip((new + 0.5) * before / after - 0.5, 0, before - 1)
        weights = np.maximum(1 - np.abs(centers - old), 0)
    else:  # in integers: an old pixel has length `after`, a new one `before`
        ends = np.minimum((new + 1) * before, (old + 1) * after)
        weights = np.maximum(ends - np.maximum(new * before, old * after), 0) / before
    return np.asarray(weights, dtype=np.float32)
