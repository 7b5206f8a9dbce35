"""What nobody foresaw, in the log: the node lives on."""

from __future__ import annotations

import threading
import traceback
from typing import Any

from icl_mesh_ros.throttle import Throttle


def reason(error: Exception) -> str:
    """What to tell the user: the text of an expected error, the traceback of another."""
    if isinstance(error, (ValueError, OSError, ImportError)):
        return str(error)
    return "".join(traceback.format_exception(error)).rstrip()


class FailureLog:
    """Logs errors that a callback or a thread did not handle: each kind with its traceback once,
    then by one line per period. Thread-safe."""

    _MAX_KINDS = 100

    def __init__(self) -> None:
        self._throttle = Throttle()
        self._known: set[tuple[str, type]] = set()
        self._lock = threading.Lock()
        #: Set when the process ends: what fails then, fails because of that.
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
        text = f"{type(error).__name__}: {error}" if known else reason(error)
        line = f"{name}: a callback failed, what it was called with is lost: {text}"
        if (line := self._throttle(line, repr(kind))) is not None:
            logger.error(line)
