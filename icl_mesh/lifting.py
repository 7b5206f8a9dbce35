"""People with poses that fit the joints seen around them: what the lifter is given, and makes.

On the host, for all people at once, with the lifter's batch norms folded; here with numpy, and by
one compiled function in icl_mesh.compiled_lifter.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.body.posing import Poser, Skeletons
from icl_mesh.body.rig import KeypointRig
from icl_mesh.camera import SquareCamera, project_from_weak
from icl_mesh.decoding import REGRESSED_JOINTS, Detections, check_finite
from icl_mesh.evidence import Evidence, gather_evidence
from icl_mesh.network import InferenceMaps, KeypointChannels
from icl_mesh.network.lifter import (
    PASSES,
    LifterInputs,
    PoseLifter,
    bounded_camera,
    split_outputs,
)
from icl_mesh.rotation import matrices_from_6d, sixd_from_matrices

Floats = npt.NDArray[np.floating[Any]]
Array = TypeVar("Array", Floats, torch.Tensor)


class HostLifter:
    """A trained lifter with all that it needs of a body."""

    def __init__(
        self,
        lifter: PoseLifter,
        poser: Poser,
        rig: KeypointRig,
        channels: KeypointChannels | None,
    ) -> None:
        """channels: of the network's backbone (IclMeshNetwork.keypoint_channels)."""
        self._layers = lifter.folded()
        self._poser, self._rig, self._channels = poser, rig, channels

    def __call__(
        self, found: Detections, maps: InferenceMaps, camera: SquareCamera
    ) -> tuple[Detections, Skeletons]:
        """People with the pose, shape and camera that fit the joints seen around them, and their
        skeletons. A lens is left out. Raises RuntimeError where maps are not finite."""
        first = found.weak
        skeletons = self._poser.skeletons(found.betas, found.rotations)
        joints, keypoints = square_points(skeletons, self._rig, first, camera)
        evidence = gather_evidence(maps, self._channels, found.peaks, joints, keypoints)
        check_finite(joint_heatmaps=evidence.joints.strength)
        inputs = lifter_inputs(evidence, joints, keypoints, first, camera)
        for number in range(PASSES):
            if number:
                joints, keypoints = square_points(skeletons, self._rig, found.weak, camera)
                inputs = inputs.posed(in_metres(joints, first), in_metres(keypoints, first))
            found = self._lifted(found, inputs)
            skeletons = self._poser.skeletons(found.betas, found.rotations)
        check_finite(lifted=found.rotations)
        return found, skeletons

    def _lifted(self, found: Detections, inputs: LifterInputs) -> Detections:
        sixd = sixd_from_matrices(found.rotations[:, :REGRESSED_JOINTS])
        # PyTorch's products, not numpy's: see icl_mesh.confidence.
        x = torch.from_numpy(inputs.rows(sixd, found.betas))
        for weights, bias in self._layers[:-1]:
            x = torch.addmm(bias, x, weights).relu_()
        weights, bias = self._layers[-1]
        turns, shape, camera = split_outputs(torch.addmm(bias, x, weights).numpy())
        rotations = found.rotations.copy()
        rotations[:, :REGRESSED_JOINTS] = matrices_from_6d(sixd + turns.reshape(sixd.shape))
        weak = moved_camera(found.weak, bounded_camera(camera))
        betas = found.betas + shape
        return Detections(found.peaks, weak, rotations, betas, found.center_instance)


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
