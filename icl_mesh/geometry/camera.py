"""Pinhole cameras in pixels, and the network's weak-perspective camera in a padded square.

Pixels: as in OpenCV and ROS, integer coordinates are pixel *centres*; an image of width W
spans [-0.5, W - 0.5]. Frame: the camera optical frame (x right, y down, z forward), metres.

Square coordinates: the letterboxed square spans [-1, 1] x [-1, 1], edges included.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.geometry.lens import Lens

if TYPE_CHECKING:
    from icl_mesh import kernels

#: Least depth of a point as a share of its root's depth. It keeps the projection of a body that
#: extends past the camera plane finite (and its gradient bounded).
MIN_DEPTH_RATIO = 0.2

Array = TypeVar("Array", npt.NDArray[np.float64], torch.Tensor)
AnyArray = TypeVar("AnyArray", npt.NDArray[np.floating[Any]], torch.Tensor)


@dataclass(frozen=True)
class Camera:
    """Pinhole intrinsics, and the distortion of the lens where the image is not rectified.

    fx, fy: focal lengths; cx, cy: principal point; width, height: image size; all in pixels.
    focal_assumed: the focal length is assumed, so that distances are guesses.
    lens: None for a pinhole. Pixels are those of the image, with the lens' distortion.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    focal_assumed: bool = False
    lens: Lens | None = None

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"camera size must be at least 1x1, got {self.width}x{self.height}")
        values = (self.fx, self.fy, self.cx, self.cy)
        if not all(math.isfinite(v) for v in values) or self.fx <= 0 or self.fy <= 0:
            raise ValueError(
                f"camera needs finite intrinsics and positive focal lengths, got fx={self.fx}, "
                f"fy={self.fy}, cx={self.cx}, cy={self.cy}"
            )

    @classmethod
    def assumed(cls, width: int, height: int, fov_deg: float = 60.0) -> Camera:
        """A camera with an assumed focal length.

        fov_deg: assumed field of view across the *longer* side. The principal point is the
        image centre. ``focal_assumed`` is set.
        """
        if not 1.0 <= fov_deg <= 179.0:
            raise ValueError(f"fov_deg must lie in [1, 179], got {fov_deg}")
        focal = 0.5 * max(width, height) / math.tan(math.radians(fov_deg) / 2)
        center = ((width - 1) / 2, (height - 1) / 2)
        return cls(focal, focal, *center, width, height, focal_assumed=True)

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """The 3x3 matrix K."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], dtype=float)

    @property
    def kernel_lens(self) -> kernels.Lens | None:
        """The lens as the kernels read it; None for a pinhole."""
        return None if self.lens is None else self.lens.kernel

    def check_size(self, width: int, height: int) -> None:
        """Raise ValueError for an image of another size."""
        if (self.width, self.height) != (width, height):
            raise ValueError(
                f"camera is for {self.width}x{self.height} images, the image is {width}x{height}"
            )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Camera:
        """The inverse of dataclasses.asdict, which is also the JSON form."""
        lens = values.get("lens")
        if lens is not None:
            lens = Lens(lens["model"], tuple(lens["coefficients"]))
        return cls(**{**values, "lens": lens})

    def cropped(self, x: int, y: int, width: int, height: int) -> Camera:
        """The camera of a region of the image whose first pixel is (x, y)."""
        return dataclasses.replace(self, cx=self.cx - x, cy=self.cy - y, width=width, height=height)

    def binned(self, x: int, y: int) -> Camera:
        """The camera of the image after binning by x columns and y rows.

        The centre of a bin of b pixels is (b - 1) / 2 pixels from that of its first pixel.
        """
        return dataclasses.replace(
            self,
            fx=self.fx / x,
            fy=self.fy / y,
            cx=(self.cx + 0.5) / x - 0.5,
            cy=(self.cy + 0.5) / y - 0.5,
            width=self.width // x,
            height=self.height // y,
        )

    def undistort(self, px: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Pixels of the image [..., 2] -> pixels of a pinhole camera with the same K [..., 2]."""
        px = np.asarray(px, dtype=np.float64)
        if self.lens is None:
            return px
        focal, center = self._focal_and_center
        return self.lens.undistort((px - center) / focal) * focal + center

    def rays(self, px: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Pixels of the image [..., 2] -> (x / z, y / z) of their rays [..., 2]."""
        focal, center = self._focal_and_center
        return (self.undistort(px) - center) / focal

    def pinhole_equivalent(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Points [..., 3] shifted so that a pinhole of the same K projects them to the pixels that
        this camera projects the given points to. It lets a renderer without lens distortion draw
        meshes. Points at or behind the camera plane are unchanged.
        """
        points = np.array(points, dtype=np.float64)
        if self.lens is None:
            return points
        front = points[..., 2] > 1e-6
        z = points[front, 2:]
        points[front, :2] = self.lens.distort(points[front, :2] / z) * z
        return points

    @property
    def _focal_and_center(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        return np.array([self.fx, self.fy]), np.array([self.cx, self.cy])

    def _pixels(self, rays: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        focal, center = self._focal_and_center
        return (rays if self.lens is None else self.lens.distort(rays)) * focal + center

    def project(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Points in the camera optical frame [..., 3], m -> pixels [..., 2].

        Points at or behind the camera plane become NaN.
        """
        points = np.asarray(points, dtype=np.float64)
        z = np.where(points[..., 2:] > 1e-6, points[..., 2:], np.nan)
        return self._pixels(points[..., :2] / z)

    def project_bodies(
        self, points: npt.ArrayLike, root_depth: npt.ArrayLike
    ) -> npt.NDArray[np.float64]:
        """Body points in the camera optical frame [N, K, 3], m -> pixels [N, K, 2], always finite.

        root_depth [N]: depth of each body's root, m, positive. A point's depth is clamped to at
        least MIN_DEPTH_RATIO of its root's: a hand behind the camera plane gets a distant pixel on
        the correct side. Other points are projected as by :meth:`project`.
        """
        points = np.asarray(points, dtype=np.float64)
        nearest = MIN_DEPTH_RATIO * np.asarray(root_depth, dtype=np.float64)[:, None]
        inverse = 1 / np.maximum(points[..., 2], nearest)
        if self.lens is None:  # a quarter of the time for the meshes of many people
            x = self.fx * points[..., 0] * inverse + self.cx
            return np.stack((x, self.fy * points[..., 1] * inverse + self.cy), axis=-1)
        return self._pixels(points[..., :2] * inverse[..., None])

    def contains(self, px: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
        """Mask of the pixels [..., 2] inside the image: x in [-0.5, width - 0.5], y likewise."""
        x, y = px[..., 0], px[..., 1]
        across = (x >= -0.5) & (x <= self.width - 0.5)
        return np.asarray(across & (y >= -0.5) & (y <= self.height - 0.5))


@dataclass(frozen=True)
class SquareCamera:
    """A pinhole camera in square coordinates (normalised to [-1, 1]).

    fx, fy: focal lengths and px, py: principal point, both in units of half the square's side.
    """

    fx: float
    fy: float
    px: float
    py: float

    @property
    def focal(self) -> float:
        """One focal length for the weak-perspective scale: the geometric mean of fx and fy."""
        return math.sqrt(self.fx * self.fy)


def weak_perspective_from_root(
    root: npt.NDArray[np.float64], camera: SquareCamera
) -> npt.NDArray[np.float64]:
    """Root (pelvis) positions [N, 3], m -> (s, tx, ty) [N, 3].

    s is the size in square units of one metre at the root's depth, and (tx, ty) the projection of
    the root: weak perspective is ``x = s * X + t`` for X relative to the root.
    """
    z = root[..., 2]
    return np.stack(
        (
            camera.focal / z,
            camera.px + camera.fx * root[..., 0] / z,
            camera.py + camera.fy * root[..., 1] / z,
        ),
        axis=-1,
    )


def project_from_weak(
    points: AnyArray, weak_camera: AnyArray, inverse_focal: AnyArray, principal: AnyArray
) -> AnyArray:
    """Project root-relative points with the network's camera: tensors (differentiable) or arrays.

    points [N, K, 3]: metres from the root, camera axes. weak_camera [N, 3]: (s, tx, ty).
    inverse_focal [N]: 1 / SquareCamera.focal; 0 gives plain weak perspective, for images of
    unknown focal length. principal [N, 2]: principal point in square coordinates.
    Returns [N, K, 2] in square coordinates.

    With the root's depth z0 = focal / s, the pinhole projection of a root-relative point (X, Y, Z)
    is ``p + (s X + t - p) / (1 + Z / z0)``. Weak perspective is its limit for a long focal length.
    """
    scale, shift = weak_camera[:, None, :1], weak_camera[:, None, 1:]
    depth_ratio = 1 + points[..., 2:] * scale * inverse_focal[:, None, None]
    center = principal[:, None, :]
    return center + (scale * points[..., :2] + shift - center) / depth_ratio.clip(MIN_DEPTH_RATIO)
