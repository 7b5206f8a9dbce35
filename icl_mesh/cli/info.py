"""What `icl-mesh info` prints: versions, device, engine, weights, second stage and body."""

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
from icl_mesh.engine.keypoints import create_keypoint_engine
from icl_mesh.io.wording import MESSAGE, shown
from icl_mesh.kernels import LANES, LEVEL
from icl_mesh.keypoint_weights import load_keypoint_weights
from icl_mesh.network import IclMeshNetwork
from icl_mesh.network.single_person import CROP_SIZE
from icl_mesh.weights import default_weights_path, load_weights

_LIBRARIES = (
    *("torch", "onnxruntime", "openvino", "tensorrt", "onnx", "numpy", "opencv-python-headless"),
    *("safetensors", "moderngl", "trimesh"),
)


def print_info(weights: str, body: str, device: str, engine: str, *, refine: bool = True) -> int:
    """Print "name: value" lines. refine: as of Estimator.load.

    Returns 1 if weights, second stage or body cannot be loaded, else 0.
    """
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
        second_stage = _second_stage_text(network, used.name, chosen, refine=refine)
        good = good and not second_stage.startswith("error: ")
        rows.append(("second stage", second_stage))
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


def _second_stage_text(
    network: IclMeshNetwork, engine: str, device: torch.device, *, refine: bool
) -> str:
    if network.refinement is None:
        return "not in these weights: people are not refined"
    if not refine:
        return "off"
    try:
        keypoints, described = load_keypoint_weights()
        used = create_keypoint_engine(engine, keypoints, device)
    except (ValueError, OSError) as error:
        return f"error: {shown(error, MESSAGE)}"
    millions = sum(values.numel() for values in keypoints.parameters()) / 1e6
    size = f"{millions:.2f} M parameters, crops of {CROP_SIZE} x {CROP_SIZE} px"
    return f"{shown(described['weights_version'])} with {used.name}, {size}"


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def _device_text(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({torch.get_num_threads()} threads)"
