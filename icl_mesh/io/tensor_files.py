"""Safetensors files with metadata in a fixed order and checksums.

Checksums are sha256, of the bytes after the header (the tensors), and header_sha256, of the rest;
older files lack one or both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from icl_mesh.io.atomic import write_atomically

#: Largest size of a file in bytes, three times the largest network.
MOST_BYTES = 1 << 29
#: Largest size of a header in bytes.
MOST_HEADER_BYTES = 1 << 22
_HEADER_DIGEST = "header_sha256"


class TensorFile(NamedTuple):
    """A file's content, read and checked to be safetensors."""

    path: Path
    content: bytes
    tensors: dict[str, torch.Tensor]
    header: dict[str, Any]

    @property
    def text(self) -> dict[str, str]:
        """Its metadata without the header's checksum."""
        text = self.header.get("__metadata__") or {}
        return {key: value for key, value in text.items() if key != _HEADER_DIGEST}

    @property
    def version(self) -> str:
        """First 12 hexadecimal digits of the file's SHA-256."""
        return hashlib.sha256(self.content).hexdigest()[:12]

    def check_tensors(self, expected: Mapping[str, torch.Tensor]) -> None:
        """Raise one ValueError with the number of differences and the first three."""
        found = self.tensors
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
            named = "; ".join(problems[:3])
            raise ValueError(
                f"{self.path}: {len(problems)} tensors do not fit the architecture its metadata "
                f"name: {named}{'; ...' if len(problems) > 3 else ''}"
            )

    def check_digests(self) -> None:
        """Raise ValueError where a checksum is present and does not match."""
        text, found = self.header["__metadata__"], None
        if text.get("sha256") not in (None, _tensors_digest(self.content)):
            found = "tensors do"
        elif text.get(_HEADER_DIGEST) not in (None, header_digest(self.header)):
            found = "header does"
        if found:
            raise ValueError(
                f"{self.path}: damaged: its {found} not have the SHA-256 that its metadata name; "
                f"copy or download the file again"
            )


def read_tensor_file(path: Path) -> TensorFile:
    """Raises ValueError for a file that is too large or not safetensors; OSError as open does."""
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(
            f"{path}: {size} bytes are no weights file, which has at most {MOST_BYTES}: name "
            f"another file"
        )
    content = path.read_bytes()
    try:
        tensors = load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path}: weights must be a safetensors file ({cut(error)})") from None
    header = json.loads(content[8 : header_end(content)])  # checked by load
    return TensorFile(path, content, tensors, header)


def write_tensor_file(
    path: Path, tensors: Mapping[str, torch.Tensor], text: Mapping[str, str]
) -> None:
    """Write tensors and metadata atomically.

    The library's writer has no fixed order of metadata, so that equal weights would have different
    versions. The format: length of the header (8 bytes, little endian), header (JSON, padded with
    spaces to a multiple of 8), tensors.
    """
    data = save({key: value.detach().cpu().contiguous() for key, value in tensors.items()})
    end = header_end(data)
    text = {**text, "sha256": _tensors_digest(data)}
    header = {"__metadata__": text, **json.loads(data[8:end])}
    text[_HEADER_DIGEST] = header_digest(header)
    header["__metadata__"] = dict(sorted(text.items()))
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    write_atomically(path, len(encoded).to_bytes(8, "little") + encoded + data[end:])


def header_end(data: bytes) -> int:
    """Where the header of safetensors bytes ends."""
    return 8 + int.from_bytes(data[:8], "little")


def header_digest(header: Mapping[str, Any]) -> str:
    """SHA-256 of a header's values without this checksum."""
    text = {key: value for key, value in header["__metadata__"].items() if key != _HEADER_DIGEST}
    values = json.dumps({**header, "__metadata__": text}, sort_keys=True)
    return hashlib.sha256(values.encode()).hexdigest()


def cut(text: object) -> str:
    """A value from a file, as one short line for a message."""
    shown = str(text).encode("unicode_escape").decode()
    return shown if len(shown) <= 100 else f"{shown[:100]}..."


def _tensors_digest(data: bytes) -> str:
    """SHA-256 of safetensors bytes without their header."""
    return hashlib.sha256(memoryview(data)[header_end(data) :]).hexdigest()
