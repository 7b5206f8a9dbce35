"""The second step in PyTorch, for engines whose maps PyTorch can read."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.network import IclMeshNetwork, InferenceMaps


class EagerPeople:
    """Engine.smpl_at without CUDA graphs: the kernels are few, and each N would need a graph.

    The network is moved to the device and set to evaluation mode. kind: type of the convolutions.
    """

    def __init__(
        self, network: IclMeshNetwork, device: torch.device, kind: torch.dtype = torch.float32
    ) -> None:
        self._network = network.to(device).eval()
        self._device, self._kind = device, kind

    @torch.inference_mode()
    def __call__(
        self, maps: InferenceMaps, image: npt.NDArray[np.int64], cell: npt.NDArray[np.int64]
    ) -> torch.Tensor:
        indices = (torch.from_numpy(index).to(self._device) for index in (image, cell))
        with self._exact(), self._precision():
            return self._network.smpl_at(maps, *indices)

    def _exact(self) -> AbstractContextManager[None]:
        """Disables TF32 in cuDNN."""
        if self._device.type != "cuda":
            return nullcontext()
        return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)

    def _precision(self) -> AbstractContextManager[object]:
        if self._kind == torch.float32:
            return nullcontext()
        return torch.autocast(self._device.type, self._kind, cache_enabled=False)
