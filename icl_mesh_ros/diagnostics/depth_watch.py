"""Notices that depth images measure nobody although people are detected."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Reported only after this long: a person may be occluded for a moment.
PATIENCE_S = 2.0


class DepthWatch:
    """Remembers since when nobody was measured, and why. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: tuple[float, str] | None = None

    def see(self, unmeasured: str) -> None:
        """unmeasured: why the depth image measured nobody; "" if it measured somebody, if nobody
        is detected, or if no depth is used."""
        since = self._since
        self._since = (since[0] if since else self._clock(), unmeasured) if unmeasured else None

    def text(self) -> str:
        """The sentence for diagnostics; "" if all is well."""
        since = self._since
        if since is None or (seconds := self._clock() - since[0]) < PATIENCE_S:
            return ""
        return f"nobody measured in depth for {seconds:.0f} s, because {since[1]}"
