"""Weights of the second stage: a safetensors file of SinglePersonKeypoints.

Metadata (text): format ("icl_mesh_keypoints"), format_version, architecture, name, origin, licence,
normalisation, input_size (px) and the checksums of icl_mesh.io.tensor_files.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import torch

from icl_mesh.io.tensor_files import cut, read_tensor_file, write_tensor_file
from icl_mesh.network.single_person import CROP_SIZE, SinglePersonKeypoints

_FACTS = {
    "format": "icl_mesh_keypoints",
    "format_version": "1",
    "architecture": SinglePersonKeypoints.config["architecture"],
    "input_size": str(CROP_SIZE),
    "normalisation": "RGB from 0 to 255, black outside of the image",
}


def default_keypoint_weights_path() -> Path:
    """The path of the package's second stage."""
    return Path(str(resources.files("icl_mesh") / "assets" / "movenet_thunder.safetensors"))


def save_keypoint_weights(
    path: str | Path, network: SinglePersonKeypoints, *, name: str, origin: str, licence: str
) -> None:
    """Write the network's weights atomically, in float16 where it holds them, in which MoveNet's
    are published."""
    text = {**_FACTS, "name": name, "origin": origin, "licence": licence}
    tensors = {key: _stored(value) for key, value in network.state_dict().items()}
    write_tensor_file(Path(path), tensors, text)


def load_keypoint_weights(
    path: str | Path = "default",
) -> tuple[SinglePersonKeypoints, dict[str, str]]:
    """A file of these weights -> the network (evaluation mode, CPU, float32) and its metadata.

    Metadata are those of the file and weights_version, as of icl_mesh.load_weights.
    Raises FileNotFoundError, or ValueError with path and rule for a file of another kind.
    """
    path = default_keypoint_weights_path() if str(path) == "default" else Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such file of keypoint weights; install the package again, or name the "
            f".safetensors file that tools/convert_thunder.py has written"
        )
    file = read_tensor_file(path)
    text = file.text
    for key, fact in _FACTS.items():
        if key != "normalisation" and text.get(key) != fact:
            raise ValueError(
                f"{path}: not keypoint weights of icl_mesh: its {key} must be {fact}, got "
                f"{cut(repr(text.get(key)))}; write them with tools/convert_thunder.py"
            )
    network = SinglePersonKeypoints()
    file.check_tensors(network.state_dict())
    file.check_digests()
    if not all(bool(value.isfinite().all()) for value in file.tensors.values()):
        raise ValueError(f"{path}: its weights are not finite: copy or convert the file again")
    network.load_state_dict(file.tensors)  # copies into float32
    metadata = {key: value for key, value in text.items() if key != "sha256"}
    metadata["weights_version"] = f"{cut(text.get('name'))}-{file.version}"
    return network.eval(), metadata


def _stored(values: torch.Tensor) -> torch.Tensor:
    half = values.half()
    return half if torch.equal(half.to(values.dtype), values) else values
