"""Fits pose blend shapes: linear correctives of linear blend skinning, as in SMPL.

Anny has none. The target is a skinning that distributes a limb's twist along the limb and blends
rotations as dual quaternions (Kavan et al. 2008), which keeps the volume at bends. Each vertex's
offsets are a linear function, by ridge regression, of the rotations of the few joints that deform
its skin. The regression is in the *posed* frame, which avoids the ill-conditioned inverse of the
skinning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import roma
import torch

from icl_mesh.body.layout import PARENTS, POSE_FEATURES
from icl_mesh.body.model import BodyModel

from .joints import MIRRORED_JOINT
from .poses import random_poses, wide_poses

Array = npt.NDArray[np.float64]

DUAL_SHARE = 0.8  # of dual quaternions in the target, the rest is linear: less bulging
MAX_JOINTS = 4  # per vertex
RIDGE = 0.004  # penalty of squared coefficients over the features' mean square
SMALLEST = 2e-4  # m; a joint's block with a smaller rms displacement of a vertex is dropped

# Twisting joint -> (segment's first joint, last joint, share of the twist at the first joint). The
# share of the twist grows linearly along the segment. The forearm takes the elbow's whole twist:
# linear offsets would thin it below the elbow.
_OWN_TWIST = {16: (16, 18, 0.0), 18: (18, 20, 1.0), 1: (1, 4, 0.0)}
_END_TWIST = {20: (18, 20)}


@dataclass
class TwistedSkinning:
    """The target skinning. weights: [V, 24], without the forearm's twist."""

    body: BodyModel
    weights: torch.Tensor

    def __post_init__(self) -> None:
        values, self.influences = self.weights.topk(4, dim=1)
        self.values = values / values.sum(1, keepdim=True)
        joints = self.body.joint_template
        self.along: dict[int, torch.Tensor] = {}
        self.axes: dict[int, torch.Tensor] = {}
        for left_first, left_last in ((16, 18), (18, 20), (1, 4)):
            for side in (0, 1):
                first, last = left_first + side, left_last + side
                bone = joints[last] - joints[first]
                self.axes[first] = bone / bone.norm()
                along = (self.body.template - joints[first]) @ bone / (bone @ bone)
                self.along[first] = along.clamp(0, 1)

    def _roll(self, rotations: torch.Tensor) -> dict[int, torch.Tensor]:
        """Angles [V] of each segment's skin about its bone, before the joint's transform."""
        rolls: dict[int, torch.Tensor] = {}
        for side in (0, 1):
            for joint, (first, _, start) in _OWN_TWIST.items():
                segment = first + side
                angle = _twist(rotations[joint + side], self.axes[segment])
                share = start + (1 - start) * self.along[segment]
                rolls[segment] = rolls.get(segment, 0) + (share - 1) * angle
            for joint, (first, _) in _END_TWIST.items():
                segment = first + side
                angle = _twist(rotations[joint + side], self.axes[segment])
                rolls[segment] = rolls[segment] + self.along[segment] * angle
        return rolls

    def __call__(
        self,
        unposed: torch.Tensor,
        rest: torch.Tensor,
        rotations: torch.Tensor,
        world: torch.Tensor,
        joints: torch.Tensor,
    ) -> torch.Tensor:
        """Posed vertices [V, 3], m, of one body.

        unposed: [V, 3] and rest: [24, 3], vertices and joints in the T-pose. rotations: [24, 3, 3],
        relative. world: [24, 3, 3] and joints: [24, 3], of BodyModel.skeleton.
        """
        count = len(unposed)
        quaternions = roma.rotmat_to_unitquat(world)[None].expand(count, -1, -1).clone()
        offsets = (joints - (world @ rest[..., None])[..., 0])[None].expand(count, -1, -1).clone()
        for segment, angle in self._roll(rotations).items():
            twist = roma.rotvec_to_unitquat(angle[:, None] * self.axes[segment])
            quaternions[:, segment] = roma.quat_product(quaternions[:, segment], twist)
            centre = rest[segment].expand(count, -1)
            offsets[:, segment] = joints[segment] - roma.quat_action(
                quaternions[:, segment], centre
            )
        rows = torch.arange(count)[:, None]
        quaternions, offsets = quaternions[rows, self.influences], offsets[rows, self.influences]
        values = self.values[..., None]
        points = unposed[:, None].expand(-1, quaternions.shape[1], -1)
        linear = (values * (roma.quat_action(quaternions, points) + offsets)).sum(1)
        same = torch.where((quaternions * quaternions[:, :1]).sum(-1, keepdim=True) < 0, -1.0, 1.0)
        quaternions = quaternions * same
        dual = 0.5 * roma.quat_product(torch.cat((offsets, offsets[..., :1] * 0), -1), quaternions)
        real, dual = (values * quaternions).sum(1), (values * dual).sum(1)
        length = real.norm(dim=-1, keepdim=True)
        real, dual = real / length, dual / length
        shift = 2 * roma.quat_product(dual, roma.quat_conjugation(real))[..., :3]
        return DUAL_SHARE * (roma.quat_action(real, unposed) + shift) + (1 - DUAL_SHARE) * linear


def _twist(rotation: torch.Tensor, axis: torch.Tensor) -> torch.Tensor:
    """Angle of a rotation [3, 3] about an axis [3] (the twist of its swing-twist decomposition)."""
    quaternion = roma.rotmat_to_unitquat(rotation)
    angle = 2 * torch.atan2(quaternion[:3] @ axis, quaternion[3])
    return torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi


def moving_joints(weights: Array, twisted: Array) -> list[tuple[int, ...]]:
    """Joints whose rotation deforms the skin at each vertex, beyond a rigid motion."""
    subtree = np.eye(24)
    for joint in range(23, 0, -1):
        subtree[PARENTS[joint]] += subtree[joint]
    carried = np.maximum.reduce([weights @ subtree.T, twisted @ subtree.T])
    least = np.minimum(weights @ subtree.T, twisted @ subtree.T)
    uneven = np.minimum(carried, 1 - least)
    uneven[:, 0] = 0
    for side in (0, 1):
        for joint in (1, 16, 18):
            uneven[:, joint + side] = np.maximum(uneven[:, joint + side], weights[:, joint + side])
        forearm = np.maximum(weights[:, 18 + side], weights[:, 20 + side])
        uneven[:, 20 + side] = np.maximum(uneven[:, 20 + side], forearm)
    order = np.argsort(-uneven, axis=1, kind="stable")[:, :MAX_JOINTS]
    return [
        tuple(sorted(int(joint) for joint in row if uneven[vertex, joint] > 0.02))
        for vertex, row in enumerate(order)
    ]


@dataclass
class PoseData:
    """Samples of both skinnings. lacks: target minus linear skinning, m."""

    features: Array  # [S, 207]
    matrices: npt.NDArray[np.float32]  # [S, V, 3, 3]
    lacks: npt.NDArray[np.float32]  # [S, V, 3]


def sample(target: TwistedSkinning, rotations: torch.Tensor, betas: torch.Tensor) -> PoseData:
    """Pose the body by linear skinning and by the target."""
    body = target.body
    count = len(rotations)
    rest = body.rest_joints(betas)
    unposed = body.template + (betas @ body.shape_directions).unflatten(-1, (-1, 3))
    world, joints = body.skeleton(betas, rotations)
    matrices = torch.einsum("vj,sjab->svab", body.skinning_weights, world)
    shift = joints - (world @ rest[..., None])[..., 0]
    linear = torch.einsum("svab,svb->sva", matrices, unposed) + body.skinning_weights @ shift
    wanted = torch.stack(
        [target(*one) for one in zip(unposed, rest, rotations, world, joints, strict=True)]
    )
    features = (rotations[:, 1:] - torch.eye(3)).reshape(count, -1)
    return PoseData(features.double().numpy(), matrices.numpy(), (wanted - linear).numpy())


def fit_vertices(data: PoseData, vertices: list[int], joints: tuple[int, ...]) -> Array:
    """Offsets per feature [M, 3, 207] of vertices that the same joints deform."""
    columns = np.concatenate([np.arange(9) + 9 * (joint - 1) for joint in joints])
    features = data.features[:, columns]  # [S, C]
    matrices = data.matrices[:, vertices].astype(np.float64).transpose(1, 0, 2, 3)  # [M, S, 3, 3]
    lacks = data.lacks[:, vertices].astype(np.float64).transpose(1, 0, 2)  # [M, S, 3]
    count, size = len(vertices), len(columns)
    # lack = M P f: the normal equations of P [3, C] are sums over samples of (M'M) x (f f').
    products = (features[:, :, None] * features[:, None]).reshape(len(features), -1)
    squares = np.einsum("msab,msac->mbcs", matrices, matrices).reshape(count * 9, -1)
    gram = (squares @ products).reshape(count, 3, 3, size, size).transpose(0, 1, 3, 2, 4)
    gram = gram.reshape(count, 3 * size, 3 * size)
    gram += RIDGE * len(features) * (features**2).mean() * np.eye(3 * size)
    wanted = np.einsum("msab,msa->mbs", matrices, lacks) @ features
    solved = np.linalg.solve(gram, wanted.reshape(count, -1, 1)).reshape(count, 3, len(joints), 9)
    spread = features.reshape(len(features), len(joints), 9)
    for block in range(len(joints)):
        moved = solved[:, :, block] @ spread[:, block].T  # [M, 3, S]
        solved[np.sqrt((moved**2).sum(1).mean(1)) < SMALLEST, :, block] = 0.0
    offsets = np.zeros((count, 3, POSE_FEATURES))
    offsets[:, :, columns] = solved.reshape(count, 3, -1)
    return offsets


def mirrored(offsets: Array) -> Array:
    """The offsets [3, 207] of a vertex's left-right twin."""
    sign = np.array((-1.0, 1.0, 1.0))
    blocks = offsets.reshape(3, 23, 3, 3) * sign[:, None, None, None]
    blocks = blocks * sign[None, None, :, None] * sign
    return blocks[:, MIRRORED_JOINT[1:] - 1].reshape(3, POSE_FEATURES)


def fit_pose_shapes(
    target: TwistedSkinning, mirror: npt.NDArray[np.int64], poses: int = 800, seed: int = 3
) -> Array:
    """Pose blend shapes [V, 3, 207] of a body, symmetric."""
    generator = np.random.default_rng(seed)
    betas = torch.from_numpy(generator.normal(scale=0.7, size=(poses, 10))).float()
    data = sample(target, wide_poses(poses, generator), betas)
    joints = moving_joints(
        target.body.skinning_weights.double().numpy(), target.weights.double().numpy()
    )
    groups: dict[tuple[int, ...], list[int]] = {}
    for index in np.flatnonzero(target.body.template[:, 0].numpy() >= 0):
        if joints[index]:
            groups.setdefault(joints[index], []).append(int(index))
    directions = np.zeros((len(mirror), 3, POSE_FEATURES))
    for moving, members in groups.items():
        for start in range(0, len(members), 64):
            chunk = members[start : start + 64]
            for vertex, offsets in zip(chunk, fit_vertices(data, chunk, moving), strict=True):
                twin = int(mirror[vertex])
                if twin == vertex:
                    directions[vertex] = (offsets + mirrored(offsets)) / 2
                else:
                    directions[vertex], directions[twin] = offsets, mirrored(offsets)
    return directions


def report(target: TwistedSkinning, directions: Array, seed: int = 5) -> None:
    """Print the errors on held-out everyday poses, without and with blend shapes."""
    generator = np.random.default_rng(seed)
    data = sample(target, random_poses(150, generator), torch.zeros(150, 10))
    offsets = np.einsum("vak,sk->sva", directions, data.features)
    before = np.linalg.norm(data.lacks, axis=-1)
    moved = np.einsum("svab,svb->sva", data.matrices, offsets)
    after = np.linalg.norm(data.lacks - moved, axis=-1)
    rms = [np.sqrt((error**2).mean()) * 1e3 for error in (before, after)]
    far = [np.quantile(error, 0.99) * 1e3 for error in (before, after)]
    print(
        f"pose blend shapes, held-out poses: rms {rms[0]:.2f} -> {rms[1]:.2f} mm, 99 % of vertices "
        f"{far[0]:.1f} -> {far[1]:.1f} mm, worse by 2 mm: {(after > before + 2e-3).mean():.4%}"
    )
