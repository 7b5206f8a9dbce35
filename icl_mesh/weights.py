"""Weights files: safetensors with metadata on the network and its training.

A file has the network's whole state dict. Its metadata (text, all keys present) are: format
("icl_mesh"), format_version, name, architecture, head_width and, since 0.2, smpl_width (arguments
of build_network; the default of smpl_width is head_width), input_size (px), body (name of the body
model of the training), threshold (least score of a person), data, metrics (JSON), git_revision and
licence. Checksums are sha256, of the bytes after the header (the tensors), and header_sha256, of
the rest; older files lack one or both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from icl_mesh.decode.peaks import PEAK_THRESHOLD
from icl_mesh.io.atomic import write_atomically
from icl_mesh.network import IclMeshNetwork, build_network
from icl_mesh.network.weights_metadata import cut, typed_metadata

FORMAT = "icl_mesh"
FORMAT_VERSION = 1
#: Largest size of a file in bytes, three times the largest network.
MOST_BYTES = 1 << 29

#: Largest size of a header in bytes.
MOST_HEADER_BYTES = 1 << 22
_HEADER_DIGEST = "header_sha256"
_REQUIRED = ("input_size", "body")
_OPTIONAL = ("name", "threshold", "data", "metrics", "git_revision", "licence")


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
    path = Path(path)
    text = _metadata_text(network, metadata)
    tensors = {
        key: value.detach().cpu().contiguous().to(_stored_type(value, half))
        for key, value in network.state_dict().items()
    }
    write_atomically(path, _with_metadata(save(tensors), text))


def load_weights(path: str | Path = "default") -> tuple[IclMeshNetwork, dict[str, Any]]:
    """A weights file -> the network (evaluation mode, CPU, float32) and its metadata.

    The metadata are those of the module's docstring, converted to their types, and
    weights_version: name and first 12 hexadecimal digits of the file's SHA-256.
    Raises FileNotFoundError, or ValueError with path and rule for a file that is not safetensors
    or holds another network.
    """
    path = _existing(path)
    content = _content(path)
    try:
        tensors = load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path}: weights must be a safetensors file ({cut(error)})") from None
    header = json.loads(content[8 : _header_end(content)])  # checked by load
    metadata = _checked_metadata(path, header.get("__metadata__") or {})
    widths = metadata["head_width"], metadata["smpl_width"]
    network = build_network(metadata["architecture"], *widths)
    network.add_parts_of(tensors)
    _check_tensors(path, tensors, network.state_dict())
    _check_digests(path, content, header)
    metadata.pop(_HEADER_DIGEST, None)
    network.load_state_dict(tensors)  # copies into float32
    digest = hashlib.sha256(content).hexdigest()
    metadata["weights_version"] = f"{metadata['name']}-{digest[:12]}"
    return network.eval(), metadata


def load_input_size(path: str | Path) -> int:
    """Side of the network's square input, px, from the header of a weights file.

    Raises the errors of load_weights.
    """
    path = _existing(path)
    with path.open("rb") as file:
        start = file.read(8)
        header = file.read(min(_header_end(start) - 8, MOST_HEADER_BYTES))
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


def _with_metadata(data: bytes, text: Mapping[str, str]) -> bytes:
    """Safetensors bytes with metadata in a fixed order.

    The library's writer has no fixed order, so that equal weights would have different versions.
    The format: length of the header (8 bytes, little endian), header (JSON, padded with spaces
    to a multiple of 8), tensors.
    """
    end = _header_end(data)
    text = {**text, "sha256": _tensors_digest(data)}
    header = {"__metadata__": text, **json.loads(data[8:end])}
    text[_HEADER_DIGEST] = _header_digest(header)
    header["__metadata__"] = dict(sorted(text.items()))
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    return len(encoded).to_bytes(8, "little") + encoded + data[end:]


def _tensors_digest(data: bytes) -> str:
    """SHA-256 of safetensors bytes without their header."""
    return hashlib.sha256(memoryview(data)[_header_end(data) :]).hexdigest()


def _header_digest(header: Mapping[str, Any]) -> str:
    """SHA-256 of a header's values without this checksum."""
    text = {key: value for key, value in header["__metadata__"].items() if key != _HEADER_DIGEST}
    values = json.dumps({**header, "__metadata__": text}, sort_keys=True)
    return hashlib.sha256(values.encode()).hexdigest()


def _header_end(data: bytes) -> int:
    return 8 + int.from_bytes(data[:8], "little")


def _check_digests(path: Path, content: bytes, header: Mapping[str, Any]) -> None:
    """Raise ValueError where a checksum is present and does not match."""
    text, found = header["__metadata__"], None
    if text.get("sha256") not in (None, _tensors_digest(content)):
        found = "tensors do"
    elif text.get(_HEADER_DIGEST) not in (None, _header_digest(header)):
        found = "header does"
    if found:
        raise ValueError(
            f"{path}: damaged: its {found} not have the SHA-256 that its metadata name; copy or "
            f"download the file again"
        )


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


def _content(path: Path) -> bytes:
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(
            f"{path}: {size} bytes are no weights file, which has at most {MOST_BYTES}: name "
            f"another file"
        )
    return path.read_bytes()


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
    keys = {*_REQUIRED, *_OPTIONAL, "architecture", "head_width"}
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


def _check_tensors(
    path: Path, found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> None:
    """Raise one ValueError with the number of differences and the first three."""
    problems = [f"{key} is missing" for key in expected if key not in found]
    problems += [f"{cut(key)} does not belong" for key in found if key not in expected]
    problems += [
        f"{key} has shape {list(found[key].shape)} instead of {list(value.shape)}"
        for key, value in expected.items()
        if key in found and found[key].shape != value.shape
    ]
    problems += [
        f"{key} holds {found[key].dtype} instead of {value.dtype}"
        for key, value in expected.items()
        if key in found and found[key].is_floating_point() != value.is_floating_point()
    ]
    if problems:
        shown = "; ".join(problems[:3])
        raise ValueError(
            f"{path}: {len(problems)} tensors do not fit the architecture its metadata name: "
            f"{shown}{'; ...' if len(problems) > 3 else ''}"
        )
