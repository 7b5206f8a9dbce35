"""The second step in PyTorch, for every engine whose maps lie where PyTorch can read them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.network import IclMeshNetwork, InferenceMaps


class EagerPeople:
    """Engine.smpl_at, one kernel after the other: their number is small, and people come in every
    number, each of which would need a graph of its own.

    The network is moved to the device and put into evaluation mode. kind: type of the convolutions.
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
        places = (torch.from_numpy(index).to(self._device) for index in (image, cell))
        with self._exact(), self._precision():
            return self._network.smpl_at(maps, *places)

    def _exact(self) -> AbstractContextManager[None]:
        """f32 is f32, where cuDNN would take TF32."""
        if self._device.type != "cuda":
            return nullcontext()
        return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)

    def _precision(self) -> AbstractContextManager[object]:
        if self._kind == torch.float32:
            return nullcontext()
        return torch.autocast(self._device.type, self._kind, cache_enabled=False)
