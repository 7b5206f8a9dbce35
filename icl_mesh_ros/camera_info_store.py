"""The CameraInfo that belongs to an image: matched by size, since each has its own topic."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from sensor_msgs.msg import CameraInfo

from icl_mesh_ros.camera_info import image_size_of


class CameraInfoStore:
    """Keeps the newest CameraInfo of each image size. Thread-safe."""

    _MAX_SIZES = 8  # a camera has a few modes; a folder of photos has many sizes

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._by_size: OrderedDict[tuple[int, int], CameraInfo] = OrderedDict()

    def put(self, info: CameraInfo) -> None:
        with self._changed:
            size = image_size_of(info)
            self._by_size[size] = info
            self._by_size.move_to_end(size)
            if len(self._by_size) > self._MAX_SIZES:
                self._by_size.popitem(last=False)
            self._changed.notify_all()

    def find(
        self, width: int, height: int, patience_s: Callable[[], float] = lambda: 0.0
    ) -> CameraInfo | None:
        """The newest one for images of this size; else the newest; None before the first.

        patience_s: says how long to wait for one of this size (an image may overtake its
        CameraInfo); asked only where there is none.
        """
        size = (width, height)
        with self._changed:
            if not self._fits(size) and (seconds := patience_s()) > 0:
                self._changed.wait_for(lambda: self._fits(size), seconds)
            for key in (size, (0, 0)):
                if key in self._by_size:
                    return self._by_size[key]
            return next(reversed(self._by_size.values()), None)

    def _fits(self, size: tuple[int, int]) -> bool:
        return size in self._by_size or (0, 0) in self._by_size
