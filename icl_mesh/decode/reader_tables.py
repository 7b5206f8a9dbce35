"""What the compiled reader is made of: constants, a body's skeleton and surface, a network's
projectors and lifter, a camera."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import nn

from icl_mesh import kernels
from icl_mesh.body import BodyModel
from icl_mesh.body.posing import Poser
from icl_mesh.body.rig import KEYPOINT_BONE, KEYPOINT_JOINT, KeypointRig
from icl_mesh.body.surface_tables import SurfaceTables
from icl_mesh.decode.evidence import SEARCH_CELLS, WINDOW
from icl_mesh.decode.peaks import (
    DUPLICATE_ANGLE_DEG,
    DUPLICATE_CELLS,
    DUPLICATE_SCALE_RATIO,
    MAX_LOG_SCALE,
    MAX_PEOPLE,
    PEAK_WINDOW,
)
from icl_mesh.geometry.camera import MIN_DEPTH_RATIO, Camera
from icl_mesh.geometry.letterbox import Letterbox
from icl_mesh.network import IclMeshNetwork
from icl_mesh.network.constants import BETAS, INSTANCE_CHANNELS, JOINTS, SCALE_BASE
from icl_mesh.network.lifter import MIN_CENTER, MIN_EVIDENCE, MOST_CAMERA, PASSES


def make_reader(network: IclMeshNetwork, body: BodyModel, poser: Poser) -> kernels.Reader:
    """A reader for a network and a body, whose numbers it takes now.

    Raises ValueError for projectors of other layers than branches.projector() has.
    """
    return kernels.Reader(
        rules=_rules(),
        body=_skeleton(body, poser),
        center_projector=_projector(network, "center_projector"),
        joint_projector=_projector(network, "joint_projector"),
        lifter=_lifter(network),
        keypoint_fit=None,
    )


def make_surface(body: BodyModel, *, mesh: bool) -> kernels.Surface:
    """The mesh of a body on the CPU, or its outline. A mesh's box is that of its outline: the same
    with meshes and without."""
    outline = body.outline_index.numpy()
    tables = SurfaceTables.of(body, None if mesh else outline)
    index = outline if mesh else np.arange(len(outline))
    return kernels.Surface(**tables._asdict(), index=index)


def geometry_of(letterbox: Letterbox, camera: Camera) -> kernels.Geometry:
    """Raises ValueError for a camera of another image size."""
    square = letterbox.camera(camera)
    (scale_x, scale_y), (offset_x, offset_y) = letterbox.scale, letterbox.offset
    return kernels.Geometry(
        fx=camera.fx,
        fy=camera.fy,
        cx=camera.cx,
        cy=camera.cy,
        width=camera.width,
        height=camera.height,
        square_fx=square.fx,
        square_fy=square.fy,
        square_px=square.px,
        square_py=square.py,
        focal=square.focal,
        scale_x=scale_x,
        scale_y=scale_y,
        offset_x=offset_x,
        offset_y=offset_y,
        size=letterbox.size,
        nearest=MIN_DEPTH_RATIO,
    )


def _rules() -> kernels.Rules:
    return kernels.Rules(
        scale_base=SCALE_BASE,
        max_log_scale=MAX_LOG_SCALE,
        repeat_cells=DUPLICATE_CELLS,
        repeat_scale_ratio=DUPLICATE_SCALE_RATIO,
        repeat_degrees=DUPLICATE_ANGLE_DEG,
        window=WINDOW,
        min_evidence=MIN_EVIDENCE,
        min_center=MIN_CENTER,
        most_camera=MOST_CAMERA,
        peak_window=PEAK_WINDOW,
        search_cells=SEARCH_CELLS,
        most=MAX_PEOPLE,
    )


def _skeleton(body: BodyModel, poser: Poser) -> kernels.Body:
    rest, directions, parents = poser.skeleton_tables
    return kernels.Body(
        rest=rest.reshape(JOINTS, 3),
        rest_directions=np.ascontiguousarray(directions).reshape(BETAS, JOINTS, 3),
        parents=parents,
        keypoint_joint=KEYPOINT_JOINT,
        keypoint_bone=KEYPOINT_BONE,
        keypoint_offset=np.ascontiguousarray(KeypointRig(body).offsets),
    )


def _lifter(network: IclMeshNetwork) -> kernels.Lifter | None:
    if network.lifter is None:
        return None
    channels = network.keypoint_channels if network.lifter.keypoints else None
    center, keypoints, offsets, log_extent = (
        (0, 0, 0, 0)
        if channels is None
        else (
            channels.center,
            channels.keypoints.start,
            channels.offsets.start,
            channels.log_extent,
        )
    )
    layers = {}
    for number, (weights, bias) in enumerate(network.lifter.folded()):
        layers[f"weights{number}"] = np.ascontiguousarray(weights.numpy())
        layers[f"bias{number}"] = np.ascontiguousarray(bias.numpy())
    return kernels.Lifter(
        passes=PASSES,
        kinds=network.lifter.keypoints,
        center=center,
        keypoints=keypoints,
        offsets=offsets,
        log_extent=log_extent,
        **layers,
    )


def _projector(network: IclMeshNetwork, name: str) -> npt.NDArray[np.float32]:
    """Weights [3, 64 inputs, 64 outputs] of branches.projector(). All NaN for nn.Identity: the
    kernels then take features as embeddings."""
    projector = getattr(network, name)
    if isinstance(projector, nn.Identity):
        return np.full((3, INSTANCE_CHANNELS, INSTANCE_CHANNELS), np.nan, np.float32)
    layers = list(projector.children()) if isinstance(projector, nn.Sequential) else []
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    shape = (INSTANCE_CHANNELS, INSTANCE_CHANNELS)
    if [type(layer) for layer in layers] != [
        *(nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear)
    ] or any(layer.bias is not None or layer.weight.shape != shape for layer in linear):
        raise ValueError(f"{name} is not a projector that the compiled kernels know: {projector}")
    weights = [layer.weight.detach().float().cpu().numpy().T for layer in linear]
    return np.ascontiguousarray(np.stack(weights))
