"""The signal stack of a thread, kept as it was while a library is loaded."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """stack_t of Linux (sigaltstack(2))."""

    _fields_ = (
        ("sp", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("size", ctypes.c_size_t),
    )


@contextmanager
def same_signal_stack() -> Iterator[None]:
    """Afterwards the calling thread has the signal stack that it had before.

    OpenVINO's CPU plug-in gives the thread that loads it a stack of its own on CPUs with AMX, and
    frees that memory with the model, which may happen in another thread. Python's handlers run on
    that stack: the next Ctrl-C would end the process with a segmentation fault.
    """
    if sys.platform != "linux":
        yield
        return
    process, before = ctypes.CDLL(None), _Stack()
    process.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        process.sigaltstack(ctypes.byref(before), None)
