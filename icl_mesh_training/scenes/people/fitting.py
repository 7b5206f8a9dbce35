"""Fits clothes of MakeHuman's base mesh to the default body: T-pose vertices, skinning weights.

A cloth vertex is bound to the nearest point of the body's surface (a triangle and its barycentric
weights), with a constant offset. It follows the skin's shape and pose displacements and its
skinning, smoothed over the cloth so that folds of the skin leave no creases.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from trimesh.triangles import closest_point, points_to_barycentric

from icl_mesh.rendering import NormalOperator
from icl_mesh_training.scenes.people.mhclo import Cloth

FloatArray = npt.NDArray[np.float32]

#: Least distance of cloth from the skin below it, m.
CLEARANCE_M = 0.004


@dataclass
class Garment:
    """A cloth on the default body. V cloth vertices, B body vertices, R rows (texture seams).

    rest: [V, 3] T-pose, m. weights: [V, 24] skinning. follow: [V, B], its product with the body's
    displacements is the cloth's. hold: [V, B], barycentric weights; follow is hold, smoothed.
    row_vertex: [R]. row_faces: [F, 3] of rows. uv: [R, 2], v down. hides: [B] skin below the
    cloth. upper: [V] whether the vertex belongs to an upper garment.
    """

    name: str
    rest: FloatArray
    weights: FloatArray
    follow: sparse.csr_matrix
    hold: sparse.csr_matrix
    normals: NormalOperator
    row_vertex: npt.NDArray[np.int64]
    row_faces: npt.NDArray[np.int32]
    uv: FloatArray
    hides: npt.NDArray[np.bool_]
    upper: npt.NDArray[np.bool_]


class Fitter:
    """Fits clothes to a body.

    template: T-pose [B, 3] m; weights: [B, 24]; faces: [F, 3]; base_index: [B] indices in the
    base mesh; base: the base mesh [19158, 3] m in its own rest pose.
    """

    def __init__(
        self,
        template: FloatArray,
        weights: FloatArray,
        faces: npt.NDArray[np.integer],
        base_index: npt.NDArray[np.integer],
        base: npt.NDArray[np.float64],
    ) -> None:
        self._template, self._weights, self._faces = template, weights, np.asarray(faces)
        self._base_index, self._bare = base_index, base[base_index]
        self._corners = self._bare[self._faces]
        self._tree = cKDTree(self._corners.mean(axis=1))
        self._joint_rotations = self._fit_joint_rotations()

    def fit(self, cloth: Cloth) -> Garment:
        """One cloth on this body."""
        triangle, nearest = self._nearest(cloth.vertices)
        shares = points_to_barycentric(self._corners[triangle], nearest)
        count = len(cloth.vertices)
        hold = sparse.csr_matrix(
            (
                np.clip(shares, 0, 1).ravel().astype(np.float32),
                (np.repeat(np.arange(count), 3), self._faces[triangle].ravel()),
            ),
            shape=(count, len(self._template)),
        )
        smooth = _smoothing(cloth.faces, count)
        follow = smooth @ (smooth @ (smooth @ hold))
        weights = np.asarray(follow @ self._weights)
        rotations = np.einsum("vj,jab->vab", hold @ self._weights, self._joint_rotations)
        offset = np.einsum("vab,vb->va", rotations, cloth.vertices - nearest)
        rest = (hold @ self._template + offset).astype(np.float32)
        pairs, inverse = np.unique(
            np.stack((cloth.faces.ravel(), cloth.uv_faces.ravel()), axis=1),
            axis=0,
            return_inverse=True,
        )
        return Garment(
            name=cloth.name,
            rest=rest,
            weights=weights / weights.sum(axis=1, keepdims=True),
            follow=follow.tocsr(),
            hold=hold,
            normals=NormalOperator(cloth.faces, count),
            row_vertex=pairs[:, 0],
            row_faces=inverse.reshape(-1, 3).astype(np.int32),
            uv=(cloth.uv[pairs[:, 1]] * [1, -1] + [0, 1]).astype(np.float32),
            hides=cloth.hides[self._base_index],
            upper=_upper_parts(cloth, rest),
        )

    def _nearest(
        self, points: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """The nearest triangle of each point, and the nearest point on it."""
        candidates = self._tree.query(points, k=12)[1]
        each = np.repeat(points, candidates.shape[1], axis=0)
        nearest = closest_point(self._corners[candidates.ravel()], each)
        nearest = nearest.reshape(*candidates.shape, 3)
        best = np.linalg.norm(nearest - points[:, None], axis=-1).argmin(axis=1)
        rows = np.arange(len(points))
        return candidates[rows, best], nearest[rows, best]

    def _fit_joint_rotations(self) -> npt.NDArray[np.float64]:
        """Scaled rotations [24, 3, 3] of each joint's skin from the base mesh to the T-pose."""
        rotations = np.tile(np.eye(3), (24, 1, 1))
        for joint in range(24):
            share = self._weights[:, joint] ** 2
            if share.sum() < 1:
                continue
            share = share / share.sum()
            before = self._bare - share @ self._bare
            after = self._template - share @ self._template
            rotation, _ = Rotation.align_vectors(after, before, weights=share)
            spread = np.sqrt(share @ (after**2).sum(axis=1) / (share @ (before**2).sum(axis=1)))
            rotations[joint] = rotation.as_matrix() * spread
        return rotations


def _smoothing(faces: npt.NDArray[np.int64], count: int) -> sparse.csr_matrix:
    """[V, V]: the mean of each vertex and the mean of its neighbours."""
    rows, columns = faces.ravel(), np.roll(faces, 1, axis=1).ravel()
    ones = np.ones(len(rows), np.float32)
    graph = sparse.coo_matrix((ones, (rows, columns)), shape=(count, count))
    graph = ((graph + graph.T) > 0).astype(np.float32).tocsr()
    degree = np.maximum(np.asarray(graph.sum(axis=1)).ravel(), 1)
    mean = sparse.diags((0.5 / degree).astype(np.float32)) @ graph
    return (mean + 0.5 * sparse.identity(count, dtype=np.float32)).tocsr()


def _upper_parts(cloth: Cloth, rest: FloatArray) -> npt.NDArray[np.bool_]:
    """Vertices [V] of connected parts whose mean lies above the hips: shirts, jackets."""
    rows, columns = cloth.faces.ravel(), np.roll(cloth.faces, 1, axis=1).ravel()
    count = len(rest)
    graph = sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    parts, label = sparse.csgraph.connected_components(graph, directed=False)
    height = np.bincount(label, rest[:, 1], parts) / np.maximum(np.bincount(label), 1)
    return np.asarray(height[label] > 0.0)
