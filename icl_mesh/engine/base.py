"""What every engine offers."""

from __future__ import annotations

from typing import Protocol

import torch

from icl_mesh.network import NetworkMaps


class Engine(Protocol):
    """Runs the network in evaluation mode, without gradients."""

    @property
    def name(self) -> str:
        """Engine and precision, as it is chosen by: "torch:f32"."""

    @property
    def device(self) -> torch.device:
        """Where inputs are taken from and maps are left."""

    def __call__(self, images: torch.Tensor) -> NetworkMaps:
        """Normalised images [B, 3, S, S] on `device` -> maps on `device`, float32.

        The maps may be buffers of the engine: they hold until its next call.
        """
