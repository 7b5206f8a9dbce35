"""The body's skinning in parts, so that clothes can take part in it.

SMPL's body function (Loper et al. 2015, equations 6-12) as in icl_mesh.body, but it also gives
what a garment needs: displacements of the T-posed skin and the transforms of the joints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

if TYPE_CHECKING:
    from icl_mesh.body import BodyModel

FloatArray = npt.NDArray[np.float32]


@dataclass
class Posed:
    """N bodies. moved: [N, V, 3] m, T-posed skin minus template (shape and pose); transforms:
    [N, 24, 3, 4] of the T-posed points; vertices: [N, V, 3]; joints, rest_joints: [N, 24, 3]."""

    moved: FloatArray
    transforms: FloatArray
    vertices: FloatArray
    joints: FloatArray
    rest_joints: FloatArray


class Rig:
    """Arrays of a body model, for posing on the CPU."""

    def __init__(self, body: BodyModel) -> None:
        self.template = body.template.numpy()
        self.weights = body.skinning_weights.numpy()
        self.parents = body.parents
        self._shapes = body.shape_directions.numpy()
        self._poses = None if body.pose_directions is None else body.pose_directions.numpy()
        self._joints = body.joint_template.numpy()
        self._joint_shapes = body.joint_shape_directions.numpy()

    def pose(self, betas: FloatArray, rotvec: npt.NDArray[np.float64]) -> Posed:
        """Bodies with betas [N, 10] and rotation vectors [N, 24, 3]."""
        count = len(betas)
        turns = Rotation.from_rotvec(rotvec.reshape(-1, 3)).as_matrix()
        turns = turns.reshape(count, 24, 3, 3).astype(np.float32)
        moved = betas @ self._shapes
        if self._poses is not None:
            moved += (turns[:, 1:] - np.eye(3, dtype=np.float32)).reshape(count, -1) @ self._poses
        moved = moved.reshape(count, -1, 3)
        rest = self._joints + (betas @ self._joint_shapes).reshape(count, 24, 3)
        world, joints = turns.copy(), rest.copy()
        for joint in range(1, 24):
            parent = self.parents[joint]
            world[:, joint] = world[:, parent] @ turns[:, joint]
            step = (rest[:, joint] - rest[:, parent])[..., None]
            joints[:, joint] = joints[:, parent] + (world[:, parent] @ step)[..., 0]
        shift = joints - (world @ rest[..., None])[..., 0]
        transforms = np.concatenate((world, shift[..., None]), axis=-1)
        vertices = np.stack(
            [
                skin(self.template + m, self.weights, t)
                for m, t in zip(moved, transforms, strict=True)
            ]
        )
        return Posed(moved, transforms, vertices, joints, rest)


def skin(points: FloatArray, weights: FloatArray, transforms: FloatArray) -> FloatArray:
    """Linear blend skinning of T-posed points [V, 3]: weights [V, 24], transforms [24, 3, 4]."""
    blended = (weights @ transforms.reshape(24, 12)).reshape(-1, 3, 4)
    turned = (blended[..., :3] @ points[..., None])[..., 0]
    return np.asarray(turned + blended[..., 3], dtype=np.float32)
