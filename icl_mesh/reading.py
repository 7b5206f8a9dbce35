"""From the network's maps to the people of one image, on any device, with numpy and PyTorch.

icl_mesh.compiled_reader does the same on the CPU in a few compiled functions.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.body import BodyModel
from icl_mesh.body.posing import Poser, Skeletons
from icl_mesh.body.rig import KeypointRig
from icl_mesh.boxes import bounding_boxes
from icl_mesh.camera import Camera
from icl_mesh.confidence import joint_confidence, unit
from icl_mesh.decoding import SmplAt, check_finite, decode_maps
from icl_mesh.letterbox import Letterbox
from icl_mesh.lifting import HostLifter
from icl_mesh.network import IclMeshNetwork, InferenceMaps
from icl_mesh.placement import place
from icl_mesh.stage_clock import StageClock
from icl_mesh.threads import torch_threads

Floats = npt.NDArray[np.floating[Any]]


class View(NamedTuple):
    """How an image is seen: its camera, and its place in the network's square."""

    letterbox: Letterbox
    camera: Camera


class Found(NamedTuple):
    """N people of an image, best score first: arrays of icl_mesh.People, by their names there."""

    score: Floats
    center_px: Floats
    bbox_px: Floats
    betas: Floats
    rotations: Floats
    translation_m: Floats
    joints_m: Floats
    joints_px: Floats
    joint_confidence: Floats
    weak_camera: Floats
    embedding: Floats
    vertices_m: Floats | None


class Reader(Protocol):
    """Reads people from maps, for one network and body."""

    def __call__(
        self,
        maps: InferenceMaps,
        threshold: float,
        smpl_at: SmplAt,
        view: View,
        clock: StageClock,
        *,
        vertices: bool,
    ) -> Found | None:
        """The people of one image's maps, None for nobody. threshold, smpl_at: of decode_maps.
        clock: told when decode and body end. vertices: with the meshes.

        Raises RuntimeError where the network's output is not finite.
        """


class HostReader:
    """The reader for any device, which needs no compiler. See Reader."""

    def __init__(self, network: IclMeshNetwork, body: BodyModel, device: torch.device) -> None:
        """network, body: on that device, the network in evaluation mode."""
        self._network, self._device = network, device
        self._poser = Poser(body)
        self._lifter = None
        if network.lifter is not None:
            rig = KeypointRig(body)
            channels = network.keypoint_channels
            self._lifter = HostLifter(network.lifter, self._poser, rig, channels)

    @torch.inference_mode()
    @torch_threads(1)  # the engine takes its own number
    def __call__(
        self,
        maps: InferenceMaps,
        threshold: float,
        smpl_at: SmplAt,
        view: View,
        clock: StageClock,
        *,
        vertices: bool,
    ) -> Found | None:
        found = decode_maps(maps, threshold, smpl_at)
        if len(found) == 0:
            return None
        letterbox, camera = view
        if self._lifter is None:
            skeletons = self._poser.skeletons(found.betas, found.rotations)
        else:
            found, skeletons = self._lifter(found, maps, letterbox.camera(camera))
        placed = place(skeletons.joints, found.weak, letterbox, camera)
        centers = torch.from_numpy(found.center_instance).to(self._device)
        embedding = unit(self._network.project_center(centers).cpu().numpy())
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
        surface, boxes = surface_and_boxes(
            self._poser, skeletons, placed.translation_m, placed.depth_m, camera, mesh=vertices
        )
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
            weak_camera=found.weak,
            embedding=embedding,
            vertices_m=surface if vertices else None,
        )


def surface_and_boxes(
    poser: Poser,
    skeletons: Skeletons,
    translation: Floats,
    depth: npt.NDArray[np.float64],
    camera: Camera,
    *,
    mesh: bool,
) -> tuple[Floats, Floats]:
    """Meshes, or outlines, [N, V, 3], m, of people whose roots have these depths [N], and boxes
    around them [N, 4], px. An outline is enough for boxes: the same with meshes and without."""
    surface = (poser.mesh if mesh else poser.outline)(skeletons, translation).cpu().numpy()
    outline = surface[:, poser.outline_index] if mesh else surface
    return surface, bounding_boxes(camera, outline, depth)
