"""The reference engine: the network in PyTorch, in float32."""

from __future__ import annotations

import torch

from icl_mesh.network import IclMeshNetwork, NetworkMaps


class TorchEngine:
    """Runs the network where its parameters are moved: the given device.

    The network itself is used, not a copy: it is put into evaluation mode (batch normalisation
    by its running statistics) and moved.
    """

    name = "torch"

    def __init__(self, network: IclMeshNetwork, device: torch.device) -> None:
        self.device = device
        # Channels last is the layout in which preprocessing leaves the image, and the faster one.
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = network.to(device).eval()

    @torch.inference_mode()
    def __call__(self, images: torch.Tensor) -> NetworkMaps:
        return self.network(images)
