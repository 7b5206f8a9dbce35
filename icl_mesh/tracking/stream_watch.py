"""Detects oddities of an image stream: missing or decreasing stamps, gaps, several sources."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from icl_mesh.io.wording import shown
from icl_mesh.tracking.image_times import nanoseconds


class StreamWatch:
    """Checks the header of every arriving image. Thread-safe."""

    def __init__(self, topic: str, clock: Callable[[], float] = time.monotonic) -> None:
        """topic: named in warnings. clock: steady time in seconds, for arrivals."""
        self._topic, self._clock = topic, clock
        self._lock = threading.Lock()
        self._arrived = clock()
        self._seen = False
        self._stamp_ns = 0
        self._frame_id = ""
        self._oddities: dict[str, str] = {}

    def see(self, header: Any) -> float:
        """Check an image that just arrived. header: its std_msgs/Header.

        Returns the seconds since the previous image (or since the construction).
        """
        now, stamp_ns = self._clock(), nanoseconds(header.stamp)
        with self._lock:
            gap_s, self._arrived = now - self._arrived, now
            if stamp_ns < 0:
                self._oddities["negative"] = (
                    f"images on '{self._topic}' are stamped before 1970 ({stamp_ns * 1e-9:.9g} s): "
                    "the driver should set the stamp right; until then the time of arrival counts"
                )
            elif self._seen and (stamp_ns == 0) != (self._stamp_ns <= 0):
                self._oddities["zero"] = (
                    f"images on '{self._topic}' change between stamps and none (0): ids are "
                    "less stable, since images without a stamp get the time of their arrival; the "
                    "driver should stamp every image"
                )
            elif stamp_ns == 0:
                self._oddities.setdefault(
                    "zero",
                    f"images on '{self._topic}' carry no stamp (0): the driver should set it; "
                    "until then the time of arrival counts",
                )
            elif self._stamp_ns > stamp_ns:
                back_s = (self._stamp_ns - stamp_ns) * 1e-9
                self._oddities["back"] = (
                    f"stamps on '{self._topic}' went back by {back_s:.3g} s: is a bag played "
                    "again, or do several cameras publish?"
                )
            if self._seen and header.frame_id != self._frame_id:
                frames = " and ".join(
                    f"'{shown(one)}'" for one in sorted((self._frame_id, header.frame_id))
                )
                self._oddities["frame"] = (
                    f"images on '{self._topic}' change between frames {frames}: do several "
                    "cameras publish? Then ids suffer, as people of one are taken for those of "
                    "another: give each a topic of its own. A driver should name one frame"
                )
            self._stamp_ns, self._frame_id, self._seen = stamp_ns, header.frame_id, True
        return gap_s

    def gap_s(self) -> float:
        """Seconds since the last image, or since the construction."""
        with self._lock:
            return self._clock() - self._arrived

    def take_oddities(self) -> dict[str, str]:
        """Warnings since the last call: each kind once."""
        with self._lock:
            oddities, self._oddities = self._oddities, {}
        return oddities
