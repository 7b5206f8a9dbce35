"""Where the network runs. An engine takes the network's input and gives its maps."""

from icl_mesh.engine.base import Engine
from icl_mesh.engine.create import create_engine
from icl_mesh.engine.device import resolve_device
from icl_mesh.engine.spec import ENGINES, EngineSpec, installed_engines, parse_engine
from icl_mesh.engine.torch_engine import TorchEngine

__all__ = [
    "ENGINES",
    "Engine",
    "EngineSpec",
    "TorchEngine",
    "create_engine",
    "installed_engines",
    "parse_engine",
    "resolve_device",
]
