"""Atomic writing of files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file atomically: after an interrupted run or on a full disk, the old file remains.

    durable: sync to disk, so that this holds for a power cut too. Links are followed. Devices and
    pipes, such as /dev/stdout, are written directly. Raises OSError with the path.
    """
    target = Path(os.path.realpath(path))  # renaming would replace the link, not its target
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(data)
        else:
            _replace(target, data, durable)
    except OSError as error:  # errors name no file, or the temporary one
        raise type(error)(error.errno, error.strerror or str(error), str(path)) from error


def _replace(path: Path, data: bytes, durable: bool) -> None:
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name[:40]}.", delete=False
    ) as file:
        temporary = Path(file.name)
        try:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink()
            raise
