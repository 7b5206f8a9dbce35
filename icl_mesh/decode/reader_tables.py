"""Arguments of the compiled reader: constants, a body's skeleton and surface, a network's
projectors and lifter."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import nn

from icl_mesh import kernels
from icl_mesh.body import BodyModel
from icl_mesh.body.kinematics import BodyKinematics
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
from icl_mesh.network import IclMeshNetwork
from icl_mesh.network.constants import BETAS, INSTANCE_CHANNELS, JOINTS, SCALE_BASE
from icl_mesh.network.lifter import MIN_CENTER, MIN_EVIDENCE, MOST_CAMERA, PASSES

#: Of the fit to keypoints: standard deviation of a good keypoint, and the error from which on it
#: counts as an outlier (Geman-McClure), m of the body.
KEYPOINT_ERROR_M, OUTLIER_M = 0.02, 0.15
FIT_ITERATIONS = 10


def make_reader(
    network: IclMeshNetwork, body: BodyModel, kinematics: BodyKinematics
) -> kernels.Reader:
    """A reader for a network and a body. It copies their parameters.

    Raises ValueError for projectors of other layers than branches.projector() has.
    """
    return kernels.Reader(
        rules=_rules(),
        body=_skeleton(body, kinematics),
        center_projector=_projector(network, "center_projector"),
        joint_projector=_projector(network, "joint_projector"),
        lifter=_lifter(network),
        keypoint_fit=_keypoint_fit(network),
    )


def make_surface(body: BodyModel, *, mesh: bool) -> kernels.Surface:
    """The mesh of a body on the CPU, or its extreme vertices. Both give the same bounding boxes,
    which are those of the extreme vertices."""
    extreme = body.extreme_index.numpy()
    tables = SurfaceTables.of(body, None if mesh else extreme)
    index = extreme if mesh else np.arange(len(extreme))
    return kernels.Surface(**tables._asdict(), index=index)


def _rules() -> kernels.Rules:
    return kernels.Rules(
        scale_base=SCALE_BASE,
        max_log_scale=MAX_LOG_SCALE,
        duplicate_cells=DUPLICATE_CELLS,
        duplicate_scale_ratio=DUPLICATE_SCALE_RATIO,
        duplicate_degrees=DUPLICATE_ANGLE_DEG,
        window=WINDOW,
        min_evidence=MIN_EVIDENCE,
        min_center=MIN_CENTER,
        most_camera=MOST_CAMERA,
        peak_window=PEAK_WINDOW,
        search_cells=SEARCH_CELLS,
        most=MAX_PEOPLE,
    )


def _skeleton(body: BodyModel, kinematics: BodyKinematics) -> kernels.Body:
    rest, directions, parents = kinematics.skeleton_tables
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


def _keypoint_fit(network: IclMeshNetwork) -> kernels.KeypointFit | None:
    if network.refinement is None:
        return None
    precision = network.refinement.precision.detach().float().cpu().numpy()
    return kernels.KeypointFit(
        precision=precision, sigma=KEYPOINT_ERROR_M, robust=OUTLIER_M, iterations=FIT_ITERATIONS
    )


def _projector(network: IclMeshNetwork, name: str) -> npt.NDArray[np.float32] | None:
    """Weights [3, 64 inputs, 64 outputs] of branches.projector(); None for nn.Identity, whose
    features are embeddings already."""
    projector = getattr(network, name)
    if isinstance(projector, nn.Identity):
        return None
    layers = list(projector.children()) if isinstance(projector, nn.Sequential) else []
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    shape = (INSTANCE_CHANNELS, INSTANCE_CHANNELS)
    if [type(layer) for layer in layers] != [
        *(nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear)
    ] or any(layer.bias is not None or layer.weight.shape != shape for layer in linear):
        raise ValueError(f"{name} is not a projector that the compiled kernels know: {projector}")
    weights = [layer.weight.detach().float().cpu().numpy().T for layer in linear]
    return np.ascontiguousarray(np.stack(weights))
