"""Errors and their texts; without torch, so that commands start fast."""

from __future__ import annotations

import errno

from icl_mesh.io import wording

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def shown(value: object) -> str:
    """A value for a message: one line, cut."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


class TrainingStoppedError(RuntimeError):
    """The run cannot continue; the message says why and where the evidence is."""


def sentence(error: Exception) -> str:
    """The text of an error in one line."""
    text = str(error)
    if isinstance(error, OSError) and error.errno is not None:
        text = f"{error.filename or 'a file'}: {error.strerror}"
        if error.errno in _NO_ROOM:
            text += (
                "; what was there before is whole: make room and run the same command again, which "
                "goes on where it can"
            )
    if "Original Traceback" in text:  # from a loader process: the last line is the error
        text = text.strip().splitlines()[-1]
    return wording.shown(text, wording.MESSAGE)
