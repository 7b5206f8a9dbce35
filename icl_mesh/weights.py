"""Weights files: safetensors with metadata that says what they are and where they came from.

A file holds the network's whole state dict. Its metadata (text, all keys present) are: format
("icl_mesh"), format_version, name, architecture, head_width and, since 0.2, smpl_width (what
build_network needs; files without smpl_width have head_width there too),
input_size (px), body (name of the body model trained with), threshold (least score of a person),
data, metrics (JSON), git_revision and licence; and, since 0.2, sha256 (of the file's bytes after
its header, the tensors), by which damage is noticed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from icl_mesh.decoding import PEAK_THRESHOLD
from icl_mesh.files import write_atomically
from icl_mesh.network import BACKBONES, IclMeshNetwork, build_network

FORMAT = "icl_mesh"
FORMAT_VERSION = 1

_REQUIRED = ("input_size", "body")
_OPTIONAL = ("name", "threshold", "data", "metrics", "git_revision", "licence")


def default_weights_path() -> Path:
    """Where the weights that come with the package lie."""
    return Path(str(resources.files("icl_mesh") / "assets" / "default_weights.safetensors"))


def save_weights(
    path: str | Path, network: IclMeshNetwork, metadata: Mapping[str, Any], *, half: bool = False
) -> None:
    """Write the network's weights, all or nothing: a broken run leaves no broken file.

    metadata: input_size and body are needed; name (short, default the architecture), threshold,
    data, metrics (a dict), git_revision and licence are welcome; architecture and widths are
    taken from the network. half: store matrices and kernels in float16, at half the size;
    statistics and biases, which may leave its range, stay in float32.
    Raises ValueError for missing or unknown metadata.
    """
    path = Path(path)
    text = _metadata_text(network, metadata)
    tensors = {
        key: value.detach().cpu().contiguous().to(_stored_type(value, half))
        for key, value in network.state_dict().items()
    }
    write_atomically(path, _with_metadata(save(tensors), text))


def load_weights(path: str | Path = "default") -> tuple[IclMeshNetwork, dict[str, Any]]:
    """A weights file -> the network (evaluation mode, CPU, float32) and its metadata.

    The metadata has the keys of the module's docstring with their own types, and
    weights_version: name and first 12 hexadecimal digits of the file's SHA-256.
    Raises FileNotFoundError, or ValueError with path and rule for a file that is not safetensors
    or holds another network.
    """
    path = _existing(path)
    metadata = _read_metadata(path)
    widths = metadata["head_width"], metadata["smpl_width"]
    network = build_network(metadata["architecture"], *widths)
    tensors = load_file(path)
    network.add_parts_of(tensors)
    _check_tensors(path, tensors, network.state_dict())
    network.load_state_dict(tensors)  # copies into float32
    content = path.read_bytes()
    if metadata.get("sha256", _tensors_digest(content)) != _tensors_digest(content):
        raise ValueError(
            f"{path}: damaged: its tensors do not have the SHA-256 that its metadata name; copy or "
            f"download the file again"
        )
    digest = hashlib.sha256(content).hexdigest()
    metadata["weights_version"] = f"{metadata['name']}-{digest[:12]}"
    return network.eval(), metadata


def _metadata_text(network: IclMeshNetwork, metadata: Mapping[str, Any]) -> dict[str, str]:
    missing = [key for key in _REQUIRED if key not in metadata]
    # What load_weights returned may be saved again: the network's own keys are taken from it.
    made_here = ("format_version", "weights_version", "sha256")
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
        "data": "not stated",
        "metrics": {},
        "git_revision": "not stated",
        "licence": "not stated",
        **{key: metadata[key] for key in (*_REQUIRED, *_OPTIONAL) if key in metadata},
        **network.config,
    }
    text = {key: str(value) for key, value in values.items()}
    text["metrics"] = json.dumps(values["metrics"], sort_keys=True)
    _typed_metadata(text)  # what would not load again is not written
    return {"format": FORMAT, "format_version": str(FORMAT_VERSION), **text}


def _typed_metadata(text: Mapping[str, str]) -> dict[str, Any]:
    """Metadata with their own types; raises ValueError naming the first bad value."""
    values: dict[str, Any] = dict(text)
    values.setdefault("smpl_width", text["head_width"])
    numbers = {"head_width": float, "smpl_width": float, "input_size": int, "threshold": float}
    for key, kind in numbers.items():
        try:
            values[key] = kind(values[key])
        except ValueError:
            raise ValueError(f"{key} must be a number, got {values[key]!r}") from None
    if values["architecture"] not in BACKBONES:
        known = ", ".join(BACKBONES)
        raise ValueError(f"architecture {text['architecture']!r} is unknown; known are {known}")
    if values["input_size"] < 32 or values["input_size"] % 32:
        raise ValueError(f"input_size must be a positive multiple of 32, got {text['input_size']}")
    if not 0 < values["threshold"] <= 1:
        raise ValueError(f"threshold must lie in (0, 1], got {text['threshold']}")
    if not re.fullmatch(r"[\w.+-]+", values["name"]):
        raise ValueError(f"name must be letters, digits and ._+- only, got {text['name']!r}")
    try:
        values["metrics"] = json.loads(text["metrics"])
    except json.JSONDecodeError as error:
        raise ValueError(f"metrics must be JSON: {error}") from None
    return values


def _with_metadata(data: bytes, text: Mapping[str, str]) -> bytes:
    """Safetensors bytes with metadata in a fixed order.

    The library's own writer shuffles them, so that equal weights would get unequal versions.
    The format: length of the header (8 bytes, little endian), header (JSON, padded with spaces
    to a multiple of 8), tensors.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    text = {**text, "sha256": _tensors_digest(data)}
    header = {"__metadata__": dict(sorted(text.items())), **json.loads(data[8:end])}
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    return len(encoded).to_bytes(8, "little") + encoded + data[end:]


def _tensors_digest(data: bytes) -> str:
    """SHA-256 of safetensors bytes without their header."""
    return hashlib.sha256(memoryview(data)[8 + int.from_bytes(data[:8], "little") :]).hexdigest()


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


def _read_metadata(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, framework="pt") as file:
            text = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path}: weights must be a safetensors file ({error})") from None
    if text.get("format") != FORMAT:
        raise ValueError(
            f"{path}: not a weights file of icl_mesh: its metadata lack format={FORMAT!r}; write "
            f"weights with icl_mesh.save_weights"
        )
    if text.get("format_version") != str(FORMAT_VERSION):
        raise ValueError(
            f"{path}: weights of format version {text.get('format_version')}, this version of "
            f"icl_mesh reads version {FORMAT_VERSION}"
        )
    keys = {*_REQUIRED, *_OPTIONAL, "architecture", "head_width"}
    missing = sorted(keys - set(text))
    if missing:
        raise ValueError(f"{path}: weights metadata lack {', '.join(missing)}")
    try:
        values = _typed_metadata(text)
    except ValueError as error:
        raise ValueError(f"{path}: weights metadata are wrong: {error}") from None
    values["format_version"] = FORMAT_VERSION
    del values["format"]
    return values


def _check_tensors(
    path: Path, found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> None:
    """One ValueError that counts what differs and shows the first few."""
    problems = [f"{key} is missing" for key in expected if key not in found]
    problems += [f"{key} does not belong" for key in found if key not in expected]
    problems += [
        f"{key} has shape {list(found[key].shape)} instead of {list(value.shape)}"
        for key, value in expected.items()
        if key in found and found[key].shape != value.shape
    ]
    if problems:
        shown = "; ".join(problems[:3])
        raise ValueError(
            f"{path}: {len(problems)} tensors do not fit the architecture its metadata name: "
            f"{shown}{'; ...' if len(problems) > 3 else ''}"
        )
