"""Logs unexpected exceptions of callbacks and threads; the node continues."""

from __future__ import annotations

import threading
import traceback
from typing import Any

from icl_mesh.io.wording import MESSAGE, shown
from icl_mesh_ros.logging.throttle import Throttle


def reason(error: Exception) -> str:
    """The log text of an error: one line for an expected kind, the traceback for any other."""
    if isinstance(error, (ValueError, OSError, ImportError)):
        return shown(error, MESSAGE)
    return "".join(traceback.format_exception(error)).rstrip()


class FailureLog:
    """Logs errors that a callback or a thread did not handle. Each kind is logged with its
    traceback once, then with at most one line per period. Thread-safe."""

    _MAX_KINDS = 100

    def __init__(self) -> None:
        self._throttle = Throttle()
        self._known: set[tuple[str, type]] = set()
        self._lock = threading.Lock()
        #: Set at shutdown, which itself makes callbacks fail.
        self.quiet = False

    def __call__(self, logger: Any, name: str, error: Exception) -> None:
        """logger: of the node; name: what failed, as in "topic /image"."""
        if self.quiet:
            return
        kind = (name, type(error))
        with self._lock:
            known = kind in self._known
            if len(self._known) < self._MAX_KINDS:
                self._known.add(kind)
        text = f"{type(error).__name__}: {shown(error, MESSAGE)}" if known else reason(error)
        said = f"{name}: a callback failed, what it was called with is lost: {text}"
        if (line := self._throttle(said, repr(kind))) is not None:
            logger.error(line)
