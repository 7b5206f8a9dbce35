"""PyTorch: the reference in float32, lower precisions, and CUDA graphs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from icl_mesh.engine.eager import EagerPeople
from icl_mesh.engine.spec import refuse_bf16
from icl_mesh.engine.threads import torch_threads
from icl_mesh.network import IclMeshNetwork, InferenceMaps

_TYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
#: Runs before a CUDA graph is recorded: they choose algorithms and allocate.
_WARM_UPS = 3


Network = TypeVar("Network", bound=nn.Module)
Maps = TypeVar("Maps")


class TorchNetwork(Generic[Network, Maps]):
    """Runs a network where its parameters are moved: the given device.

    The network itself is moved there and set to evaluation mode. For less than f32 a copy is used,
    with the convolutions' weights in that type, so that they are cast once. On CUDA each input
    shape is recorded as a graph and replayed: at batch 1, launching hundreds of kernels takes
    longer than running them. On the CPU it uses PyTorch's number of threads at construction.
    """

    def __init__(
        self,
        network: Network,
        maps_of: Callable[[Network, torch.Tensor], Maps],
        device: torch.device,
        precision: str,
    ) -> None:
        """maps_of: the network and its input -> maps. precision: "f32"; "bf16", "f16": convolutions
        in it. Raises ValueError for bf16 on a CPU without it."""
        if precision == "bf16" and device.type == "cpu" and not cpu_has_bf16():
            refuse_bf16("torch")
        self.device = device
        self.threads = torch.get_num_threads()
        self.type = _TYPES[precision]
        self._maps_of = maps_of
        # Channels last is faster; convolutions convert the image to their weights' layout.
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = network.to(device).eval()
        if self.type != torch.float32:
            self.network = _with_convolutions_in(self.network, self.type)
        self._graphs: dict[tuple[int, ...], _Graph[Maps]] = {}

    @torch.inference_mode()
    def __call__(self, images: torch.Tensor) -> Maps:
        if self.device.type == "cuda":
            shape = tuple(images.shape)
            if shape not in self._graphs:
                self._graphs[shape] = _Graph(self, images)
            return self._graphs[shape](images)
        with torch_threads(self.threads):
            return self.eager(images)

    def eager(self, images: torch.Tensor) -> Maps:
        """One kernel after the other."""
        if self.type == torch.float32:
            return self._maps_of(self.network, images)
        # A graph must not hold on to the casts of another one.
        with torch.autocast(self.device.type, self.type, cache_enabled=False):
            return self._maps_of(self.network, images)


class TorchEngine:
    """Both steps in PyTorch."""

    def __init__(
        self, network: IclMeshNetwork, device: torch.device, precision: str = "f32"
    ) -> None:
        """precision: as of TorchNetwork; maps are float32 still. Raises as it does."""
        self.name = f"torch:{precision}"
        self.device = device
        self._maps: TorchNetwork[IclMeshNetwork, InferenceMaps] = TorchNetwork(
            network, lambda moved, images: moved.inference_maps(images), device, precision
        )
        self._people = EagerPeople(self._maps.network, device, self._maps.type)

    def __call__(self, images: torch.Tensor) -> InferenceMaps:
        return self._maps(images)

    def smpl_at(
        self, maps: InferenceMaps, image: npt.NDArray[np.int64], cell: npt.NDArray[np.int64]
    ) -> torch.Tensor:
        with torch_threads(self._maps.threads):
            return self._people(maps, image, cell)


def cpu_has_bf16() -> bool:
    """Whether this CPU has bf16 arithmetic."""
    abilities = torch.cpu.get_capabilities()
    return any(there for ability, there in abilities.items() if "bf16" in ability)


def _with_convolutions_in(network: Network, kind: torch.dtype) -> Network:
    """A copy with its convolutions cast, as autocast would at each call."""
    network = copy.deepcopy(network)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.to(kind)
    return network


class _Graph(Generic[Maps]):
    """The network's kernels for one input shape, recorded; input and maps are fixed buffers."""

    def __init__(self, engine: TorchNetwork[Any, Maps], images: torch.Tensor) -> None:
        self._images = images.clone(memory_format=torch.channels_last)
        # cuDNN chooses its algorithms in the warm-up. TF32 is disabled.
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False)
        with torch.cuda.device(engine.device), exact:
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(_WARM_UPS):
                    engine.eager(self._images)
            torch.cuda.current_stream().wait_stream(side)
            self._graph = torch.cuda.CUDAGraph()
            # CUDA calls of other threads, such as another network's, must not end the capture.
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._maps = engine.eager(self._images)

    def __call__(self, images: torch.Tensor) -> Maps:
        self._images.copy_(images)
        self._graph.replay()
        return self._maps
