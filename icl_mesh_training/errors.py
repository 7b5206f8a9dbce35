"""Errors that several modules share, apart from torch, so that commands start fast."""

from __future__ import annotations


class TrainingStoppedError(RuntimeError):
    """The run cannot go on; the message says why and where the evidence lies."""
