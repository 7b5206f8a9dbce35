"""Matches depth images to images by stamp.

Messages are sensor_msgs/Image of ROS or of the library rosbags.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from icl_mesh.tracking.image_times import nanoseconds


class DepthStore:
    """Keeps the latest depth images. Thread-safe."""

    _DISORDER_NS = 500_000_000  # messages out of order differ by less

    def __init__(self, topic: str, most: int = 8) -> None:
        """topic: named in errors. most: capacity; 8 images are a quarter of a second at 30 Hz."""
        self.topic = topic
        self._changed = threading.Condition()
        self._images: deque[tuple[int, Any]] = deque(maxlen=most)

    def put(self, image: Any) -> None:
        stamp = nanoseconds(image.header.stamp)
        with self._changed:
            if self._images and stamp < self._images[-1][0] - self._DISORDER_NS:
                self._images.clear()  # time jumped back: a bag is played again
            self._images.append((stamp, image))
            self._changed.notify_all()

    def reaches(self, stamp_ns: int) -> bool:
        """Whether an image of this stamp or a later one is stored."""
        with self._changed:
            return self._any_from(stamp_ns)

    def find(self, stamp_ns: int, tolerance_s: float, patience_s: float = 0.0) -> Any | None:
        """The depth image nearest to a stamp, if within tolerance_s; the newest of equal ones.

        patience_s: longest time to wait for it, since an image may arrive before its depth image.
        The wait ends when a later depth image arrives.
        """
        tolerance = round(tolerance_s * 1e9)
        with self._changed:
            self._changed.wait_for(lambda: self._any_from(stamp_ns - tolerance), patience_s)
            # Newest first: without stamps all are equal.
            newest_first = reversed(self._images)
            nearest = min(newest_first, key=lambda pair: abs(pair[0] - stamp_ns), default=None)
        if nearest is None or abs(nearest[0] - stamp_ns) > tolerance:
            return None
        return nearest[1]

    def _any_from(self, stamp_ns: int) -> bool:
        return any(stamp >= stamp_ns for stamp, _ in self._images)
