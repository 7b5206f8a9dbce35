"""Limits the rate of log lines that repeat with every frame."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from icl_mesh.io.wording import kind_of


class Throttle:
    """Passes each kind of text at most once per period, with the count of suppressed ones.

    icl_mesh.io.wording.kind_of defines the kinds. The logger's own throttling counts per line of
    code, so an old problem would suppress a new one. Thread-safe.
    """

    #: Most kinds per period; further ones are suppressed, so that nobody can fill the log.
    MOST_KINDS = 50

    def __init__(self, period_s: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._period_s = period_s
        self._clock = clock
        self._said: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def __call__(self, text: str, kind: str = "") -> str | None:
        """The text to log now, or None. kind: by default derived from the text."""
        now, key = self._clock(), kind or kind_of(text)
        with self._lock:
            last, held = self._said.get(key, (None, 0))
            if last is not None and now - last < self._period_s:
                self._said[key] = (last, held + 1)
                return None
            if last is None and len(self._said) >= self.MOST_KINDS:
                self._forget_before(now - self._period_s)
                if len(self._said) >= self.MOST_KINDS:
                    return None
            self._said[key] = (now, 0)
        return f"{text} (and {held} times since)" if held else text

    def _forget_before(self, moment: float) -> None:
        self._said = {key: said for key, said in self._said.items() if said[0] > moment}
