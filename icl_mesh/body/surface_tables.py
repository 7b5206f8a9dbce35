"""A body's surface in the layout of the kernel src/surface.cpp: per vertex, non-zero entries only.

V vertices, N people, J = 24 joints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from icl_mesh.body.layout import BETA_COUNT, JOINT_COUNT

if TYPE_CHECKING:
    from icl_mesh.body.model import BodyModel

Floats = npt.NDArray[np.floating[Any]]


class SurfaceTables(NamedTuple):
    """The fields of src/people.hpp. Vertex v has the entries start[v] to start[v + 1]."""

    template: Floats  # [V, 3], m
    shape_directions: Floats  # [V, 3, 10]
    pose_start: npt.NDArray[np.int32]  # [V + 1]
    pose_joint: npt.NDArray[np.uint8]  # [P]: the joint of the pose blend shape, minus one
    pose_directions: Floats  # [P, 3, 9], per entry of its rotation minus identity
    weight_start: npt.NDArray[np.int32]  # [V + 1]
    weight_joint: npt.NDArray[np.uint8]  # [W]
    weight: Floats  # [W]

    @classmethod
    def of(cls, body: BodyModel, vertices: npt.NDArray[np.int64] | None = None) -> SurfaceTables:
        """All or some vertices of a body on the CPU."""
        chosen = np.arange(body.vertex_count) if vertices is None else vertices
        shape = body.shape_directions.numpy().reshape(BETA_COUNT, -1, 3)[:, chosen]
        pose_start = np.zeros(len(chosen) + 1, np.int32)
        pose_joint, pose_directions = np.zeros(0, np.uint8), np.zeros((0, 3, 9), np.float32)
        if body.pose_directions is not None:
            by_joint = body.pose_directions.numpy().reshape(JOINT_COUNT - 1, 9, -1, 3)
            # Joint by joint, without a second copy of the mostly zero directions.
            bends = np.stack([(one != 0).any(axis=(0, 2))[chosen] for one in by_joint], axis=1)
            pose_start, pose_joint = _listed(bends)
            at = chosen[np.nonzero(bends)[0]]
            pose_directions = np.empty((len(at), 3, 9), np.float32)
            for joint, one in enumerate(by_joint):
                rows = pose_joint == joint
                pose_directions[rows] = one[:, at[rows]].transpose(1, 2, 0)
        weights = body.skinning_weights.numpy()[chosen]
        return cls(
            np.ascontiguousarray(body.template.numpy()[chosen]),
            np.ascontiguousarray(shape.transpose(1, 2, 0)),
            pose_start,
            pose_joint,
            pose_directions,
            *_listed(weights != 0),
            weights[weights != 0],
        )


def _listed(taken: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """Compressed rows of a mask [V, C]: start of each row [V + 1], and its column indices."""
    start = np.concatenate(([0], np.cumsum(taken.sum(axis=1))))
    return start.astype(np.int32), np.nonzero(taken)[1].astype(np.uint8)
