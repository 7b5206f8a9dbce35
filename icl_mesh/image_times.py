"""The time that counts for an image: its stamp, or its arrival where it carries none."""

from __future__ import annotations


class ImageTimes:
    """For the images of one stream, in the order in which they are worked on.

    An image without a stamp among stamped ones arrived so long after the last of those: two
    clocks in turns would be a new beginning to a tracker with every image.
    """

    def __init__(self) -> None:
        self._clock_offset_s = 0.0

    def __call__(self, stamp_ns: int, arrival_s: float) -> float:
        """Seconds. stamp_ns: 0, or before 1970, for no stamp; arrival_s: by any steady clock."""
        if stamp_ns <= 0:
            return arrival_s + self._clock_offset_s
        stamp_s = stamp_ns * 1e-9
        self._clock_offset_s = stamp_s - arrival_s
        return stamp_s
