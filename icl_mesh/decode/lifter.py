"""What the lifter is given, made of people's poses and the joints seen around them.

For training; kernels.Reader does the same by itself.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.body.kinematics import Skeletons
from icl_mesh.body.rig import KeypointRig
from icl_mesh.decode.evidence import Evidence
from icl_mesh.geometry.camera import SquareCamera, project_from_weak
from icl_mesh.network.lifter import LifterInputs

Floats = npt.NDArray[np.floating[Any]]
Array = TypeVar("Array", Floats, torch.Tensor)


def square_points(
    skeletons: Skeletons, rig: KeypointRig, weak: Floats, camera: SquareCamera
) -> tuple[Floats, Floats]:
    """Joints [N, 24, 2] and keypoints [N, 17, 2] of skeletons under weak cameras [N, 3], in square
    coordinates."""
    joints = skeletons.joints
    points = np.concatenate((joints, rig(joints, skeletons.world)), axis=1) - joints[:, :1]
    square = square_joints(points, weak, camera)
    return square[:, : joints.shape[1]], square[:, joints.shape[1] :]


def square_joints(joints: Floats, weak: Floats, camera: SquareCamera) -> Floats:
    """Points [N, J, 3] in metres from the root, by weak cameras (s, tx, ty) [N, 3], in the image:
    square coordinates [N, J, 2]."""
    inverse_focal = np.full(len(weak), 1 / camera.focal, weak.dtype)
    principal = np.broadcast_to(np.array([camera.px, camera.py], weak.dtype), (len(weak), 2))
    return project_from_weak(joints, weak, inverse_focal, principal)


def lifter_inputs(
    evidence: Evidence, joints: Floats, keypoints: Floats, weak: Floats, camera: SquareCamera
) -> LifterInputs:
    """Evidence and the pose at hand (square coordinates), by the first weak cameras [N, 3]."""
    return LifterInputs(
        in_metres(evidence.joints.points, weak),
        evidence.joints.strength,
        in_metres(evidence.keypoints.points, weak),
        evidence.keypoints.strength,
        in_metres(evidence.regressed.points, weak),
        evidence.regressed.strength,
        in_metres(joints, weak),
        in_metres(keypoints, weak),
        weak[:, 1:] / camera.focal,
    )


def in_metres(square: Array, weak: Array) -> Array:
    """Square coordinates [N, J, 2] -> metres of the body from its root, by weak cameras [N, 3]."""
    return (square - weak[:, None, 1:]) / weak[:, None, :1]


def moved_camera(weak: Array, change: Array) -> Array:
    """Weak cameras [N, 3] after a change [N, 3] as Lifted.camera."""
    scale = weak[:, :1]
    if isinstance(weak, torch.Tensor):
        return torch.cat((scale * change[:, :1].exp(), weak[:, 1:] + scale * change[:, 1:]), dim=1)
    return np.concatenate(
        (scale * np.exp(change[:, :1]), weak[:, 1:] + scale * change[:, 1:]), axis=1
    )
