"""Cache of files derived from weights. Their content is never executed.

Folder: $ICL_MESH_CACHE, else icl_mesh in $XDG_CACHE_HOME, else in ~/.cache; icl_mesh_UID in /tmp
for a user without a home. It may be deleted at any time. Files are written atomically, so that
processes can share the folder. A file that does not match its NAME.sha256 is regenerated. A
manipulated file could hide people, so a folder or file that other users can write is not used.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import tempfile
from pathlib import Path
from typing import TypeAlias

import torch

from icl_mesh.io.atomic import write_atomically
from icl_mesh.network import IclMeshNetwork
from icl_mesh.network.single_person import SinglePersonKeypoints

_LOG = logging.getLogger(__name__)

#: Bytes of the largest file that is read; a protobuf model is smaller.
MOST_BYTES = 1 << 31
#: Networks that name their architecture (config).
KeyedNetwork: TypeAlias = IclMeshNetwork | SinglePersonKeypoints
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_said: set[str] = set()


def cache_folder() -> Path:
    """The folder of cached files; it may not exist yet."""
    if own := os.environ.get("ICL_MESH_CACHE"):
        return Path(own)
    if folder := os.environ.get("XDG_CACHE_HOME"):
        return Path(folder) / "icl_mesh"
    try:
        return Path.home() / ".cache" / "icl_mesh"
    except RuntimeError:  # a container's user without a home
        return Path(tempfile.gettempdir()) / f"icl_mesh_{os.geteuid()}"


def network_key(network: KeyedNetwork) -> str:
    """SHA-256 of a network's architecture and weights, 64 hexadecimal digits."""
    digest = hashlib.sha256(repr(sorted(network.config.items())).encode())
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_cached(name: str, most_bytes: int = MOST_BYTES) -> bytes | None:
    """A cached file's content, or None where the file must be regenerated.

    That is: it is missing, larger than most_bytes, damaged, not a regular file, or writable by
    other users.
    """
    path = cache_folder() / name
    try:
        if not _is_own(path.parent):
            return None
        data = _read_own(path, most_bytes)
        if data is None:
            return None
        digest = _read_own(_digest_path(path), 128) or b""
    except FileNotFoundError:
        return None
    except OSError as error:  # a symbolic link, a device, no permission
        _say_once(f"{path} in the cache is not used ({error}): it is regenerated")
        return None
    if digest.strip() != hashlib.sha256(data).hexdigest().encode():
        _say_once(f"{path} in the cache does not have the SHA-256 beside it: it is regenerated")
        return None
    return data


def write_cached(name: str, data: bytes) -> None:
    """Cache a file. Logs a warning if the folder is not writable, or writable by other users."""
    path = cache_folder() / name
    digest = hashlib.sha256(data).hexdigest().encode()
    try:
        path.parent.parent.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if _is_own(path.parent):
            write_atomically(path, data)
            write_atomically(_digest_path(path), digest)
    except OSError as error:
        _LOG.warning(
            "cannot write to the cache folder %s (%s): every start will convert the network "
            "again; set ICL_MESH_CACHE to a folder that can be written",
            path.parent,
            error,
        )


def _digest_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _is_own(folder: Path) -> bool:
    """Whether only this user and root can write to a folder; else warns once."""
    problem = _written_by_others(folder.stat())
    if problem:
        _say_once(
            f"the cache folder {folder} {problem}, so it is not used and every start will convert "
            f"the network again: set ICL_MESH_CACHE to a folder of your own, or "
            f"chown it and `chmod go-w {folder}` after deleting what is in it"
        )
    return not problem


def _read_own(path: Path, most_bytes: int) -> bytes | None:
    """A file's content. None, with one warning, if other users can write it or it is too large."""
    # Do not block on a pipe, and do not follow a link.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        problem = _written_by_others(status)
        if not stat.S_ISREG(status.st_mode):
            problem = "is no regular file"
        elif status.st_size > most_bytes:
            problem = f"has {status.st_size} bytes, more than {most_bytes}"
        if not problem:
            return file.read(most_bytes)
    _say_once(f"{path} in the cache {problem}: it is regenerated")
    return None


def _written_by_others(status: os.stat_result) -> str:
    """A predicate that says which other users can write a file or folder; "" for none."""
    if status.st_uid not in (os.geteuid(), 0):
        return f"belongs to user {status.st_uid}"
    if status.st_mode & _OTHERS_WRITE:
        return f"can be written by other users (mode {stat.S_IMODE(status.st_mode):o})"
    return ""


def _say_once(text: str) -> None:
    if text not in _said:
        _said.add(text)
        _LOG.warning(text)
