"""Restores the signal stack of a thread after a library is loaded."""

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
    """Restore the signal stack of the calling thread afterwards.

    On CPUs with AMX, OpenVINO's CPU plug-in sets a signal stack in the thread that loads it, and
    frees that memory with the model, possibly in another thread. Python's signal handlers would run
    on the freed stack: the next Ctrl-C would cause a segmentation fault.
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
