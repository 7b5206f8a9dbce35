"""Meshes for the renderer: vertex attributes, smooth normals, concatenation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from icl_mesh.rendering.materials import Material

FloatArray = npt.NDArray[np.float32]

#: Floats per vertex in the renderer's buffer: position, normal, uv, rest, coverage, colour,
#: instance.
VERTEX_FLOATS = 3 + 3 + 2 + 3 + 4 + 3 + 1
VERTEX_FORMAT = "3f 3f 2f 3f 4f 3f 1f"
VERTEX_NAMES = (
    "in_position",
    "in_normal",
    "in_uv",
    "in_rest",
    "in_coverage",
    "in_color",
    "in_instance",
)


class NormalOperator:
    """Smooth (area-weighted) vertex normals of a fixed topology.

    faces: int [F, 3]; vertex_count: V.
    """

    def __init__(self, faces: npt.NDArray[np.integer], vertex_count: int) -> None:
        self.faces = np.ascontiguousarray(faces, dtype=np.int32)
        count = len(self.faces)
        self._vertex_from_face = sparse.csr_matrix(
            (
                np.ones(3 * count, dtype=np.float32),
                (self.faces.ravel(), np.repeat(np.arange(count), 3)),
            ),
            shape=(vertex_count, count),
        )

    def __call__(self, vertices: FloatArray) -> FloatArray:
        """Vertices [V, 3] -> outward unit normals [V, 3] (faces are counter-clockwise)."""
        a, b, c = vertices[self.faces[:, 0]], vertices[self.faces[:, 1]], vertices[self.faces[:, 2]]
        u, v = b - a, c - a
        face_normals = np.empty_like(u)
        face_normals[:, 0] = u[:, 1] * v[:, 2] - u[:, 2] * v[:, 1]
        face_normals[:, 1] = u[:, 2] * v[:, 0] - u[:, 0] * v[:, 2]
        face_normals[:, 2] = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
        normals = self._vertex_from_face @ face_normals
        length = np.sqrt(np.einsum("vi,vi->v", normals, normals))
        return (normals / np.maximum(length, 1e-12)[:, None]).astype(np.float32)


@dataclass
class RenderMesh:
    """One instance to draw.

    vertices: [V, 3] m, camera optical frame. faces: [F, 3]. normals: [V, 3] unit.
    instance: 0 is background, other ids appear in the instance map; at most 255.
    materials: by slot (see materials.SLOTS); coverage [V, 4] selects the slot (positive: covered
    by slot 1..4). uv [V, 2] and rest [V, 3]: for texture coordinates. color [V, 3] in [0, 1].
    """

    vertices: FloatArray
    faces: npt.NDArray[np.int32]
    normals: FloatArray
    instance: int = 0
    materials: tuple[Material, ...] = (Material(),)
    uv: FloatArray | None = None
    rest: FloatArray | None = None
    coverage: FloatArray | None = None
    color: FloatArray | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.instance <= 255:
            raise ValueError(f"instance id must lie in [0, 255], got {self.instance}")

    def packed(self) -> FloatArray:
        """Vertex buffer [V, VERTEX_FLOATS]."""
        buffer = np.zeros((len(self.vertices), VERTEX_FLOATS), dtype=np.float32)
        buffer[:, 0:3] = self.vertices
        buffer[:, 3:6] = self.normals
        if self.uv is not None:
            buffer[:, 6:8] = self.uv
        if self.rest is not None:
            buffer[:, 8:11] = self.rest
        buffer[:, 11:15] = -1.0 if self.coverage is None else self.coverage
        buffer[:, 15:18] = 1.0 if self.color is None else self.color
        buffer[:, 18] = self.instance
        return buffer


def join(meshes: Sequence[RenderMesh]) -> tuple[FloatArray, npt.NDArray[np.int32]]:
    """Vertex buffer [sum V, VERTEX_FLOATS] and faces [sum F, 3] of all meshes, in order."""
    if not meshes:
        return np.zeros((0, VERTEX_FLOATS), np.float32), np.zeros((0, 3), np.int32)
    starts = np.cumsum([0] + [len(m.vertices) for m in meshes[:-1]])
    faces = np.concatenate([m.faces + s for m, s in zip(meshes, starts, strict=True)])
    return np.concatenate([m.packed() for m in meshes]), faces.astype(np.int32)
