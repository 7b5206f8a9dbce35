"""Writing files whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file whole or not at all: a broken run or a full disk leaves no broken file, and
    leaves an older file of that name as it was.

    durable: wait until the disk has it, so that this holds through a power cut too.
    A link is followed. A device or pipe, such as /dev/stdout, is written to as it is.
    Raises OSError with the path.
    """
    target = Path(os.path.realpath(path))  # replacing a link would leave its file as it was
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(data)
        else:
            _replace(target, data, durable)
    except OSError as error:  # that of a full disk names no file, others the temporary one
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
