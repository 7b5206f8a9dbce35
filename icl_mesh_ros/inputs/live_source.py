"""Webcams and streams, read by OpenCV and reopened after they drop."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

#: Pauses between attempts to reopen: each twice as long as the one before.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0


class LiveSource:
    """A webcam or a stream. It has no end, and is reopened when it gives no frame."""

    is_file = False
    ended = False
    time_s: float | None = None

    def __init__(
        self,
        where: int | str,
        size: tuple[int, int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """size: (width, height), pixels, requested from a webcam. Raises ValueError if the source
        cannot be opened."""
        self._where, self._size, self._clock = where, size, clock
        self._name = shown_address(str(where))
        #: One sentence about what is wrong now; "": frames arrive.
        self.trouble = ""
        self._pause_s, self._next_try = FIRST_PAUSE_S, 0.0
        self._capture: cv2.VideoCapture | None = self._opened()
        if self._capture is None:
            kind = "stream" if "://" in self._name else "webcam"
            raise ValueError(
                f"{kind} '{self._name}' cannot be opened: check that it exists, that no other "
                "program holds it, and that this user may read it"
            )
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.native_rate: float | None = rate if np.isfinite(rate) and rate > 0 else None

    def read(self) -> npt.NDArray[np.uint8] | None:
        """The next frame; None if there is none now."""
        if self._capture is None:
            if self._clock() < self._next_try:
                return None
            self._capture = self._opened()
        if self._capture is not None:
            try:
                ok, image = self._capture.read()
                if ok:
                    rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)
                    self.trouble, self._pause_s = "", FIRST_PAUSE_S
                    return rgb
            except cv2.error:  # an unknown pixel format, or an unplugged device
                pass
            self._capture.release()
            self._capture = None
        self.trouble = (
            f"'{self._name}' gives no frame: is it unplugged, or its network down? It is opened "
            f"again, with pauses of up to {LONGEST_PAUSE_S:g} s"
        )
        self._next_try = self._clock() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        return None

    def frame_count(self) -> int:
        """Number of frames of an address that is a video file; 0 or less: a stream without end."""
        capture = self._capture
        return 0 if capture is None else round(capture.get(cv2.CAP_PROP_FRAME_COUNT))

    def losses(self) -> str:
        """Empty: a live source reports by trouble."""
        return ""

    def rewind(self) -> None:
        """Nothing to do: a live source has no beginning."""

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()

    def _opened(self) -> cv2.VideoCapture | None:
        capture = cv2.VideoCapture(self._where)
        if not capture.isOpened():
            return None
        if self._size is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._size[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._size[1])
        return capture


def shown_address(address: str) -> str:
    """The address without user name and password, for logs and diagnostics."""
    return re.sub(r"(?<=://)[^/@]*@", "", address)
