"""Computes when the frames of a source are due on the node's clock."""

from __future__ import annotations

#: After a longer delay the time line is shifted, so that stamps stay close to the present.
LATEST_NS = 1_000_000_000


class Timeline:
    """Due times from a file's frame times, or at a constant period. Times in ns."""

    def __init__(self, period_ns: int) -> None:
        """period_ns: between two frames that have no times."""
        self._period_ns = period_ns
        self._start_ns: int | None = None
        self._last_ns: int | None = None

    def due(self, time_s: float | None, now_ns: int) -> int:
        """When the next frame is due. time_s: its time in the source, s, or None."""
        if self._last_ns is None:
            due = now_ns
        elif time_s is None or self._start_ns is None:
            due = self._last_ns + self._period_ns
        else:
            due = self._start_ns + round(time_s * 1e9)
        if self._start_ns is None:
            self._start_ns = due - round((time_s or 0.0) * 1e9)
        self._last_ns = due
        return due

    def rewind(self) -> None:
        """The source starts again: its first frame is due one period after the last."""
        self._start_ns = None

    def catch_up(self, now_ns: int) -> int:
        """The due time of the last frame, which is published now; shifts the time line if that
        time is more than LATEST_NS ago."""
        assert self._last_ns is not None
        assert self._start_ns is not None
        late_ns = now_ns - self._last_ns
        if late_ns > LATEST_NS:
            self._last_ns += late_ns
            self._start_ns += late_ns
        return self._last_ns
