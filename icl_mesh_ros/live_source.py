"""Webcams and streams, read by OpenCV, which come back after a drop."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

#: Pauses between attempts to connect again: each twice as long as the one before.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0


class LiveSource:
    """A webcam or a stream: it has no end, and is opened again where it gives no frame."""

    is_file = False
    ended = False
    time_s: float | None = None

    def __init__(
        self,
        where: int | str,
        size: tuple[int, int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """size: (width, height) asked of a webcam. Raises ValueError if it cannot be opened."""
        self._where, self._size, self._clock = where, size, clock
        self._name = shown_address(str(where))
        #: What is wrong now, one sentence; "": frames arrive.
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
        """The next frame; None where there is none now."""
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
            except cv2.error:  # of a frame of no known form, or of a device that has gone
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
        """How many frames a stream has that is a file on another machine; 0 or less: no end."""
        capture = self._capture
        return 0 if capture is None else round(capture.get(cv2.CAP_PROP_FRAME_COUNT))

    def losses(self) -> str:
        """What is lost of a live source is its trouble."""
        return ""

    def rewind(self) -> None:
        """There is no beginning."""

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
    """An address without the name and password in it, for logs and diagnostics."""
    return re.sub(r"(?<=://)[^/@]*@", "", address)
