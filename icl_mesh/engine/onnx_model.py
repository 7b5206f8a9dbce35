"""The network as an ONNX model: any batch, one input size; and whose weights a file holds."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import torch
from torch import nn

from icl_mesh.engine.cache import network_key, read_cached, write_cached
from icl_mesh.network import IclMeshNetwork, NetworkMaps

#: Raise it when the export changes: files of older versions are then made anew.
EXPORT_VERSION = 1
OPSET = 17
INPUT = "images"
_KEY = "icl_mesh_network"
_SIZE = "icl_mesh_input_size"


class _Plain(nn.Module):
    """The network with a plain tuple as output, which is what ONNX knows."""

    def __init__(self, network: IclMeshNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(self.network(images))


def export_onnx(network: IclMeshNetwork, input_size: int) -> bytes:
    """The network (evaluation mode) as ONNX: images [B, 3, S, S] -> the maps of NetworkMaps.

    S = input_size is fixed, so that engines can plan; B is free. Raises ImportError without the
    package onnx.
    """
    onnx = _onnx()
    parameter = next(network.parameters())
    images = torch.zeros(1, 3, input_size, input_size, device=parameter.device)
    was_training = network.training
    network.eval()
    try:
        with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "network.onnx"
            # The tracing exporter is deprecated, but it needs a tenth of the time and of the
            # packages of its successor; its warnings are about checks of the input's shape.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                _Plain(network),
                (images,),
                file,
                dynamo=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=list(NetworkMaps._fields),
                dynamic_axes={name: {0: "batch"} for name in (INPUT, *NetworkMaps._fields)},
            )
            model = onnx.load(file)
    finally:
        network.train(was_training)
    facts = {_KEY: network_key(network), _SIZE: str(input_size)}
    onnx.helper.set_model_props(model, facts)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def onnx_of(network: IclMeshNetwork, input_size: int, path: Path | None = None) -> bytes:
    """The network's ONNX model: from ``path`` where that file exists, else from the cache, else
    made now and kept.

    Raises ValueError for a file of other weights or of another input size.
    """
    key = network_key(network)
    if path is not None and path.is_file():
        data = path.read_bytes()
        _check_same(path, data, key, input_size)
        return data
    name = f"{key[:32]}-{input_size}-v{EXPORT_VERSION}.onnx"
    cached = read_cached(name)
    if cached is None:
        cached = export_onnx(network, input_size)
        write_cached(name, cached)
    return cached


def _check_same(path: Path, data: bytes, key: str, input_size: int) -> None:
    onnx = _onnx()
    try:
        facts = {entry.key: entry.value for entry in onnx.load_from_string(data).metadata_props}
    except Exception as error:  # protobuf's own error type differs between its versions
        raise ValueError(f"{path}: not an ONNX file, or broken ({error})") from None
    if facts.get(_KEY) != key or facts.get(_SIZE) != str(input_size):
        what = "another network" if facts.get(_KEY) != key else f"input size {facts.get(_SIZE)}"
        raise ValueError(
            f"{path} holds {what}, not the weights beside it at input size {input_size}: write "
            f"it again with `icl-mesh export`, or remove it"
        )


def _onnx():  # type: ignore[no-untyped-def]  # a module
    try:
        import onnx
        import onnx.helper
    except ImportError as error:
        raise ImportError(
            f"ONNX models are written and checked with the package onnx: pip install onnx ({error})"
        ) from None
    return onnx
