"""Engines by name."""

from __future__ import annotations

import torch

from icl_mesh.engine.base import Engine
from icl_mesh.engine.torch_engine import TorchEngine
from icl_mesh.network import IclMeshNetwork

_ENGINES = {"torch": TorchEngine}
ENGINES = tuple(_ENGINES)


def create_engine(name: str, network: IclMeshNetwork, device: torch.device | str = "cpu") -> Engine:
    """The named engine for a network. "auto" takes the best one for the device: today "torch".

    Raises ValueError for an engine that this installation does not have.
    """
    if name == "auto":
        name = "torch"
    if name not in _ENGINES:
        raise ValueError(
            f"engine {name!r} is not available here; choose one of auto, {', '.join(ENGINES)}"
        )
    return _ENGINES[name](network, torch.device(device))
