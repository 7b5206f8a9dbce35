"""Evidence of joints around a first pose, and the pose that the lifter makes of both."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.camera import SquareCamera, project_from_weak
from icl_mesh.decoding import REGRESSED_JOINTS, Detections, check_finite
from icl_mesh.network.lifter import PoseLifter

Floats = npt.NDArray[np.floating[Any]]
Array = TypeVar("Array", Floats, torch.Tensor)

#: Standard deviation of the window around a joint's first place, as a share of the person's
#: extent (the diagonal of the joints' box): wide enough for an arm that hangs where it is raised.
WINDOW = 0.2


class Evidence(NamedTuple):
    """Where each joint of N people is seen: points [N, 24, 2], square coordinates of the cell that
    answers; strength [N, 24], the heatmap's probability there."""

    points: Floats
    strength: Floats


def square_joints(joints: Floats, weak: Floats, camera: SquareCamera) -> Floats:
    """Joints [N, J, 3] in metres from the root, by weak cameras (s, tx, ty) [N, 3], in the image:
    square coordinates [N, J, 2]."""
    placed = torch.from_numpy(joints), torch.from_numpy(weak)
    inverse_focal = placed[1].new_full((len(weak),), 1 / camera.focal)
    principal = placed[1].new_tensor([camera.px, camera.py]).expand(len(weak), 2)
    return project_from_weak(*placed, inverse_focal, principal).numpy()


def find_evidence(heatmaps: Floats, image: npt.NDArray[np.int64], joints: Floats) -> Evidence:
    """The best cell for each joint of each person near where the first pose has it.

    heatmaps [B, 24, H, W]; image [N]: each person's; joints [N, 24, 2]: square coordinates. Cells
    weigh by a Gaussian around the joint, since the same joint of somebody else is seen as well.
    """
    height, width = heatmaps.shape[2:]
    sides = np.array([width, height], np.float32)
    # In float32 throughout: these are the largest arrays of a frame outside the network.
    cell = (joints.astype(np.float32) + 1) / 2 * sides - np.float32(0.5)
    extent = np.linalg.norm(np.ptp(cell, axis=1), axis=1)
    spread = 2 * np.square(WINDOW * np.maximum(extent, 1e-3))[:, None, None]
    # Far from everything a Gaussian is zero: so many joints would all be seen in cell 0.
    near = [
        np.maximum(
            np.exp(-np.square(np.arange(side, dtype=np.float32) - cell[..., axis, None]) / spread),
            np.float32(1e-12),
        )
        for axis, side in enumerate((width, height))
    ]
    weighed = heatmaps[image]
    weighed *= near[1][..., None]
    weighed *= near[0][:, :, None]
    best = weighed.reshape(*weighed.shape[:2], -1).argmax(axis=2)
    y, x = np.divmod(best, width)
    strength = heatmaps[image[:, None], np.arange(heatmaps.shape[1]), y, x]
    return Evidence((np.stack((x, y), axis=2) + 0.5) / sides * 2 - 1, strength)


def lift(
    found: Detections,
    joints: Floats,
    heatmaps: torch.Tensor,
    lifter: PoseLifter,
    camera: SquareCamera,
) -> Detections:
    """People with the pose, shape and camera that fit the joints seen around them.

    joints [N, 24, 3]: of the first pose, metres in body axes. heatmaps [B, 24, H, W]. A lens is
    left out. Raises RuntimeError where heatmaps are not finite.
    """
    device = next(lifter.parameters()).device
    guessed = square_joints(joints - joints[:, :1], found.weak, camera)
    evidence = find_evidence(heatmaps.float().cpu().numpy(), found.peaks.image, guessed)
    first = (
        in_metres(evidence.points, found.weak),
        evidence.strength,
        found.rotations[:, :REGRESSED_JOINTS],
        found.betas,
        in_metres(guessed, found.weak),
    )
    lifted = lifter(*(torch.as_tensor(part, dtype=torch.float32, device=device) for part in first))
    weak = moved_camera(torch.as_tensor(found.weak, device=device), lifted.camera).cpu().numpy()
    turned, betas = lifted.rotations.cpu().numpy(), lifted.betas.cpu().numpy()
    check_finite(joint_heatmaps=evidence.strength, lifted=turned)
    rotations = found.rotations.copy()
    rotations[:, :REGRESSED_JOINTS] = turned
    return Detections(found.peaks, weak, rotations, betas, found.center_instance)


def in_metres(square: Array, weak: Array) -> Array:
    """Square coordinates [N, J, 2] -> metres of the body from its root, by weak cameras [N, 3]."""
    return (square - weak[:, None, 1:]) / weak[:, None, :1]


def moved_camera(weak: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
    """Weak cameras [N, 3] after a change [N, 3] as Lifted.camera."""
    scale = weak[:, :1]
    return torch.cat((scale * change[:, :1].exp(), weak[:, 1:] + scale * change[:, 1:]), dim=1)
