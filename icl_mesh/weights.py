"""Weights files: safetensors with metadata on the network and its training.

A file has the network's whole state dict. Its metadata (text, all keys present) are: format
("icl_mesh"), format_version, name, architecture, head_width and, since 0.2, smpl_width (arguments
of build_network; the default of smpl_width is head_width), input_size (px), body (name of the body
model of the training), threshold (least score of a person) and, since 0.3, refined_threshold (the
same for people refined by the second stage; the default is threshold), data, metrics (JSON),
git_revision and licence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from icl_mesh.decode.peaks import PEAK_THRESHOLD
from icl_mesh.io.tensor_files import (
    MOST_HEADER_BYTES,
    cut,
    header_end,
    read_tensor_file,
    write_tensor_file,
)
from icl_mesh.network import IclMeshNetwork, build_network
from icl_mesh.network.weights_metadata import typed_metadata

FORMAT = "icl_mesh"
FORMAT_VERSION = 1
_REQUIRED = ("input_size", "body")
_OPTIONAL = (
    "name",
    "threshold",
    "refined_threshold",
    "data",
    "metrics",
    "git_revision",
    "licence",
)


def default_weights_path() -> Path:
    """The path of the package's default weights."""
    return Path(str(resources.files("icl_mesh") / "assets" / "default_weights.safetensors"))


def save_weights(
    path: str | Path, network: IclMeshNetwork, metadata: Mapping[str, Any], *, half: bool = False
) -> None:
    """Write the network's weights atomically.

    metadata: input_size and body are required; name (default the architecture), threshold, data,
    metrics (a dict), git_revision and licence are optional; architecture and widths are those of
    the network. half: store matrices and kernels in float16, at half the size; statistics and
    biases, which may exceed its range, stay in float32.
    Raises ValueError for missing or unknown metadata.
    """
    text = _metadata_text(network, metadata)
    tensors = {
        key: value.to(_stored_type(value, half)) for key, value in network.state_dict().items()
    }
    write_tensor_file(Path(path), tensors, text)


def load_weights(path: str | Path = "default") -> tuple[IclMeshNetwork, dict[str, Any]]:
    """A weights file -> the network (evaluation mode, CPU, float32) and its metadata.

    The metadata are those of the module's docstring, converted to their types, and
    weights_version: name and first 12 hexadecimal digits of the file's SHA-256.
    Raises FileNotFoundError, or ValueError with path and rule for a file that is not safetensors
    or holds another network.
    """
    file = read_tensor_file(_existing(path))
    metadata = _checked_metadata(file.path, file.text)
    widths = metadata["head_width"], metadata["smpl_width"]
    network = build_network(metadata["architecture"], *widths)
    network.add_parts_of(file.tensors)
    file.check_tensors(network.state_dict())
    file.check_digests()
    network.load_state_dict(file.tensors)  # copies into float32
    metadata["weights_version"] = f"{metadata['name']}-{file.version}"
    return network.eval(), metadata


def load_input_size(path: str | Path) -> int:
    """Side of the network's square input, px, from the header of a weights file.

    Raises the errors of load_weights.
    """
    path = _existing(path)
    with path.open("rb") as file:
        start = file.read(8)
        header = file.read(min(header_end(start) - 8, MOST_HEADER_BYTES))
    try:
        text = json.loads(header)["__metadata__"]
        return int(_checked_metadata(path, text)["input_size"])
    except (KeyError, TypeError, AttributeError, RecursionError, json.JSONDecodeError):
        raise ValueError(f"{path}: weights must be a safetensors file") from None


def _metadata_text(network: IclMeshNetwork, metadata: Mapping[str, Any]) -> dict[str, str]:
    missing = [key for key in _REQUIRED if key not in metadata]
    # The metadata of load_weights may be saved again: these keys are then derived anew.
    made_here = ("format_version", "weights_version", "sha256")  # load_weights drops header_sha256
    known = {*_REQUIRED, *_OPTIONAL, *network.config, *made_here}
    unknown = sorted(set(metadata) - known)
    if missing or unknown:
        raise ValueError(
            f"weights metadata needs {', '.join(_REQUIRED)} and may have {', '.join(_OPTIONAL)}; "
            f"missing: {missing or 'none'}, unknown: {unknown or 'none'}"
        )
    values = {
        "name": network.config["architecture"],
        "threshold": PEAK_THRESHOLD,
        "refined_threshold": metadata.get("threshold", PEAK_THRESHOLD),
        "data": "not stated",
        "metrics": {},
        "git_revision": "not stated",
        "licence": "not stated",
        **{key: metadata[key] for key in (*_REQUIRED, *_OPTIONAL) if key in metadata},
        **network.config,
    }
    text = {key: str(value) for key, value in values.items()}
    text["metrics"] = json.dumps(values["metrics"], sort_keys=True)
    typed_metadata(text)  # refuse metadata that would not load
    return {"format": FORMAT, "format_version": str(FORMAT_VERSION), **text}


def _stored_type(tensor: torch.Tensor, half: bool) -> torch.dtype:
    is_kernel = tensor.is_floating_point() and tensor.dim() >= 2
    return torch.float16 if half and is_kernel else tensor.dtype


def _existing(path: str | Path) -> Path:
    if str(path) == "default":
        path = default_weights_path()
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: the default weights are missing from this installation; install the "
                f"package again, or name a weights file"
            )
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such weights file; it should be a .safetensors file")
    return path


def _checked_metadata(path: Path, text: Mapping[str, str]) -> dict[str, Any]:
    if text.get("format") != FORMAT:
        raise ValueError(
            f"{path}: not a weights file of icl_mesh: its metadata lack format={FORMAT!r}; write "
            f"weights with icl_mesh.save_weights"
        )
    if text.get("format_version") != str(FORMAT_VERSION):
        raise ValueError(
            f"{path}: weights of format version {cut(text.get('format_version'))}, this version "
            f"of icl_mesh reads version {FORMAT_VERSION}"
        )
    # refined_threshold and smpl_width are newer than the format.
    keys = {*_REQUIRED, *_OPTIONAL, "architecture", "head_width"} - {"refined_threshold"}
    missing = sorted(keys - set(text))
    if missing:
        raise ValueError(f"{path}: weights metadata lack {', '.join(missing)}")
    try:
        values = typed_metadata(text)
    except ValueError as error:
        raise ValueError(f"{path}: weights metadata are wrong: {error}") from None
    values["format_version"] = FORMAT_VERSION
    del values["format"]
    return values
