"""Finds the CameraInfo of an image by its size."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from sensor_msgs.msg import CameraInfo

from icl_mesh.formats.sensor_layout import SensorLayout, image_size_of


class CameraInfoStore:
    """Keeps the newest CameraInfo of each image size. Thread-safe.

    Drivers send an equal CameraInfo with every image. The first of equal ones stays: who has read
    a message needs to look at it only once.
    """

    _MAX_SIZES = 8  # a camera has a few modes; a folder of photos has many sizes

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._by_size: OrderedDict[tuple[int, int], CameraInfo] = OrderedDict()

    def put(self, info: CameraInfo) -> None:
        size, content = image_size_of(info), _content(info)
        with self._changed:
            before = self._by_size.get(size)
            if before is None or _content(before) != content:
                self._by_size[size] = info
            self._by_size.move_to_end(size)
            if len(self._by_size) > self._MAX_SIZES:
                self._by_size.popitem(last=False)
            self._changed.notify_all()

    def find(
        self, width: int, height: int, patience_s: Callable[[], float] = lambda: 0.0
    ) -> CameraInfo | None:
        """The newest CameraInfo for images of this size; else the newest of any size; None before
        the first.

        patience_s: returns how long to wait for a CameraInfo of this size, since an image may
        arrive before it. Called only if the store has none of this size.
        """
        with self._changed:
            fitting = self._fitting(width, height)
            if fitting is None and (seconds := patience_s()) > 0:
                self._changed.wait_for(lambda: self._fitting(width, height) is not None, seconds)
                fitting = self._fitting(width, height)
            return fitting or next(reversed(self._by_size.values()), None)

    def only_others(self, width: int, height: int) -> list[str]:
        """The stored sizes, if there are several and none fits: the image size changes, and the
        CameraInfo of this size is missing. Else empty."""
        with self._changed:
            if len(self._by_size) < 2 or self._fitting(width, height) is not None:
                return []
            return [f"{w}x{h}" for w, h in self._by_size]

    def _fitting(self, width: int, height: int) -> CameraInfo | None:
        exact = self._by_size.get((width, height))
        if exact is not None:
            return exact
        newest_first = reversed(self._by_size.values())
        return next((i for i in newest_first if SensorLayout.of(i, width, height)), None)


def _content(info: CameraInfo) -> tuple[Any, ...]:
    """The fields that determine a camera."""
    roi = info.roi
    return (
        *(info.width, info.height, info.binning_x, info.binning_y),
        *(roi.x_offset, roi.y_offset, roi.width, roi.height),
        *(info.distortion_model, info.d.tobytes(), info.k.tobytes(), info.p.tobytes()),
    )
