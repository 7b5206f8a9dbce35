"""Since when nobody was measured by the depth image, though people are seen, and why."""

from __future__ import annotations

import time
from collections.abc import Callable

#: It is said when it lasts: somebody may be hidden, or turn around.
PATIENCE_S = 2.0


class DepthWatch:
    """Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: tuple[float, str] | None = None

    def see(self, unmeasured: str) -> None:
        """What became of an image: why nobody was measured; "" where somebody was, where nobody is
        seen, or where no depth is asked for."""
        since = self._since
        self._since = (since[0] if since else self._clock(), unmeasured) if unmeasured else None

    def text(self) -> str:
        """In words; "" where all is well."""
        since = self._since
        if since is None or (seconds := self._clock() - since[0]) < PATIENCE_S:
            return ""
        return f"nobody measured in depth for {seconds:.0f} s, because {since[1]}"
