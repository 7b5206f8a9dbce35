"""Files made from weights, so that no start waits for them twice. Nothing in them is executed.

Folder: $ICL_MESH_CACHE, else icl_mesh in $XDG_CACHE_HOME, else in ~/.cache. It may be deleted at
any time. Files are written whole or not at all, so that processes can share the folder.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import torch

from icl_mesh.files import write_atomically
from icl_mesh.network import IclMeshNetwork

_LOG = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Where cached files lie; it need not exist yet."""
    if own := os.environ.get("ICL_MESH_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "icl_mesh"


def network_key(network: IclMeshNetwork) -> str:
    """SHA-256 of a network's architecture and weights, 64 hexadecimal digits."""
    digest = hashlib.sha256(repr(sorted(network.config.items())).encode())
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_cached(name: str) -> bytes | None:
    """A cached file's content, or None."""
    try:
        return (cache_folder() / name).read_bytes()
    except OSError:
        return None


def write_cached(name: str, data: bytes) -> None:
    """Keep a file; where the folder cannot be written, say so and go on without."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / name, data)
    except OSError as error:
        _LOG.warning(
            "cannot write to the cache folder %s (%s): every start will convert the network "
            "again; set ICL_MESH_CACHE to a folder that can be written",
            folder,
            error,
        )
