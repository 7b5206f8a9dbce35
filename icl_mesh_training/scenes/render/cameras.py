"""Cameras of scenes.

World frame: y up, floor at y = 0. The camera is above the origin and looks along -z, so a body
that faces +z faces the camera.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from icl_mesh.geometry.camera import Camera

FloatArray = npt.NDArray[np.float64]

#: Aspect ratios (width over height) of images and their shares.
ASPECTS = ((4 / 3, 0.32), (3 / 2, 0.18), (16 / 9, 0.15), (1.0, 0.13), (3 / 4, 0.14), (2 / 3, 0.08))
_CAMERA_FROM_LEVEL = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class View:
    """A camera and its pose. rotation: [3, 3], world to camera. position: [3] m, in the world."""

    camera: Camera
    rotation: FloatArray
    position: FloatArray

    def to_camera(self, points: npt.ArrayLike) -> FloatArray:
        """World points [..., 3] -> camera optical frame."""
        return (np.asarray(points, dtype=np.float64) - self.position) @ self.rotation.T

    @property
    def up(self) -> FloatArray:
        """The world's up direction in the camera frame."""
        return np.asarray(self.rotation[:, 1])

    def ray(self, px: npt.ArrayLike) -> FloatArray:
        """World directions [..., 3] of pixels [..., 2], with depth 1 along the optical axis."""
        c, px = self.camera, np.asarray(px, dtype=np.float64)
        x, y = (px[..., 0] - c.cx) / c.fx, (px[..., 1] - c.cy) / c.fy
        return np.stack((x, y, np.ones_like(x)), axis=-1) @ self.rotation


def sample_camera(rng: np.random.Generator, long_side: int, aspect: float | None = None) -> Camera:
    """Random size and intrinsics: field of view 30-100 degrees across the longer side.

    aspect: width over height, None for a random one of ASPECTS.
    """
    ratios, shares = zip(*ASPECTS, strict=True)
    ratio = float(rng.choice(ratios, p=shares)) if aspect is None else aspect
    width = long_side if ratio >= 1 else round(long_side * ratio)
    height = round(long_side / ratio) if ratio >= 1 else long_side
    fov = math.radians(float(np.clip(rng.normal(58, 15), 30, 100)))
    focal = 0.5 * long_side / math.tan(fov / 2)
    shift = rng.normal(0, 0.06, 2) if rng.random() < 0.25 else np.zeros(2)  # cropped photos
    cx = (width - 1) / 2 + float(np.clip(shift[0], -0.15, 0.15)) * width
    cy = (height - 1) / 2 + float(np.clip(shift[1], -0.15, 0.15)) * height
    return Camera(focal, focal, cx, cy, width, height)


def sample_roll(rng: np.random.Generator) -> float:
    """Camera roll, rad: nearly level in 92 % of images, else up to 25 degrees."""
    return math.radians(rng.uniform(-25, 25) if rng.random() < 0.08 else rng.normal(0, 3))


def place_view(camera: Camera, height: float, pitch: float, roll: float) -> View:
    """The camera at ``height`` m above the floor, pitched down by ``pitch`` rad, rolled."""
    rotation = Rotation.from_euler("zx", [roll, pitch]).as_matrix()
    return View(camera, rotation @ _CAMERA_FROM_LEVEL, np.array([0.0, height, 0.0]))


def pitch_towards(
    camera: Camera, height: float, aim_height: float, distance: float, row: float
) -> float:
    """Pitch, rad (down is positive), that projects a point at ``aim_height`` and horizontal
    ``distance``, m, to the image row ``row``."""
    return math.atan2(height - aim_height, distance) - math.atan((row - camera.cy) / camera.fy)
