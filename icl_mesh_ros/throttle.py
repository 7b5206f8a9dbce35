"""Log lines that repeat with every frame, said once per period."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Throttle:
    """Passes each distinct text on at most once per period, with the count of those held back.

    Unlike the logger's own throttling, which counts per line of code, a new problem is said at
    once while an old one is being held back. Thread-safe.
    """

    _MAX_TEXTS = 100

    def __init__(self, period_s: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._period_s = period_s
        self._clock = clock
        self._said: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def __call__(self, text: str, kind: str = "") -> str | None:
        """The text to log now, or None. kind: texts of one kind count as the same, where they
        hold numbers that change."""
        now, key = self._clock(), kind or text
        with self._lock:
            last, held = self._said.get(key, (None, 0))
            if last is not None and now - last < self._period_s:
                self._said[key] = (last, held + 1)
                return None
            if len(self._said) >= self._MAX_TEXTS:
                self._said.clear()
            self._said[key] = (now, 0)
        return f"{text} (and {held} times since)" if held else text
