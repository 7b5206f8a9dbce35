"""A network's projectors and lifter, and a body's skeleton, as compiled kernels read them."""

from __future__ import annotations

import ctypes

import numpy as np
import numpy.typing as npt
from torch import nn

from icl_mesh.body.posing import Poser
from icl_mesh.body.rig import KEYPOINT_BONE, KEYPOINT_JOINT, KeypointRig
from icl_mesh.native import INT, POINTER, address
from icl_mesh.network import IclMeshNetwork
from icl_mesh.network.branches import INSTANCE_CHANNELS
from icl_mesh.network.lifter import PASSES, PoseLifter
from icl_mesh.reader_structures import LAYERS, Array, Body, Layers, Model

#: Outputs of a layer that are summed at once (LANES of src/native.hpp).
_COLUMN = 16


class ModelTables:
    """Their numbers are taken when it is made, and live as long as it does."""

    def __init__(self, network: IclMeshNetwork, poser: Poser, rig: KeypointRig) -> None:
        """Raises ValueError for projectors of other layers than branches.projector() has."""
        names = ("center_projector", "joint_projector")
        projectors = [_projector(getattr(network, name, None)) for name in names]
        tables = (*poser.skeleton_tables, KEYPOINT_JOINT, KEYPOINT_BONE, rig.offsets)
        arrays: list[Array] = [np.ascontiguousarray(table) for table in tables]
        body = Body(*(address(table, table.dtype.type) for table in arrays))
        layers, channels = None, network.keypoint_channels
        if network.lifter is not None:
            layers, packed = _layers(network.lifter)
            arrays += packed
        self.kinds = network.lifter.keypoints if network.lifter is not None else 0
        #: First channel of the features that is read, None for none.
        self.first = channels.first if channels is not None and self.kinds else None
        self._kept = (projectors, arrays, body, layers)
        self.model = Model(
            *map(address, projectors),
            ctypes.addressof(body),
            None if layers is None else ctypes.addressof(layers),
            PASSES,
            self.kinds,
        )
        if channels is not None and self.kinds:
            model = self.model
            model.center, model.keypoints = channels.center, channels.keypoints.start
            model.offsets, model.log_extent = channels.offsets.start, channels.log_extent


def _layers(lifter: PoseLifter) -> tuple[Layers, list[npt.NDArray[np.float32]]]:
    """The lifter's layers, and the arrays that they point to."""
    packed = [_columns(weights.numpy(), bias.numpy()) for weights, bias in lifter.folded()]
    weights, bias = zip(*packed, strict=True)
    layers = Layers(
        *((POINTER * LAYERS)(*map(address, column)) for column in (weights, bias)),
        (INT * LAYERS)(*(one.shape[1] for one in weights)),
        (INT * LAYERS)(*map(len, bias)),
    )
    return layers, [*weights, *bias]


def _columns(
    weights: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """weights [inputs, outputs], bias [outputs] -> [outputs / 16, inputs, 16], [outputs]; outputs
    are filled up with zeros."""
    inputs, outputs = weights.shape
    columns = -(-outputs // _COLUMN)
    full = np.zeros((inputs, columns * _COLUMN), np.float32)
    full[:, :outputs] = weights
    wide = np.zeros(columns * _COLUMN, np.float32)
    wide[:outputs] = bias
    packed = full.reshape(inputs, columns, _COLUMN).transpose(1, 0, 2)
    return np.ascontiguousarray(packed), wide


def _projector(projector: nn.Module | None) -> npt.NDArray[np.float32]:
    """Weights [3, 64 inputs, 64 outputs] of branches.projector()."""
    layers = list(projector.children()) if isinstance(projector, nn.Sequential) else []
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    shape = (INSTANCE_CHANNELS, INSTANCE_CHANNELS)
    if [type(layer) for layer in layers] != [
        *(nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear)
    ] or any(layer.bias is not None or layer.weight.shape != shape for layer in linear):
        raise ValueError(f"not a projector that the compiled kernels know: {projector}")
    weights = [layer.weight.detach().float().cpu().numpy().T for layer in linear]
    return np.ascontiguousarray(np.stack(weights))
