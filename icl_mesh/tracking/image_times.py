"""The time of an image: its stamp, or its arrival if it has none."""

from __future__ import annotations

from typing import Any


class ImageTimes:
    """Times of the images of one stream, in the order of processing.

    The arrival of an image without a stamp is converted to the clock of the last stamp: with two
    clocks, a tracker would start afresh with every image.
    """

    def __init__(self) -> None:
        self._clock_offset_s = 0.0

    def __call__(self, stamp_ns: int, arrival_s: float) -> float:
        """Time in seconds. stamp_ns: 0 or negative for no stamp; arrival_s: by a steady clock."""
        if stamp_ns <= 0:
            return arrival_s + self._clock_offset_s
        stamp_s = stamp_ns * 1e-9
        self._clock_offset_s = stamp_s - arrival_s
        return stamp_s


def nanoseconds(stamp: Any) -> int:
    """A builtin_interfaces/Time as nanoseconds since 1970."""
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)
