"""icl_mesh.reading by three compiled functions (src/people.cpp), on the host.

With numpy, the people of an image cost some six hundred operations; with a compiled function for
each step, a hundred more to prepare its arguments. The network has emptied the caches: each of them
takes several times as long as the arithmetic behind it. So all steps share one workspace, whose
addresses are written down once, and three calls do everything.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch

from icl_mesh import native
from icl_mesh.body import BodyModel
from icl_mesh.body.posing import Poser, Skeletons
from icl_mesh.body.rig import KeypointRig
from icl_mesh.compiled_lens import compiled_lens
from icl_mesh.compiled_surface import CompiledSurface, Floats
from icl_mesh.decoding import JOINT_COUNT, SmplAt, refuse_broken
from icl_mesh.network import IclMeshNetwork, InferenceMaps
from icl_mesh.network.branches import CAMERA_CHANNELS, INSTANCE_CHANNELS, SMPL_CHANNELS
from icl_mesh.reader_structures import FINITE, RULES, Geometry, Job, Rules, Workspace
from icl_mesh.reader_tables import ModelTables
from icl_mesh.reading import Found, HostReader, Reader, View, surface_and_boxes
from icl_mesh.stage_clock import StageClock

#: Of src/people.cpp; each takes a job.
_CALLS = ("icl_find_people", "icl_fit_people", "icl_place_people")
#: Of the maps: the kernels take them at their word.
_CHANNELS = (1, JOINT_COUNT, CAMERA_CHANNELS, INSTANCE_CHANNELS, INSTANCE_CHANNELS)
_ALL_FINITE = bytes([1] * len(FINITE))


class CompiledReader:
    """See icl_mesh.reading.Reader."""

    def __init__(self, network: IclMeshNetwork, body: BodyModel) -> None:
        """network: in evaluation mode. Raises ValueError without the compiled library, and for
        projectors that it does not know."""
        found, fitted, placed = (native.kernel(name, native.POINTER) for name in _CALLS)
        if found is None or fitted is None or placed is None:
            raise ValueError("the compiled kernels are not installed (icl_mesh.native)")
        self._find, self._fit, self._place = found, fitted, placed
        self._body, self._poser = body, Poser(body)
        self._on_cpu = body.template.device.type == "cpu"
        self._surfaces: dict[bool, CompiledSurface] = {}  # by whether it is the mesh
        self._tables = ModelTables(network, self._poser, KeypointRig(body))
        self._job = Job(rules=Rules(0.0, *RULES), model=self._tables.model)
        self._at = ctypes.addressof(self._job)
        self._rows = Workspace.empty(self._tables.kinds)
        for name, array in self._rows._asdict().items():
            setattr(self._job.people, name, native.address(array, array.dtype.type))
        self._view: View | None = None
        self._lens = compiled_lens(None)  # whose table job.lens points to
        self._maps: tuple[InferenceMaps | None, list[torch.Tensor]] = (None, [])

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
        job, rows = self._job, self._rows
        if view != self._view:
            job.geometry, self._view = Geometry.of(*view), view
            self._lens = compiled_lens(view.camera.lens)
            job.lens = self._lens.structure
        job.rules.threshold = threshold
        self._read_from(maps)
        self._find(self._at)
        self._refuse_broken()
        smpl = smpl_at(rows.image[: job.count], rows.cell[: job.count]).cpu().float().contiguous()
        if smpl.shape != (job.count, SMPL_CHANNELS):
            raise ValueError(f"smpl_at gave {list(smpl.shape)} for {job.count} people")
        if job.count == 0:
            return None
        job.people.smpl = smpl.data_ptr()
        self._fit(self._at)
        self._refuse_broken()
        count = job.count
        self._place(self._at)
        self._refuse_broken()
        clock.lap("decode")
        surface, boxes = self._surface_and_boxes(count, view, vertices=vertices)
        clock.lap("body")
        # Copies: the workspace serves the next image.
        return Found(
            score=rows.score[:count].copy(),
            center_px=rows.center_px[:count].copy(),
            bbox_px=boxes.copy(),
            betas=rows.betas[:count].copy(),
            rotations=rows.rotations[:count].copy(),
            translation_m=rows.translation[:count].copy(),
            joints_m=rows.joints_m[:count].copy(),
            joints_px=rows.joints_px[:count].copy(),
            joint_confidence=rows.confidence[:count].copy(),
            weak_camera=rows.weak[:count].copy(),
            embedding=rows.embedding[:count].copy(),
            vertices_m=surface if vertices else None,
        )

    def _surface_and_boxes(
        self, count: int, view: View, *, vertices: bool
    ) -> tuple[Floats, Floats]:
        if self._on_cpu:
            if (pose := self._surfaces.get(vertices)) is None:
                pose = self._surfaces[vertices] = CompiledSurface(self._body, mesh=vertices)
            return pose(self._at, count)
        rows = self._rows.first(count)
        skeletons = Skeletons(rows.joints, rows.world, rows.rest, rows.betas, rows.rotations)
        return surface_and_boxes(
            self._poser, skeletons, rows.translation, rows.depth, view.camera, mesh=vertices
        )

    def _read_from(self, maps: InferenceMaps) -> None:
        """Have the kernels read from these maps, of one image."""
        if maps is self._maps[0]:
            return
        side = maps.center_heatmap.shape[-1]
        for name, one, channels in zip(InferenceMaps._fields, maps, _CHANNELS, strict=False):
            if one.shape != (1, channels, side, side):
                raise ValueError(
                    f"{name} must be of one image, [1, {channels}, {side}, {side}], got "
                    f"{list(one.shape)}"
                )
        wanted = list(maps[:5])
        if self._tables.first is not None:
            wanted.append(maps.features[:, self._tables.first :])
        read = on_host(wanted)
        into = self._job.maps
        into.center_heatmap, into.joint_heatmaps, into.camera = (one.data_ptr() for one in read[:3])
        into.center_instance, into.joint_instance = (one.data_ptr() for one in read[3:5])
        into.side = side
        for found in read[5:]:  # in any layout
            into.found, into.found_side = found.data_ptr(), found.shape[-1]
            into.found_strides[:] = found.stride()
        # Kept alive until all is read. Engines may answer with the same maps ever again, with new
        # numbers in them: where they are read in place, that has been arranged for.
        in_place = all(
            one.data_ptr() == given.data_ptr() for one, given in zip(read, wanted, strict=True)
        )
        self._maps = (maps if in_place else None, read)

    def _refuse_broken(self) -> None:
        finite = bytes(self._job.finite)
        if finite != _ALL_FINITE:
            refuse_broken([name for name, fine in zip(FINITE, finite, strict=True) if not fine])


def make_reader(network: IclMeshNetwork, body: BodyModel, device: torch.device) -> Reader:
    """The compiled reader where its library was built, else one that needs none. network, body: on
    that device, in evaluation mode."""
    try:
        return CompiledReader(network, body)
    except ValueError:
        return HostReader(network, body, device)


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
