"""Errors that several modules share, apart from torch, so that commands start fast."""

from __future__ import annotations

import errno

from icl_mesh import wording

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def shown(value: object) -> str:
    """A value for a message: one line, cut."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


class TrainingStoppedError(RuntimeError):
    """The run cannot go on; the message says why and where the evidence lies."""


def sentence(error: Exception) -> str:
    """What an error says, in one line."""
    text = str(error)
    if isinstance(error, OSError) and error.errno is not None:
        text = f"{error.filename or 'a file'}: {error.strerror}"
        if error.errno in _NO_ROOM:
            text += (
                "; what was there before is whole: make room and run the same command again, which "
                "goes on where it can"
            )
    if "Original Traceback" in text:  # of a loader's process: its last line is the error
        text = text.strip().splitlines()[-1]
    return wording.shown(text, wording.MESSAGE)
