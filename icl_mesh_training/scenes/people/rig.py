"""Forward kinematics and skinning of the body, with the intermediate results for clothes.

SMPL's body function (Loper et al. 2015, equations 6-12) as in icl_mesh.body. It also returns the
displacements of the T-posed skin and the transforms of the joints.
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
    """N bodies, m.

    moved: [N, V, 3], shape and pose displacements of the T-posed skin. transforms: [N, 24, 3, 4],
    joint transforms of T-posed points. vertices: [N, V, 3]. joints, rest_joints: [N, 24, 3].
    """

    moved: FloatArray
    transforms: FloatArray
    vertices: FloatArray
    joints: FloatArray
    rest_joints: FloatArray


class Rig:
    """A body model's arrays, for posing in numpy."""

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
        rotations = Rotation.from_rotvec(rotvec.reshape(-1, 3)).as_matrix()
        rotations = rotations.reshape(count, 24, 3, 3).astype(np.float32)
        moved = betas @ self._shapes
        if self._poses is not None:
            moved += (rotations[:, 1:] - np.eye(3, dtype=np.float32)).reshape(
                count, -1
            ) @ self._poses
        moved = moved.reshape(count, -1, 3)
        rest = self._joints + (betas @ self._joint_shapes).reshape(count, 24, 3)
        world, joints = rotations.copy(), rest.copy()
        for joint in range(1, 24):
            parent = self.parents[joint]
            world[:, joint] = world[:, parent] @ rotations[:, joint]
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
    rotated = (blended[..., :3] @ points[..., None])[..., 0]
    return np.asarray(rotated + blended[..., 3], dtype=np.float32)
