"""The lifter's inputs, from people's poses and the evidence of their joints.

For training; inference does the same in kernels.Reader.
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
    skeletons: Skeletons, rig: KeypointRig, weak_camera: Floats, camera: SquareCamera
) -> tuple[Floats, Floats]:
    """Joints [N, 24, 2] and keypoints [N, 17, 2] of skeletons in square coordinates, by
    weak-perspective cameras [N, 3]."""
    joints = skeletons.joints
    points = np.concatenate((joints, rig(joints, skeletons.world)), axis=1) - joints[:, :1]
    square = square_joints(points, weak_camera, camera)
    return square[:, : joints.shape[1]], square[:, joints.shape[1] :]


def square_joints(joints: Floats, weak_camera: Floats, camera: SquareCamera) -> Floats:
    """Points [N, J, 3] in metres from the root -> square coordinates [N, J, 2], by weak-perspective
    cameras (s, tx, ty) [N, 3]."""
    inverse_focal = np.full(len(weak_camera), 1 / camera.focal, weak_camera.dtype)
    principal = np.broadcast_to(
        np.array([camera.px, camera.py], weak_camera.dtype), (len(weak_camera), 2)
    )
    return project_from_weak(joints, weak_camera, inverse_focal, principal)


def lifter_inputs(
    evidence: Evidence, joints: Floats, keypoints: Floats, weak_camera: Floats, camera: SquareCamera
) -> LifterInputs:
    """Inputs from evidence, and from joints [N, 24, 2] and keypoints [N, 17, 2] of the current pose
    (square coordinates). weak_camera [N, 3]: that of the first pose."""
    return LifterInputs(
        in_metres(evidence.joints.points, weak_camera),
        evidence.joints.score,
        in_metres(evidence.keypoints.points, weak_camera),
        evidence.keypoints.score,
        in_metres(evidence.regressed.points, weak_camera),
        evidence.regressed.score,
        in_metres(joints, weak_camera),
        in_metres(keypoints, weak_camera),
        weak_camera[:, 1:] / camera.focal,
    )


def in_metres(square: Array, weak_camera: Array) -> Array:
    """Square coordinates [N, J, 2] -> metres from the body's root, by weak-perspective cameras
    [N, 3]."""
    return (square - weak_camera[:, None, 1:]) / weak_camera[:, None, :1]


def moved_camera(weak_camera: Array, change: Array) -> Array:
    """Weak-perspective cameras [N, 3] after a change [N, 3] (Lifted.camera)."""
    scale = weak_camera[:, :1]
    if isinstance(weak_camera, torch.Tensor):
        return torch.cat(
            (scale * change[:, :1].exp(), weak_camera[:, 1:] + scale * change[:, 1:]), dim=1
        )
    return np.concatenate(
        (scale * np.exp(change[:, :1]), weak_camera[:, 1:] + scale * change[:, 1:]), axis=1
    )
