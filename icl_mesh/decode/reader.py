"""From the network's maps to the people of one image, by the compiled kernels on the host.

All steps share the memory of one kernels.Reader, and three calls do everything: with numpy, the
people of an image cost some six hundred operations. From a GPU the maps come in one copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.body import BodyModel
from icl_mesh.body.kinematics import BodyKinematics, Skeletons
from icl_mesh.body.rig import FACE, KEYPOINT_JOINT
from icl_mesh.decode.peaks import SmplAt, refuse_broken
from icl_mesh.decode.reader_tables import make_reader, make_surface
from icl_mesh.engine.stage_clock import StageClock
from icl_mesh.geometry.boxes import bounding_boxes
from icl_mesh.geometry.view import View
from icl_mesh.network import IclMeshNetwork, InferenceMaps
from icl_mesh.network.constants import SMPL_CHANNELS

Floats = npt.NDArray[np.floating[Any]]


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
    refined: npt.NDArray[np.bool_]


class FirstPeople(NamedTuple):
    """N people of the first stage: square [N, 24 + 17, 2], their joints and keypoints in square
    coordinates; score [N]; center_instance [N, 64], I_C at their centres."""

    square: Floats
    score: Floats
    center_instance: Floats


class Evidence(NamedTuple):
    """What a second stage knows of N people: keypoints [N, 17, 2], square coordinates, with weights
    [N, 17], 0 or more; score [N] in place of the first one where refined [N]; duplicate [N]."""

    keypoints: Floats
    weight: Floats
    score: Floats
    refined: npt.NDArray[np.bool_]
    duplicate: npt.NDArray[np.bool_]

    def kept(self, threshold: float, first_threshold: float) -> npt.NDArray[np.int64]:
        """The people with the least score or more, best first. first_threshold: of those who are
        not refined."""
        least = np.where(self.refined, threshold, first_threshold)
        kept = np.flatnonzero((self.score >= least) & ~self.duplicate)
        return kept[np.argsort(-self.score[kept], kind="stable")]

    def select(self, rows: npt.NDArray[np.int64]) -> Evidence:
        """That of some people."""
        keypoints, weight, score, refined, duplicate = self
        return Evidence(keypoints[rows], weight[rows], score[rows], refined[rows], duplicate[rows])


#: People of the first stage -> evidence, and which of them to keep, in their order.
Refine = Callable[[FirstPeople], tuple[Evidence, npt.NDArray[np.int64]]]


class Reader:
    """Reads people from maps, for one network and body."""

    def __init__(self, network: IclMeshNetwork, body: BodyModel) -> None:
        """network: in evaluation mode; its numbers are taken now. body: its surface is posed on its
        device. Raises ValueError for projectors that the kernels do not know."""
        self._body, self._kinematics = body, BodyKinematics(body)
        self._on_cpu = body.template.device.type == "cpu"
        self._surfaces: dict[bool, _Surface] = {}  # by whether it is the mesh
        self._reader = make_reader(network, body, self._kinematics)
        self._rows = self._reader.views()
        channels = network.keypoint_channels
        lifted = network.lifter is not None and network.lifter.keypoints > 0
        #: First channel of the features that is read, None for none.
        self._first = channels.first if channels is not None and lifted else None
        self._maps: InferenceMaps | None = None

    def __call__(
        self,
        maps: InferenceMaps,
        threshold: float,
        smpl_at: SmplAt,
        view: View,
        clock: StageClock,
        *,
        vertices: bool,
        refine: Refine | None = None,
    ) -> Found | None:
        """The people of one image's maps, None for nobody. threshold, smpl_at: of decode_maps.
        clock: told when decode and body end. vertices: with the meshes. refine: the second stage,
        for networks with a refinement.

        Raises RuntimeError where the network's output is not finite, and ValueError for maps of
        other shapes.
        """
        reader, rows = self._reader, self._rows
        reader.set_view(view.geometry, view.camera.kernel_lens)
        self._read_from(maps)
        count = reader.find(threshold)
        refuse_broken(reader.broken())
        smpl = smpl_at(rows["image"][:count], rows["cell"][:count]).cpu().float().contiguous()
        if smpl.shape != (count, SMPL_CHANNELS):
            raise ValueError(f"smpl_at gave {list(smpl.shape)} for {count} people")
        if count == 0:
            return None
        count = reader.fit(smpl.detach().numpy())
        refuse_broken(reader.broken())
        evidence = None
        if refine is not None:
            evidence = self._refine(count, refine, clock)
            if (count := len(evidence.score)) == 0:
                return None
        reader.place()
        refuse_broken(reader.broken())
        if evidence is not None:
            # The gate knows better than the heatmaps whether a limb's joint is this person's own.
            limbs, seen = KEYPOINT_JOINT[FACE:], evidence.weight[:, FACE:]
            confidence = rows["confidence"][:count]
            confidence[:, limbs] = np.where(seen > 0, seen, confidence[:, limbs])
        clock.lap("decode")
        surface, boxes = self._surface_and_boxes(count, view, vertices=vertices)
        clock.lap("body")
        # Copies: the reader's memory serves the next image.
        return Found(
            score=rows["score"][:count].copy(),
            center_px=rows["center_px"][:count].copy(),
            bbox_px=boxes,
            betas=rows["betas"][:count].copy(),
            rotations=rows["rotations"][:count].copy(),
            translation_m=rows["translation"][:count].copy(),
            joints_m=rows["joints_m"][:count].copy(),
            joints_px=rows["joints_px"][:count].copy(),
            joint_confidence=rows["confidence"][:count].copy(),
            weak_camera=rows["weak_camera"][:count].copy(),
            embedding=rows["embedding"][:count].copy(),
            vertices_m=surface if vertices else None,
            refined=np.zeros(count, bool) if evidence is None else evidence.refined,
        )

    def _refine(self, count: int, refine: Refine, clock: StageClock) -> Evidence:
        """Fits people to a second stage's evidence. Returns that of those who are kept."""
        rows = self._rows
        names = ("square", "score", "center_instance")
        clock.lap("decode")
        evidence, kept = refine(FirstPeople(*(rows[name][:count].copy() for name in names)))
        rows["score"][:count] = evidence.score
        evidence = evidence.select(kept)
        self._reader.keep(kept)
        self._reader.refine(evidence.keypoints, evidence.weight)
        clock.lap("refine")
        return evidence

    def _surface_and_boxes(
        self, count: int, view: View, *, vertices: bool
    ) -> tuple[Floats, Floats]:
        if self._on_cpu:
            if (pose := self._surfaces.get(vertices)) is None:
                pose = self._surfaces[vertices] = _Surface(self._body, mesh=vertices)
            return pose(self._reader, count)
        names = ("joints", "world", "rest", "betas", "rotations")
        skeletons = Skeletons(*(self._rows[name][:count] for name in names))
        pose_on_device = self._kinematics.mesh if vertices else self._kinematics.extreme
        surface = pose_on_device(skeletons, self._rows["translation"][:count]).cpu().numpy()
        extreme = surface[:, self._kinematics.extreme_index] if vertices else surface
        return surface, bounding_boxes(view.camera, extreme, self._rows["depth"][:count])

    def _read_from(self, maps: InferenceMaps) -> None:
        """Have the kernels read from these maps, of one image."""
        if maps is self._maps:
            return
        self._maps = None
        wanted = list(maps[:5])
        if self._first is not None:
            wanted.append(maps.features[:, self._first :])
        read = on_host(wanted)
        arrays = [one.numpy() for one in read]
        self._reader.read_from(*arrays[:5])
        for features in arrays[5:]:  # in any layout
            self._reader.read_features(features)
        # Engines may answer with the same maps again and again, with new numbers in them: where
        # these are read in place, that has been arranged for.
        if all(one.data_ptr() == given.data_ptr() for one, given in zip(read, wanted, strict=True)):
            self._maps = maps


class _Surface:
    """One surface of a body on the CPU: its mesh, or its extreme vertices."""

    def __init__(self, body: BodyModel, *, mesh: bool) -> None:
        self._surface = make_surface(body, mesh=mesh)
        self._size = body.vertex_count if mesh else len(body.extreme_index)
        self._is_mesh = mesh
        self._placed = np.empty((0, self._size, 3), np.float32)

    def __call__(self, reader: Any, count: int) -> tuple[Floats, Floats]:
        """Vertices [N, V, 3], m, and boxes [N, 4], px, of the N people that a kernels.Reader has
        placed. A mesh is the caller's to keep; extreme vertices last until the next call."""
        if self._is_mesh or count > len(self._placed):
            self._placed = np.empty((count, self._size, 3), np.float32)
        placed, boxes = self._placed[:count], np.empty((count, 4), np.float32)
        self._surface.place(reader, placed, boxes)
        return placed, boxes


def on_host(maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Maps [1, C, H, W] in float32 on the host, the first five of them contiguous: the same tensors
    where they are so already, else from a device in a single copy."""
    if maps[0].device.type == "cpu":
        plain = [one.float().contiguous() for one in maps[:5]]
        return [*plain, *(one.float() for one in maps[5:])]
    sizes = [one.numel() for one in maps]
    together = torch.cat([one.reshape(-1).float() for one in maps])
    # Into pinned memory a GPU writes by itself; PyTorch keeps such memory for the next image.
    host = torch.empty(together.shape, pin_memory=together.is_cuda).copy_(together)
    return [one.view(given.shape) for one, given in zip(host.split(sizes), maps, strict=True)]
