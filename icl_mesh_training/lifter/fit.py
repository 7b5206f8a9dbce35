"""The lifter's optimisation: synthetic evidence, mirrored people, passes, the loss.

Samples are dicts of tensors over N people, as icl_mesh_training.lifter.train.collect returns them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from tqdm import tqdm

from icl_mesh.body import BodyModel
from icl_mesh.body.rig import FACE, KEYPOINT_JOINT, KeypointRig
from icl_mesh.decode.lifter import in_metres, moved_camera
from icl_mesh.decode.peaks import REGRESSED_JOINTS
from icl_mesh.geometry.camera import project_from_weak
from icl_mesh.network.lifter import PASSES, LifterInputs, PoseLifter
from icl_mesh_training.data.augmentation import MIRRORED_JOINTS
from icl_mesh_training.losses.terms import procrustes_align
from icl_mesh_training.scenes.render.labels import BY_SELF, OUTSIDE, VISIBLE

Samples = dict[str, torch.Tensor]

BATCH = 256
#: Share of samples with synthetic evidence.
IMAGINED = 0.8
#: Median error of synthetic evidence, m in the image: about the error of detections in photos.
SPREAD = 0.015
#: "coco17" with left and right exchanged.
MIRRORED_KEYPOINTS = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
#: Signs by which mirroring in x changes points, positions and rotation matrices.
_POINTS = torch.tensor([-1.0, 1.0])
_SPACE = torch.tensor([-1.0, 1.0, 1.0])
_ROTATION = _SPACE[:, None] * _SPACE


def fit(
    lifter: PoseLifter, body: BodyModel, samples: Samples, *, steps: int, seed: int = 0
) -> None:
    """Train the lifter in place: AdamW, one-cycle schedule up to 0.001, BATCH people a step."""
    torch.manual_seed(seed)
    rig = KeypointRig(body)
    lifter.requires_grad_(True).train()
    optimizer = torch.optim.AdamW(lifter.parameters(), lr=1e-3, weight_decay=0.02)
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1e-3, total_steps=steps, pct_start=min(0.5, 100 / steps)
    )
    count = len(samples["weak_camera"])
    for _ in tqdm(range(steps), desc="lifter", unit="step"):
        chosen = torch.randint(count, (min(BATCH, count),))
        batch = {name: value[chosen] for name, value in samples.items()}
        batch = _either(batch, mirrored(batch), 0.5)
        batch = _either(batch, imagined(batch), IMAGINED)
        passes = lift_samples(lifter, body, rig, batch)
        loss = torch.stack([lifting_loss(posed, body, rig, batch) for posed in passes]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
    lifter.requires_grad_(False).eval()


class Posed(NamedTuple):
    """A pass's result for N people: rotations [N, 22, 3, 3], betas [N, 10], weak-perspective
    camera [N, 3]."""

    rotations: torch.Tensor
    betas: torch.Tensor
    weak_camera: torch.Tensor

    def detach(self) -> Posed:
        """The same without gradients."""
        return Posed(*(value.detach() for value in self))


def lift_samples(
    lifter: PoseLifter, body: BodyModel, rig: KeypointRig, samples: Samples
) -> list[Posed]:
    """The results of all PASSES passes, computed as in icl_mesh.decode.lifter.
    Gradients do not flow from one pass into the one before."""
    inputs = LifterInputs(*(samples[name] for name in LifterInputs._fields))
    posed = Posed(samples["rotations"], samples["betas"], samples["weak_camera"])
    passes: list[Posed] = []
    for number in range(PASSES):
        if number:
            posed = posed.detach()
            joints = samples["flat"].shape[1]
            points = in_image(posed, body, rig, samples)[1]
            inputs = inputs.posed(points[:, :joints], points[:, joints:])
        lifted = lifter(inputs, posed.rotations, posed.betas)
        posed = Posed(
            lifted.rotations, lifted.betas, moved_camera(posed.weak_camera, lifted.camera)
        )
        passes.append(posed)
    return passes


def in_image(
    posed: Posed, body: BodyModel, rig: KeypointRig, samples: Samples
) -> tuple[torch.Tensor, torch.Tensor]:
    """Joints in space [N, 24, 3], metres from the root; joints and keypoints in the image
    [N, 24 + 17, 2], metres of the first weak-perspective camera."""
    hands = torch.eye(3).expand(len(posed.betas), 24 - REGRESSED_JOINTS, 3, 3)
    world, joints = body.skeleton(posed.betas, torch.cat((posed.rotations, hands), dim=1))
    points = torch.cat((joints, rig(joints, world)), dim=1) - joints[:, :1]
    camera = posed.weak_camera, samples["inverse_focal"], samples["principal"]
    flat = in_metres(project_from_weak(points, *camera), samples["weak_camera"])
    return points[:, : joints.shape[1]], flat


def lifting_loss(posed: Posed, body: BodyModel, rig: KeypointRig, batch: Samples) -> torch.Tensor:
    """Errors of rotations, 3-D joints, joints and keypoints in the image, and betas, weighted to
    balance each other at the start."""
    joints, flat = in_image(posed, body, rig, batch)
    true = batch["truth_joints"]
    angular = (posed.rotations - batch["truth_rotations"]).square().sum((-1, -2)).add(1e-6).sqrt()
    true_flat = torch.cat((batch["truth_points"], batch["truth_keypoints"]), dim=1)
    inside = all_states(batch) != OUTSIDE
    apart = (flat - true_flat).norm(dim=-1).clamp(max=1.0)[inside]
    return (
        2.0 * angular[:, 1:].mean()
        + 0.7 * angular[:, 0].mean()
        + 6.0 * (joints - true).norm(dim=-1).mean()
        + 3.0 * (procrustes_align(joints, true) - true).norm(dim=-1).mean()
        + 10.0 * apart.mean()
        + 0.1 * (posed.betas - batch["truth_betas"]).norm(dim=-1).mean()
    )


def all_states(samples: Samples) -> torch.Tensor:
    """States of joints and keypoints [N, 24 + 17]; a keypoint has the state of its joint."""
    state = samples["state"]
    return torch.cat((state, state[:, KEYPOINT_JOINT]), dim=1)


def imagined(samples: Samples) -> Samples:
    """The samples with synthetic evidence: the true points with random errors.

    Standard deviations and probabilities are drawn per person. Hidden points get low scores and are
    sometimes displaced. Points outside the image, and some others, have no evidence. Face points
    are hidden where they face away from the camera. Sometimes a whole kind of evidence is missing,
    or left and right are swapped.
    """
    people, joints = samples["state"].shape
    state = all_states(samples)
    count = state.shape[1]
    true = torch.cat((samples["truth_points"], samples["truth_keypoints"]), dim=1)
    hidden = state != VISIBLE
    hidden &= ~(
        (state == BY_SELF) & (torch.rand(people, count) < 0.4)
    )  # for example the torso behind an arm
    hidden[:, joints : joints + FACE] |= samples["facing"] < 0.05

    points = true + SPREAD * torch.randn(people, 1, 1).mul(0.6).exp() * torch.randn(*true.shape)
    wrong = torch.rand(people, count) < 0.2 * torch.rand(people, 1)
    wrong |= hidden & (torch.rand(people, count) < 0.35)
    points = points + 0.2 * wrong[..., None] * torch.randn(*true.shape)
    swapped = (torch.rand(people) < 0.06)[:, None, None]
    keypoint_order = torch.tensor(MIRRORED_KEYPOINTS)
    order = torch.cat((torch.tensor(MIRRORED_JOINTS), joints + keypoint_order))
    points = torch.where(swapped, points[:, order], points)

    low, high = 0.5 * torch.rand(people, count), 0.25 + 0.65 * torch.rand(people, count)
    unseen = (torch.rand(people, count) < 0.4 * torch.rand(people, 1)) | (state == OUTSIDE)
    score = torch.where(hidden | wrong, low, high) * ~unseen
    missing = torch.rand(people, 2) < 0.08
    score[:, :joints] *= ~missing[:, :1]
    score[:, joints:] *= ~missing[:, 1:]

    kinds = samples["keypoints"].shape[1]  # 0: the backbone finds none
    spread = 0.06 * torch.randn(people, 1, 1).mul(0.6).exp()
    regressed = samples["truth_keypoints"] + spread * torch.randn(people, count - joints, 2)
    regressed = regressed + 0.05 * torch.randn(people, 1, 2)
    regressed = torch.where(swapped, regressed[:, keypoint_order], regressed)
    found = (0.05 + 0.75 * torch.rand(people, 1)) * (torch.rand(people, 1) < 0.9)
    return samples | {
        "joints": points[:, :joints],
        "joint_score": score[:, :joints],
        "keypoints": points[:, joints : joints + kinds],
        "keypoint_score": score[:, joints : joints + kinds],
        "regressed": regressed[:, :kinds],
        "regressed_score": found.expand(-1, kinds),
    }


def mirrored(samples: Samples) -> Samples:
    """The samples mirrored in x, with left and right exchanged."""
    joints, keypoints = list(MIRRORED_JOINTS), list(MIRRORED_KEYPOINTS)
    regressed = joints[:REGRESSED_JOINTS]
    kinds = keypoints[: samples["keypoints"].shape[1]]
    changes = {
        **dict.fromkeys(("joints", "flat", "truth_points"), (joints, _POINTS)),
        **dict.fromkeys(("keypoints", "regressed"), (kinds, _POINTS)),
        **dict.fromkeys(("flat_keypoints", "truth_keypoints"), (keypoints, _POINTS)),
        **dict.fromkeys(("joint_score", "state"), (joints, None)),
        **dict.fromkeys(("keypoint_score", "regressed_score"), (kinds, None)),
        "facing": (keypoints[:FACE], None),
        **dict.fromkeys(("first_joints", "truth_joints"), (joints, _SPACE)),
        **dict.fromkeys(("rotations", "truth_rotations"), (regressed, _ROTATION)),
        **dict.fromkeys(("ray", "principal"), (None, _POINTS)),
        "weak_camera": (None, torch.tensor([1.0, -1.0, 1.0])),
    }
    result = dict(samples)
    for name, (order, signs) in changes.items():
        value = samples[name] if order is None else samples[name][:, order]
        result[name] = value if signs is None else value * signs
    return result


def _either(first: Samples, second: Samples, share: float) -> Samples:
    """Per person the sample of second with probability share, else that of first."""
    take = torch.rand(len(first["weak_camera"])) < share
    return {
        name: torch.where(take.view(-1, *[1] * (value.dim() - 1)), second[name], value)
        for name, value in first.items()
    }
