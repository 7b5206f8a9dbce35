"""Simple solids: furniture, poles, blobs. World frame of a scene: y up, the floor at y = 0, m."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

FloatArray = npt.NDArray[np.float32]


@dataclass
class Solid:
    """A textured mesh in the world frame. vertices, normals [V, 3]; uv [V, 2]; faces [F, 3]."""

    vertices: FloatArray
    normals: FloatArray
    uv: FloatArray
    faces: npt.NDArray[np.int32]

    def moved(self, rotation: Rotation, to: npt.ArrayLike) -> Solid:
        """Rotated about the origin, then translated by ``to``, m."""
        return Solid(
            (rotation.apply(self.vertices) + np.asarray(to)).astype(np.float32),
            rotation.apply(self.normals).astype(np.float32),
            self.uv,
            self.faces,
        )


def grid_faces(rows: int, columns: int, closed: bool) -> npt.NDArray[np.int32]:
    """Triangles [F, 3] of a grid of vertices. closed: the last column joins the first."""
    wrap = columns if closed else columns - 1
    r, c = (v.ravel() for v in np.mgrid[0 : rows - 1, 0:wrap])
    a, b = r * columns + c, r * columns + (c + 1) % columns
    faces = np.stack((np.stack((a, b, a + columns), 1), np.stack((b, b + columns, a + columns), 1)))
    return faces.reshape(-1, 3).astype(np.int32)


_CORNERS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=np.float32)


def box(size: npt.ArrayLike) -> Solid:
    """A box of size (x, y, z), m, centred at the origin."""
    half = np.asarray(size, dtype=np.float32) / 2
    vertices: list[FloatArray] = []
    normals: list[FloatArray] = []
    uv: list[FloatArray] = []
    faces: list[npt.NDArray[np.int64]] = []
    for axis in range(3):
        others = [(axis + 1) % 3, (axis + 2) % 3]
        for sign in (-1.0, 1.0):
            corner = np.zeros((4, 3), np.float32)
            corner[:, axis] = sign
            corner[:, others] = _CORNERS
            normal = np.zeros((4, 3), np.float32)
            normal[:, axis] = sign
            faces.append(np.array([[0, 1, 2], [0, 2, 3]]) + 4 * len(vertices))
            vertices.append((corner * half).astype(np.float32))
            normals.append(normal)
            uv.append((_CORNERS * half[others]).astype(np.float32))
    return Solid(
        np.concatenate(vertices),
        np.concatenate(normals),
        np.concatenate(uv),
        np.concatenate(faces).astype(np.int32),
    )


def tube(points: npt.ArrayLike, radii: npt.ArrayLike, sides: int = 14) -> Solid:
    """A tube along ``points`` [K, 3] with ``radii`` [K], m: poles, trunks, bats, limb-like rods."""
    centres, radius = np.asarray(points, np.float64), np.asarray(radii, np.float64)
    along = np.gradient(centres, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    helper = np.array([1.0, 0, 0]) if abs(along[0, 0]) < 0.8 else np.array([0, 0, 1.0])
    u = np.cross(helper, along)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    v = np.cross(along, u)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = np.cos(angle)[None, :, None] * u[:, None] + np.sin(angle)[None, :, None] * v[:, None]
    vertices = centres[:, None] + ring * radius[:, None, None]
    length = np.concatenate(([0], np.cumsum(np.linalg.norm(np.diff(centres, axis=0), axis=1))))
    uv = np.stack(np.broadcast_arrays(np.linspace(0, 1, sides)[None], length[:, None]), axis=-1)
    return Solid(
        vertices.reshape(-1, 3).astype(np.float32),
        ring.reshape(-1, 3).astype(np.float32),
        uv.reshape(-1, 2).astype(np.float32),
        grid_faces(len(centres), sides, closed=True),
    )


def blob(rng: np.random.Generator, radii: npt.ArrayLike, rough: float = 0.15) -> Solid:
    """A bumpy ellipsoid with half axes ``radii`` [3], m, centred at the origin."""
    rows, columns = 14, 20
    polar, azimuth = np.meshgrid(
        np.linspace(0.01, np.pi - 0.01, rows),
        np.linspace(0, 2 * np.pi, columns, endpoint=False),
        indexing="ij",
    )
    unit = np.stack(
        (np.sin(polar) * np.cos(azimuth), np.cos(polar), np.sin(polar) * np.sin(azimuth)), axis=-1
    ).reshape(-1, 3)
    waves = rng.normal(0, 3, (5, 3))
    bumps = 1 + rough * np.sin(unit @ waves.T + rng.uniform(0, 6, 5)).sum(axis=1) / 2
    half = np.asarray(radii, dtype=np.float64)
    normals = unit / half
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    uv = np.stack((azimuth / np.pi, polar / np.pi), axis=-1).reshape(-1, 2)
    return Solid(
        (unit * bumps[:, None] * half).astype(np.float32),
        normals.astype(np.float32),
        uv.astype(np.float32),
        grid_faces(rows, columns, closed=True),
    )


def cutout(rng: np.random.Generator, size: tuple[float, float]) -> Solid:
    """A flat irregular shape of about size (x, y), m, in the plane z = 0, facing +z."""
    count = 24
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    radius = np.ones(count)
    for k in range(1, 6):
        radius += rng.normal(0, 0.22 / k) * np.sin(k * angle + rng.uniform(0, 6))
    radius = np.clip(radius, 0.3, 1.7)
    if rng.random() < 0.4:  # squarish
        radius /= np.maximum(np.abs(np.cos(angle)), np.abs(np.sin(angle)))
    rim_xy = np.stack((np.cos(angle), np.sin(angle)), axis=1) * radius[:, None]
    flat = np.concatenate((np.zeros((1, 2)), rim_xy)) * 0.5
    vertices = np.column_stack((flat * size, np.zeros(count + 1))).astype(np.float32)
    rim = np.arange(count)
    faces = np.stack((np.zeros(count), 1 + rim, 1 + (rim + 1) % count), axis=1).astype(np.int32)
    normals = np.tile(np.array([[0, 0, 1]], np.float32), (count + 1, 1))
    uv = (flat * [1, -1] + 0.5).astype(np.float32)
    return Solid(vertices, normals, uv, faces)


def panel(corners: npt.ArrayLike, uv_size: tuple[float, float]) -> Solid:
    """A flat quadrilateral. corners: [4, 3] m, counter-clockwise seen from its front."""
    at = np.asarray(corners, dtype=np.float32)
    normal = np.cross(at[1] - at[0], at[3] - at[0])
    normal /= np.linalg.norm(normal)
    uv = (_CORNERS * 0.5 + 0.5) * np.asarray(uv_size, np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    return Solid(at, np.tile(normal, (4, 1)).astype(np.float32), uv.astype(np.float32), faces)


def table(size: npt.ArrayLike, rng: np.random.Generator) -> list[Solid]:
    """A table with four legs (or a closed block); size (x, y, z), m, standing on y = 0."""
    x, y, z = np.asarray(size, dtype=np.float64)
    none = Rotation.identity()
    if rng.random() < 0.4:
        return [box((x, y, z)).moved(none, (0, y / 2, 0))]
    parts = [box((x, 0.05, z)).moved(none, (0, y - 0.025, 0))]
    for sx in (-1, 1):
        for sz in (-1, 1):
            at = (sx * (x / 2 - 0.04), y / 2, sz * (z / 2 - 0.04))
            parts.append(box((0.05, y, 0.05)).moved(none, at))
    return parts


def chair(seat_y: float, rng: np.random.Generator) -> list[Solid]:
    """A chair or stool, facing +z, centred at x = z = 0. seat_y: height of the seat, m."""
    width, none = rng.uniform(0.38, 0.6), Rotation.identity()
    if rng.random() < 0.5:
        parts = [box((width, seat_y, width)).moved(none, (0, seat_y / 2, 0))]
    else:
        parts = table((width, seat_y, width), rng)
    if rng.random() < 0.6:
        tall = rng.uniform(0.25, 0.6)
        at = (0, seat_y + tall / 2 + 0.05, -width / 2 - 0.02)
        parts.append(box((width, tall, 0.05)).moved(none, at))
    return parts
