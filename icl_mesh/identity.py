"""People's identities: embeddings of their centres, and which joints in the maps are their own.

By the network's projectors: on the CPU in compiled functions (src/confidence.cpp), which embed only
the cells that can matter; else with PyTorch (icl_mesh.confidence).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from icl_mesh.confidence import joint_confidence, unit
from icl_mesh.native import INT, POINTER, address, kernel
from icl_mesh.network import IclMeshNetwork
from icl_mesh.network.branches import INSTANCE_CHANNELS

FloatArray = npt.NDArray[np.float32]

_EMBED = (POINTER, POINTER, INT, POINTER)
_CONFIDENCE = (POINTER, POINTER, INT, INT, *(POINTER,) * 4, INT, POINTER)


class Identities:
    """Reads the projectors once, when it is made: they rest from then on."""

    def __init__(self, network: IclMeshNetwork, device: torch.device) -> None:
        """network: on that device, in evaluation mode."""
        self._network, self._device = network, device
        self._embed = kernel("icl_embed", *_EMBED)
        self._confidence = kernel("icl_joint_confidence", *_CONFIDENCE)
        names = ("center_projector", "joint_projector")
        self._weights = [_packed(getattr(network, name, None)) for name in names]
        self.compiled = (
            device.type == "cpu"
            and self._confidence is not None
            and all(weights is not None for weights in self._weights)
        )

    def embeddings(self, center_instance: npt.NDArray[np.floating[Any]]) -> FloatArray:
        """P_C of centre features [N, 64], at length one [N, 64]; a zero stays zero."""
        weights = self._weights[0]
        if not self.compiled or self._embed is None or weights is None:
            on_device = torch.from_numpy(center_instance).to(self._device)
            return unit(self._network.project_center(on_device).cpu().numpy())
        features = np.ascontiguousarray(center_instance, np.float32)
        result = np.empty_like(features)
        self._embed(address(weights), address(features), len(features), address(result))
        return result

    def joint_confidence(
        self,
        joint_heatmaps: torch.Tensor,
        joint_instance: torch.Tensor,
        center_embedding: FloatArray,
        joints_square: npt.NDArray[np.floating[Any]],
        inside: npt.NDArray[np.bool_],
    ) -> FloatArray:
        """See icl_mesh.confidence.joint_confidence."""
        weights = self._weights[1]
        if not self.compiled or self._confidence is None or weights is None:
            return joint_confidence(
                *(joint_heatmaps, joint_instance, center_embedding, joints_square, inside),
                network=self._network,
            )
        heatmaps, instance = (
            np.ascontiguousarray(one.numpy()) for one in (joint_heatmaps, joint_instance)
        )
        embedding, square, inside = (
            np.ascontiguousarray(center_embedding),
            np.ascontiguousarray(joints_square, np.float32),
            np.ascontiguousarray(inside),
        )
        people, joints = inside.shape
        result = np.empty((people, joints), np.float32)
        self._confidence(
            *(address(heatmaps), address(instance), joints, heatmaps.shape[-1], address(weights)),
            *(address(embedding), address(square), address(inside, np.bool_), people),
            address(result),
        )
        return result


def _packed(projector: nn.Module | None) -> FloatArray | None:
    """Weights [3, 64 inputs, 64 outputs] of branches.projector(); None for anything else."""
    layers = list(projector.children()) if isinstance(projector, nn.Sequential) else []
    if [type(layer) for layer in layers] != [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]:
        return None
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    shape = (INSTANCE_CHANNELS, INSTANCE_CHANNELS)
    if any(layer.bias is not None or layer.weight.shape != shape for layer in linear):
        return None
    weights = [layer.weight.detach().float().cpu().numpy().T for layer in linear]
    return np.ascontiguousarray(np.stack(weights))
