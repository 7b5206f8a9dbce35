"""Metric positions of bodies with numpy: the oracle of the compiled kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from icl_mesh.geometry.camera import MIN_DEPTH_RATIO, Camera, SquareCamera
from icl_mesh.geometry.letterbox import Letterbox

Array = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating[Any]]

_NEWTON_STEPS = 8
#: A position that still moves by this share of its distance after the last step is rejected.
_CONVERGED = 1e-3
_RIDGE = 1e-8


def root_from_weak_perspective(
    weak: npt.NDArray[np.float64], camera: SquareCamera
) -> npt.NDArray[np.float64]:
    """(s, tx, ty) [N, 3] -> root positions [N, 3], m; the inverse of
    icl_mesh.geometry.camera.weak_perspective_from_root.

    Depth z = 2 f / (S s), where f is the focal length in pixels of a square of side S.
    """
    z = camera.focal / weak[..., 0]
    x = (weak[..., 1] - camera.px) * z / camera.fx
    y = (weak[..., 2] - camera.py) * z / camera.fy
    return np.stack((x, y, z), axis=-1)


class Placed(NamedTuple):
    """N bodies in front of a camera, of which K joints are wanted."""

    translation_m: Floats  # [N, 3], what takes the body frame to the camera's, m
    depth_m: Array  # [N], of the roots
    joints_m: Floats  # [N, K, 3], camera optical frame
    joints_px: Floats  # [N, K, 2], finite even behind the camera (Camera.project_bodies)
    joints_square: Floats  # [N, K, 2], the same in square coordinates
    inside: npt.NDArray[np.bool_]  # [N, K], on the image itself


def place(joints: Floats, weak_camera: Floats, letterbox: Letterbox, camera: Camera) -> Placed:
    """Bodies with joints float32 [N, K, 3] in their own frame, the root first, where the network's
    (s, tx, ty) [N, 3] have them; see place_bodies."""
    body_joints = joints.astype(np.float64)
    root = place_bodies(body_joints - body_joints[:, :1], weak_camera, letterbox, camera)
    translation = root - body_joints[:, 0]
    joints_m = body_joints + translation[:, None]
    joints_px = camera.project_bodies(joints_m, root[:, 2])
    return Placed(
        translation.astype(np.float32),
        root[:, 2],
        joints_m.astype(np.float32),
        joints_px.astype(np.float32),
        letterbox.square_from_px(joints_px).astype(np.float32),
        camera.contains(joints_px),
    )


def place_bodies(
    offsets: npt.ArrayLike, weak_camera: npt.ArrayLike, letterbox: Letterbox, camera: Camera
) -> Array:
    """Roots (pelvis) of N bodies, [N, 3], m, camera optical frame.

    offsets [N, K, 3]: joints measured from the root, camera axes, m. weak_camera [N, 3]: the
    network's (s, tx, ty), which place the joints in the distorted image.

    Pinhole: z = f / s, and the root's ray. With a lens, s and t describe the distorted image, whose
    scale varies over the image. The root minimises the distance between the joints projected
    through the lens and those by s and t (least squares, the network's 2-D loss).
    It starts from the joints' and the root's undistorted rays. Without distortion both agree.
    """
    offsets, weak_camera = np.asarray(offsets, np.float64), np.asarray(weak_camera, np.float64)
    square = letterbox.camera(camera)
    pinhole = root_from_weak_perspective(weak_camera, square)
    if camera.lens is None or len(weak_camera) == 0:
        return pinhole
    joints, gradient = _described(offsets, weak_camera, square)
    first = _from_rays(offsets, camera.rays(letterbox.px_from_square(joints)), pinhole)
    root = first

    def imbalance(root: Array) -> Array:
        px = camera.project_bodies(root[:, None] + offsets, root[:, 2])
        residual = joints - letterbox.square_from_px(px)
        return np.asarray(np.einsum("nkip,nki->np", gradient, residual))

    step = np.zeros_like(root)
    for _ in range(_NEWTON_STEPS):
        step = _newton_step(imbalance, root)
        # a step never halves or doubles the distance
        share = np.linalg.norm(step, axis=1) / (0.5 * root[:, 2])
        root = root + step / np.maximum(share, 1.0)[:, None]
    settled = np.linalg.norm(step, axis=1) < _CONVERGED * root[:, 2]
    return np.where(settled[:, None], root, first)


def _described(offsets: Array, weak_camera: Array, square: SquareCamera) -> tuple[Array, Array]:
    """Joints in square coordinates [N, K, 2] as the network's camera has them (see
    camera.project_from_weak), and their derivative by (log s, tx, ty), [N, K, 2, 3]."""
    aspect = np.array([square.fx, square.fy]) / square.focal  # pixels need not be square
    scale, shift = weak_camera[:, None, :1], weak_camera[:, None, 1:]
    center = np.array([square.px, square.py])
    z = scale * offsets[..., 2:] / square.focal
    near = 1 + z <= MIN_DEPTH_RATIO
    depth = np.where(near, MIN_DEPTH_RATIO, 1 + z)
    spread = scale * aspect * offsets[..., :2]
    from_center = (spread + shift - center) / depth
    gradient = np.zeros((*offsets.shape[:2], 2, 3))
    gradient[..., 0] = spread / depth - np.where(near, 0.0, z) * from_center / depth
    gradient[..., 1:] = np.eye(2) / depth[..., None]
    return center + from_center, gradient


def _newton_step(imbalance: Callable[[Array], Array], root: Array) -> Array:
    """The step [N, 3] that makes imbalance [N, 3] zero to first order (central differences)."""
    size = 1e-5 * root[:, 2:]
    columns = [
        (imbalance(root + size * axis) - imbalance(root - size * axis)) / (2 * size)
        for axis in np.eye(3)
    ]
    slope = np.stack(columns, axis=-1)
    # A body that no longer moves in the image (far outside it) has no step rather than no answer.
    return np.asarray(-(np.linalg.pinv(slope) @ imbalance(root)[..., None])[..., 0])


def _from_rays(offsets: Array, rays: Array, pinhole: Array) -> Array:
    """Roots [N, 3] that bring the joints nearest to their rays [N, K, 2]: linear least squares of
    X + Tx = u (Z + Tz), and likewise y. pinhole [N, 3] decides where all rays are one."""
    rows = np.zeros((*rays.shape, 3))
    rows[..., 0, 0] = rows[..., 1, 1] = 1
    rows[..., 2] = -rays
    right = rays * offsets[..., 2:] - offsets[..., :2]
    normal = np.einsum("nkap,nkaq->npq", rows, rows) + _RIDGE * np.eye(3)
    sides = np.einsum("nkap,nka->np", rows, right) + _RIDGE * pinhole
    root = np.linalg.solve(normal, sides[..., None])[..., 0]
    root[:, 2] = np.maximum(root[:, 2], 0.1 * pinhole[:, 2])  # never behind the camera
    return np.asarray(root)
