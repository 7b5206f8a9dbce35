"""The depth image that belongs to an image: matched by stamp, since each has its own topic."""

from __future__ import annotations

import threading
from collections import deque

from rclpy.time import Time
from sensor_msgs.msg import Image


class DepthStore:
    """Keeps the latest depth images. Thread-safe."""

    _MOST = 8  # a quarter of a second at 30 Hz
    _DISORDER_NS = 500_000_000  # what overtakes another is not that late

    def __init__(self, topic: str) -> None:
        """topic: named in errors."""
        self.topic = topic
        self._changed = threading.Condition()
        self._images: deque[tuple[int, Image]] = deque(maxlen=self._MOST)

    def put(self, image: Image) -> None:
        stamp = Time.from_msg(image.header.stamp).nanoseconds
        with self._changed:
            if self._images and stamp < self._images[-1][0] - self._DISORDER_NS:
                self._images.clear()  # time went back: a bag is played again
            self._images.append((stamp, image))
            self._changed.notify_all()

    def find(self, image_stamp: Time, tolerance_s: float, patience_s: float = 0.0) -> Image | None:
        """The one nearest to the stamp, if within tolerance_s.

        patience_s: wait so long for one (an image may overtake its depth image), but no longer
        than until a later one shows that it will not come.
        """
        wanted, tolerance = image_stamp.nanoseconds, round(tolerance_s * 1e9)

        def decided() -> bool:
            return any(stamp >= wanted - tolerance for stamp, _ in self._images)

        with self._changed:
            self._changed.wait_for(decided, patience_s)
            nearest = min(self._images, key=lambda pair: abs(pair[0] - wanted), default=None)
        if nearest is None or abs(nearest[0] - wanted) > tolerance:
            return None
        return nearest[1]
