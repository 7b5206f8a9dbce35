"""Cloth and hair off the body's surface: skirts, hanging hair, brims. World frame, m."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from icl_mesh.rendering import Material, RenderMesh
from icl_mesh_training.scenes.render.cameras import View
from icl_mesh_training.scenes.render.solids import Solid, grid_faces

FloatArray = npt.NDArray[np.float32]
SKIRT_SIDES, SKIRT_ROWS = 30, 9


def skirt(
    rng: np.random.Generator, vertices: FloatArray, joints: FloatArray, length: float
) -> Solid | None:
    """A skirt around posed legs, from the waist down.

    vertices: [K, 3] of hips and legs. joints: [24, 3]. length: 0 (waist) to 1 (ankles). The cloth
    encloses the legs at each height and never narrows downwards. None where the thighs point too
    far apart.
    """
    thighs = joints[[4, 5]] - joints[[1, 2]]
    thighs = thighs / np.linalg.norm(thighs, axis=1, keepdims=True)
    if thighs[0] @ thighs[1] < 0.6:
        return None
    top = joints[0] + 0.35 * (joints[3] - joints[0])
    axis = joints[[4, 5]].mean(axis=0) - top
    to_knee = float(np.linalg.norm(axis))
    axis = axis / to_knee
    hangs = -axis[1] > 0.75  # a seated person's skirt ends at the knees
    reach = to_knee * (2.0 * length if hangs else min(2.0 * length, 1.05))
    left = joints[1] - joints[2]
    left = left - axis * (left @ axis)
    left /= np.linalg.norm(left)
    front = np.cross(left, axis)
    relative = vertices - top
    depth = relative @ axis
    across, ahead = relative @ left, relative @ front
    angle = np.linspace(0, 2 * np.pi, SKIRT_SIDES, endpoint=False)
    rays = np.stack((np.cos(angle), np.sin(angle)))
    along = np.linspace(0, reach, SKIRT_ROWS)
    flat = np.stack((across, ahead), axis=1)
    widest = np.full(SKIRT_SIDES, 0.05)
    flare, rows = rng.uniform(0.0, 0.35), []
    folds = 1 + rng.uniform(0, 0.12) * np.sin(rng.integers(4, 12) * angle + rng.uniform(0, 6))
    for t in along:
        near = np.abs(depth - t) < 0.06
        if near.any():
            widest = np.maximum(widest, (flat[near] @ rays).max(axis=0) + 0.015)
        radius = widest * (1 + flare * t) * (1 + (folds - 1) * min(1.0, 4 * t))
        # the support function's envelope bulges at corners: 3 % less keeps the ring round
        ring = (rays * (radius * 0.97)).T
        rows.append(top + axis * t + ring[:, :1] * left + ring[:, 1:] * front)
    cloth = np.stack(rows)
    return _sheet(cloth, (3.0, 2.0 * reach), closed=True)


@dataclass(frozen=True)
class Skull:
    """The head as an ellipse seen from above, relative to the head joint in the T-pose, m.

    top: height of the crown. half_width, half_depth: half axes. centre_z: of the ellipse.
    """

    top: float
    half_width: float
    half_depth: float
    centre_z: float

    @classmethod
    def measure(cls, vertices: FloatArray, joint: FloatArray) -> Skull:
        """From the head's T-pose vertices [K, 3]: a slice through the forehead."""
        local = vertices - joint
        top = float(local[:, 1].max())
        ring = local[np.abs(local[:, 1] - 0.62 * top) < 0.12 * top]
        low, high = ring.min(axis=0), ring.max(axis=0)
        centre_z, half_depth = float(low[2] + high[2]) / 2, float(high[2] - low[2]) / 2
        return cls(top, float(high[0] - low[0]) / 2, half_depth, centre_z)


def hanging_hair(
    rng: np.random.Generator,
    head_rotation: npt.NDArray[np.float64],
    head: FloatArray,
    skull: Skull,
    length: float,
) -> Solid:
    """Hair that hangs from the back and sides of the head.

    head_rotation: [3, 3] world from T-pose. head: position of the head joint. length: below the
    head joint, m.
    """
    angle = np.linspace(np.pi * 1.12, -np.pi * 0.12, 20)
    rows = []
    swing, wide = rng.uniform(0.0, 0.5), rng.uniform(1.03, 1.2)
    for t in np.linspace(0, 1, 9):
        down = 0.62 * skull.top - t * (0.62 * skull.top + length)
        wave = (1 + 0.04 * np.sin(9 * angle + 5 * t)) * wide * (1 - 0.2 * max(0, t - 0.6))
        local = np.stack(
            (
                np.cos(angle) * skull.half_width * wave,
                np.full_like(angle, down),
                skull.centre_z - np.sin(angle) * skull.half_depth * wave,
            ),
            axis=1,
        )
        # the lower the hair, the less it follows the head's rotation: gravity
        mixed = np.eye(3) * swing * t + head_rotation * (1 - swing * t)
        u, _, vt = np.linalg.svd(mixed)
        rows.append(head + local @ (u @ vt).T)
    return _sheet(np.stack(rows), (2.0, 1.0), closed=False)


def brim(
    head_rotation: npt.NDArray[np.float64],
    head: FloatArray,
    skull: Skull,
    size: float,
    all_round: bool,
) -> Solid:
    """The brim of a hat (all_round) or a cap (in front). size: its width, m."""
    angle = np.linspace(0, 2 * np.pi, 24) if all_round else np.linspace(0.35, np.pi - 0.35, 14)
    rows = []
    for grow in (0.0, size):
        local = np.stack(
            (
                np.cos(angle) * (skull.half_width + grow),
                np.full_like(angle, 0.64 * skull.top - 0.2 * grow),
                skull.centre_z + np.sin(angle) * (skull.half_depth + grow),
            ),
            axis=1,
        )
        rows.append(head + local @ head_rotation.T)
    return _sheet(np.stack(rows), (1.0, 0.2), closed=False)


def _sheet(points: npt.NDArray[np.float64], uv_size: tuple[float, float], closed: bool) -> Solid:
    """points [R, C, 3] as a mesh; smooth normals point away from the rows' centres."""
    rows, columns = points.shape[:2]
    down = np.gradient(points, axis=0)
    if closed:
        around = (np.roll(points, -1, axis=1) - np.roll(points, 1, axis=1)) / 2
    else:
        around = np.gradient(points, axis=1)
    normals = np.cross(down, around)
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
    outward = points - points.mean(axis=1, keepdims=True)
    if np.sum(normals * outward) < 0:
        normals = -normals
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    uv = np.stack((u, v), axis=-1).reshape(-1, 2) * uv_size
    return Solid(
        points.reshape(-1, 3).astype(np.float32),
        normals.reshape(-1, 3).astype(np.float32),
        uv.astype(np.float32),
        grid_faces(rows, columns, closed),
    )


def drape_mesh(
    solid: Solid, view: View, instance: int, materials: tuple[Material, ...], slot: int = 0
) -> RenderMesh:
    """A solid in the camera frame. slot: index of its material."""
    coverage = np.full((len(solid.vertices), 4), -1, np.float32)
    if slot:
        coverage[:, slot - 1] = 1
    return RenderMesh(
        view.to_camera(solid.vertices).astype(np.float32),
        solid.faces,
        solid.normals @ view.rotation.T.astype(np.float32),
        instance,
        materials,
        solid.uv,
        solid.vertices,
        coverage,
    )
