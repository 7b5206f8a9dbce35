"""Forward kinematics on the host, and linear blend skinning on the body's device, for inference.

BodyModel does both in one differentiable function. Here they are separate, because the joints
determine the body's position before its surface is skinned. The translation is part of the bones'
transforms, so vertices are computed in the camera frame directly. On the CPU
icl_mesh.decode.reader uses kernels.Surface instead. N people, J = 24 joints, V vertices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.body.layout import BETA_COUNT, JOINT_COUNT, POSE_FEATURES

if TYPE_CHECKING:
    from icl_mesh.body.model import BodyModel, Surface

Floats = npt.NDArray[np.floating[Any]]

#: On the CPU transforms are blended in blocks of so many numbers, which stay in a core's cache:
#: that saves a third of the time for the meshes of eight people.
CACHED_NUMBERS = 200_000
_BONES = 12 * JOINT_COUNT


class Skeletons(NamedTuple):
    """N posed skeletons in the body frame, float32, with their shapes and rotations."""

    joints: Floats  # [N, J, 3], m
    world: Floats  # [N, J, 3, 3], of each bone
    rest: Floats  # [N, J, 3], joints of the T-pose, m
    betas: Floats  # [N, 10]
    rotations: Floats  # [N, J, 3, 3], relative to the parent


class BodyKinematics:
    """Forward kinematics and skinning of one body model; its skeleton is copied to the host once.

    extreme_index [P]: the extreme vertices, as rows of the mesh (BodyModel.extreme_index).
    """

    def __init__(self, body: BodyModel) -> None:
        self._body = body
        self._rest = body.joint_template.cpu().numpy().reshape(-1)
        self._rest_directions = body.joint_shape_directions.cpu().numpy()
        self._parents = body.parent_index.cpu().numpy()
        self._ancestors = body.ancestors.cpu().numpy()
        self.extreme_index = body.extreme_index.cpu().numpy()

    @property
    def skeleton_tables(self) -> tuple[npt.NDArray[Any], ...]:
        """Joints of the mean shape [24 * 3], m; their change per beta [10, 24 * 3]; each joint's
        parent, int64 [24]."""
        return self._rest, self._rest_directions, self._parents

    def skeletons(self, betas: Floats, rotations: Floats) -> Skeletons:
        """Forward kinematics: betas [N, 10], rotations [N, 24, 3, 3] (relative to the parent).

        Each joint's transform starts relative to its parent. Every round composes it with the
        transform of the joint that it is relative to, which doubles the number of steps covered.
        """
        count = len(betas)
        rest = (self._rest + betas @ self._rest_directions).reshape(count, JOINT_COUNT, 3)
        chains = np.zeros((count, JOINT_COUNT + 1, 4, 4), np.float32)
        bones = chains[:, :JOINT_COUNT]
        bones[..., :3, :3] = rotations
        bones[..., :3, 3] = rest
        bones[:, 1:, :3, 3] -= rest[:, self._parents[1:]]
        bones[..., 3, 3] = 1
        chains[:, JOINT_COUNT] = np.eye(4)
        for above in self._ancestors:
            chains = chains[:, above] @ chains
        bones = chains[:, :JOINT_COUNT, :3]
        return Skeletons(bones[..., 3], bones[..., :3], rest, betas, rotations)

    @torch.inference_mode()
    def mesh(self, skeletons: Skeletons, translation: Floats) -> torch.Tensor:
        """Vertices [N, V, 3] on the body's device, moved by translation [N, 3], m."""
        return self._placed(self._body.surface("mesh"), skeletons, translation)

    @torch.inference_mode()
    def extreme(self, skeletons: Skeletons, translation: Floats) -> torch.Tensor:
        """As mesh, with only the vertices of extreme_index."""
        return self._placed(self._body.surface("extreme"), skeletons, translation)

    def _placed(self, surface: Surface, skeletons: Skeletons, translation: Floats) -> torch.Tensor:
        joints, world, rest, betas, rotations = skeletons
        count = len(betas)
        bones = np.empty((count, 3, 4, JOINT_COUNT), np.float32)
        bones[:, :, :3] = np.moveaxis(world, 1, -1)
        bones[:, :, 3] = np.moveaxis(joints - (world @ rest[..., None])[..., 0], 1, -1)
        bones[:, :, 3] += translation[..., None]
        feature = rotations[:, 1:] - np.eye(3, dtype=np.float32)
        sizes = [BETA_COUNT, POSE_FEATURES, _BONES]
        parts = zip((betas, feature, bones), sizes, strict=True)
        packed = np.concatenate([part.reshape(count, size) for part, size in parts], axis=1)
        on_device = torch.from_numpy(packed).to(surface.template.device)
        return _skinned(surface, *on_device.split(sizes, dim=1))


def _skinned(
    surface: Surface, betas: torch.Tensor, feature: torch.Tensor, bones: torch.Tensor
) -> torch.Tensor:
    """Betas [N, 10], rotations minus identity [N, 207], bones' transforms in the order row, column,
    joint [N, 12 * J] -> vertices [N, V, 3], m (Loper et al. 2015, equations 6-12)."""
    count, size = len(betas), surface.template.shape[1]
    unposed = torch.addmm(surface.template.reshape(1, -1), betas, surface.shape_directions)
    if surface.pose_directions is not None:
        if surface.pose_directions.layout == torch.sparse_csr:
            unposed += (surface.pose_directions @ feature.T).T
        else:
            unposed.addmm_(feature, surface.pose_directions)
    unposed, bones = unposed.view(count, 3, size), bones.reshape(-1, JOINT_COUNT)
    vertices = torch.empty(count, size, 3, device=unposed.device)
    step = max(1, CACHED_NUMBERS // (12 * size)) if unposed.device.type == "cpu" else max(1, count)
    workspace = torch.empty(12 * min(step, count), size, device=unposed.device)
    for first in range(0, count, step):
        last = min(first + step, count)
        rows = bones[12 * first : 12 * last]
        # One matrix product: a batched one with the same weights takes twice as long.
        blended = torch.mm(rows, surface.skinning_weights, out=workspace[: len(rows)])
        columns = blended.view(-1, 3, 4, size)
        points = columns[:, :, 3]
        for axis in range(3):
            points.addcmul_(columns[:, :, axis], unposed[first:last, None, axis])
        vertices[first:last] = points.transpose(1, 2)
    return vertices
