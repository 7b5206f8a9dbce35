"""People read from maps with numpy and PyTorch: the oracle of the compiled reader."""

from __future__ import annotations

import numpy as np
import torch
from oracle_confidence import joint_confidence, unit
from oracle_lifting import HostLifter
from oracle_placement import place

from icl_mesh.body import BodyModel
from icl_mesh.body.kinematics import BodyKinematics
from icl_mesh.body.rig import KeypointRig
from icl_mesh.decode.peaks import SmplAt, check_finite, decode_maps
from icl_mesh.decode.reader import Found
from icl_mesh.engine.stage_clock import StageClock
from icl_mesh.geometry.boxes import bounding_boxes
from icl_mesh.geometry.view import View
from icl_mesh.network import IclMeshNetwork, InferenceMaps


class HostReader:
    """As icl_mesh.decode.reader.Reader."""

    def __init__(self, network: IclMeshNetwork, body: BodyModel) -> None:
        """network: in evaluation mode."""
        self._network = network
        self._kinematics = BodyKinematics(body)
        self._lifter = None
        if network.lifter is not None:
            rig = KeypointRig(body)
            channels = network.keypoint_channels
            self._lifter = HostLifter(network.lifter, self._kinematics, rig, channels)

    @torch.inference_mode()
    def __call__(
        self,
        maps: InferenceMaps,
        threshold: float,
        smpl_at: SmplAt,
        view: View,
        clock: StageClock,
        *,
        vertices: bool,
        refine: None = None,
    ) -> Found | None:
        assert refine is None
        found = decode_maps(maps, threshold, smpl_at)
        if len(found) == 0:
            return None
        letterbox, camera = view.letterbox, view.camera
        if self._lifter is None:
            skeletons = self._kinematics.skeletons(found.betas, found.rotations)
        else:
            found, skeletons = self._lifter(found, maps, view.square)
        placed = place(skeletons.joints, found.weak_camera, letterbox, camera)
        centers = torch.from_numpy(found.center_instance)
        embedding = unit(self._network.project_center(centers).numpy())
        confidence = joint_confidence(
            maps.joint_heatmaps[0],
            maps.joint_instance[0],
            embedding,
            placed.joints_square,
            placed.inside,
            network=self._network,
        )
        check_finite(joint_heatmaps_and_instance=confidence)
        clock.lap("decode")
        pose = self._kinematics.mesh if vertices else self._kinematics.extreme
        surface = pose(skeletons, placed.translation_m).numpy()
        extreme = surface[:, self._kinematics.extreme_index] if vertices else surface
        boxes = bounding_boxes(camera, extreme, placed.depth_m)
        clock.lap("body")
        middles = (found.peaks.cell + 0.5) / maps.center_heatmap.shape[-1] * 2 - 1
        return Found(
            score=found.peaks.score,
            center_px=letterbox.px_from_square(middles).astype(np.float32),
            bbox_px=boxes,
            betas=found.betas,
            rotations=found.rotations,
            translation_m=placed.translation_m,
            joints_m=placed.joints_m,
            joints_px=placed.joints_px,
            joint_confidence=confidence,
            weak_camera=found.weak_camera,
            embedding=embedding,
            vertices_m=surface if vertices else None,
            refined=np.zeros(len(found), np.bool_),
        )
