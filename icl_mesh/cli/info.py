"""What `icl-mesh info` prints: versions, device, engine, weights and body."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from importlib import metadata

import torch

import icl_mesh
from icl_mesh.body import BodyModel
from icl_mesh.engine import create_engine, installed_engines, parse_engine, resolve_device
from icl_mesh.engine.cache import cache_folder
from icl_mesh.io.wording import MESSAGE, shown
from icl_mesh.kernels import LANES, LEVEL
from icl_mesh.weights import default_weights_path, load_weights

_LIBRARIES = (
    *("torch", "onnxruntime", "openvino", "tensorrt", "onnx", "numpy", "opencv-python-headless"),
    *("safetensors", "moderngl", "trimesh"),
)


def print_info(weights: str, body: str, device: str, engine: str) -> int:
    """Print "name: value" lines. Returns 1 if weights or body cannot be loaded, else 0."""
    rows = [("icl_mesh", icl_mesh.__version__), ("python", platform.python_version())]
    rows += [(name, _version(name)) for name in _LIBRARIES]
    parse_engine(engine)
    chosen = resolve_device(device)
    rows += [
        ("device", _device_text(chosen)),
        ("engines installed", ", ".join(installed_engines())),
        ("kernels", f"{LEVEL} ({LANES} lanes)"),
        ("cache folder", str(cache_folder())),
    ]
    good = True
    try:
        network, described = load_weights(weights)
        used = create_engine(engine, network, chosen, described["input_size"])
        rows.append(("engine", used.name))
        rows += list(_weights_rows(weights, described))
    except (ValueError, OSError) as error:
        good = False
        rows.append(("weights", f"error: {shown(error, MESSAGE)}"))
    try:
        model = BodyModel.load(body)
        size = f"{model.vertex_count} vertices, {len(model.faces)} faces"
        rows.append(("body", f"{shown(model.name)}, {size}"))
    except (ValueError, OSError) as error:
        good = False
        rows.append(("body", f"error: {shown(error, MESSAGE)}"))
    for name, value in rows:
        print(f"{name + ':':<24}{value}")
    return 0 if good else 1


def _weights_rows(weights: str, described: dict[str, object]) -> Iterator[tuple[str, str]]:
    yield "weights", str(default_weights_path() if weights == "default" else weights)
    for key, value in described.items():
        text = json.dumps(value) if isinstance(value, dict) else str(value)
        yield f"  {shown(key)}", shown(text, MESSAGE)


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def _device_text(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({torch.get_num_threads()} threads)"
