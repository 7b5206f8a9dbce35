"""The lifter with numpy and PyTorch: the oracle of the compiled kernel."""

from __future__ import annotations

import numpy as np
import torch
from oracle_evidence import gather_evidence

from icl_mesh.body.kinematics import BodyKinematics, Skeletons
from icl_mesh.body.rig import KeypointRig
from icl_mesh.decode.lifter import in_metres, lifter_inputs, moved_camera, square_points
from icl_mesh.decode.peaks import REGRESSED_JOINTS, Detections, check_finite
from icl_mesh.geometry.camera import SquareCamera
from icl_mesh.geometry.rotation import matrices_from_6d
from icl_mesh.network import InferenceMaps, KeypointChannels
from icl_mesh.network.lifter import (
    MOST_CAMERA,
    PASSES,
    LifterInputs,
    PoseLifter,
    split_outputs,
)


class HostLifter:
    """A trained lifter with its body's kinematics and keypoints."""

    def __init__(
        self,
        lifter: PoseLifter,
        kinematics: BodyKinematics,
        rig: KeypointRig,
        channels: KeypointChannels | None,
    ) -> None:
        """channels: of the network's backbone (IclMeshNetwork.keypoint_channels)."""
        self._layers = lifter.folded()
        self._kinematics, self._rig, self._channels = kinematics, rig, channels

    def __call__(
        self, found: Detections, maps: InferenceMaps, camera: SquareCamera
    ) -> tuple[Detections, Skeletons]:
        """People with lifted pose, shape and camera, and their skeletons. The lens is ignored.

        Raises RuntimeError for maps that are not finite."""
        first = found.weak_camera
        skeletons = self._kinematics.skeletons(found.betas, found.rotations)
        joints, keypoints = square_points(skeletons, self._rig, first, camera)
        evidence = gather_evidence(maps, self._channels, *found.peaks[:2], joints, keypoints)
        check_finite(joint_heatmaps=evidence.joints.score)
        inputs = lifter_inputs(evidence, joints, keypoints, first, camera)
        for number in range(PASSES):
            if number:
                joints, keypoints = square_points(skeletons, self._rig, found.weak_camera, camera)
                inputs = inputs.posed(in_metres(joints, first), in_metres(keypoints, first))
            found = self._lifted(found, inputs)
            skeletons = self._kinematics.skeletons(found.betas, found.rotations)
        check_finite(lifted=found.rotations)
        return found, skeletons

    def _lifted(self, found: Detections, inputs: LifterInputs) -> Detections:
        matrices = found.rotations[:, :REGRESSED_JOINTS]
        sixd = np.concatenate((matrices[..., 0], matrices[..., 1]), axis=-1)
        # PyTorch's products, not numpy's: see icl_mesh.decode.confidence.
        x = torch.from_numpy(inputs.rows(sixd, found.betas))
        for weights, bias in self._layers[:-1]:
            x = torch.addmm(bias, x, weights).relu_()
        weights, bias = self._layers[-1]
        sixd_change, shape, camera = split_outputs(torch.addmm(bias, x, weights).numpy())
        rotations = found.rotations.copy()
        rotations[:, :REGRESSED_JOINTS] = matrices_from_6d(sixd + sixd_change.reshape(sixd.shape))
        bounded = MOST_CAMERA * np.tanh(camera / MOST_CAMERA)
        weak_camera = moved_camera(found.weak_camera, bounded)
        betas = found.betas + shape
        return Detections(found.peaks, weak_camera, rotations, betas, found.center_instance)
