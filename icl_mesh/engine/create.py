"""Engines by name."""

from __future__ import annotations

from pathlib import Path

import torch

from icl_mesh.engine.base import Engine
from icl_mesh.engine.choose import choose_engine
from icl_mesh.engine.onnx_model import onnx_of
from icl_mesh.engine.spec import EngineSpec, check_available, parse_engine
from icl_mesh.engine.torch_engine import TorchEngine
from icl_mesh.network import IclMeshNetwork


def create_engine(
    name: str,
    network: IclMeshNetwork,
    device: torch.device | str = "cpu",
    input_size: int = 512,
    onnx_path: Path | None = None,
) -> Engine:
    """The named engine for a network; see :func:`icl_mesh.engine.parse_engine` for names.

    input_size: side of its square input, px; torch accepts any other as well. onnx_path: an ONNX
    file of `icl-mesh export`, with its second step in the same folder; if it does not exist, the
    models are exported and cached.
    Raises ValueError for an engine that is not installed or does not support the device, and for
    an ONNX file of another network.
    """
    spec, device = parse_engine(name), torch.device(device)

    def make(chosen: EngineSpec) -> Engine:
        return _make(chosen, network, device, input_size, onnx_path)

    if spec.name == "auto":
        return choose_engine(network, device, spec.precision, input_size, make)
    return make(spec)


def _make(
    spec: EngineSpec,
    network: IclMeshNetwork,
    device: torch.device,
    input_size: int,
    onnx_path: Path | None,
) -> Engine:
    check_available(spec, device.type)
    if spec.name == "torch":
        return TorchEngine(network, device, spec.precision)
    models = onnx_of(network, input_size, onnx_path)
    if spec.name == "onnxruntime":
        from icl_mesh.engine.onnxruntime_engine import OnnxRuntimeEngine

        return OnnxRuntimeEngine(models, network, device)
    if spec.name == "openvino":
        from icl_mesh.engine.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(models, device, spec.precision)
    from icl_mesh.engine.tensorrt_engine import TensorRtEngine

    return TensorRtEngine(models, network, device, spec.precision)
