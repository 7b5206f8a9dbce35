"""Videos, read by OpenCV's FFmpeg: frames with their times, and a count of lost frames."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from icl_mesh_ros.inputs.live_source import shown_address

# FFmpeg would log each damaged block of each frame; losses() reports them once, at the end.
# OpenCV reads the variable when it opens the first video.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

#: Frames after a damaged one may be readable; this many failures in a row mean the end.
_MOST_FAILURES = 100
_BOX_NAMES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


class VideoFile:
    """A video with an end."""

    is_file = True
    trouble = ""

    def __init__(self, where: str) -> None:
        """where: path or address of a video. Raises ValueError if it cannot be opened."""
        self._where, self._name = where, shown_address(where)
        self.ended = False
        self.time_s: float | None = None
        self.native_rate: float | None = None
        self._open()

    def read(self) -> npt.NDArray[np.uint8] | None:
        """The next readable frame; None, and ended is set, after the last."""
        for failures in range(_MOST_FAILURES):
            try:
                ok, image = self._capture.read()
                if not ok:
                    continue
                rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)
            except cv2.error:
                continue
            self._frames += 1
            self._failures += failures
            self._take_time(self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3)
            return rgb
        self.ended = True
        return None

    def losses(self) -> str:
        """At the end: a sentence about unreadable frames; "" if there are none."""
        expected = self._expected() if self.ended else 0
        if self._frames >= expected:
            return ""
        return (
            f"only {self._frames} of {expected} frames of '{self._name}' could be read: it is "
            "damaged, or in a form that FFmpeg does not decode; copy it again, or convert it: "
            f"ffmpeg -i {self._name} -c:v libx264 converted.mp4"
        )

    def rewind(self) -> None:
        """Reopen the video: seeking is not exact in all formats."""
        self._capture.release()
        self._open()

    def close(self) -> None:
        self._capture.release()

    def _open(self) -> None:
        self._capture = cv2.VideoCapture(self._where)
        if not self._capture.isOpened():
            raise ValueError(f"video '{self._name}' cannot be opened: {_why(self._where)}")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.native_rate = rate if np.isfinite(rate) and rate > 0 else None
        self._frames, self._failures, self._first_s = 0, 0, 0.0
        self.time_s, self.ended = None, False

    def _take_time(self, time_s: float) -> None:
        """Set time_s. If the file's times do not increase, continue at the nominal rate."""
        if self.time_s is None:
            self._first_s, self.time_s = time_s, 0.0
        elif time_s - self._first_s > self.time_s:
            self.time_s = time_s - self._first_s
        elif self.native_rate is not None:
            self.time_s += 1 / self.native_rate
            self._first_s = time_s - self.time_s

    def _expected(self) -> int:
        """Expected number of frames: one per packet, and those that were cut off. The header of an
        ISO file (MP4, MOV) counts all frames; other formats only store the duration."""
        promised = round(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if self._frames == promised:
            return promised
        packets, last_s = _packets(self._where)
        rate = self.native_rate
        if promised <= 0 or rate is None:
            return packets
        boxes, cut_off = _boxes(self._where)
        if cut_off:
            return max(packets, promised)
        if boxes:  # packets that an edit list hides (trimmed videos) are not lost
            return packets if packets == promised else self._frames + self._failures
        duration_s = promised / rate
        missing_s = duration_s - last_s
        # The audio may be a little longer than the video.
        return packets + (round(missing_s * rate) if missing_s > max(1.0, 0.1 * duration_s) else 0)


def _packets(where: str) -> tuple[int, float]:
    """Number of packets of the video, and their latest time, s."""
    capture = cv2.VideoCapture(where, cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])  # not decoded
    count, last_s = 0, 0.0
    while capture.grab():
        count, last_s = count + 1, max(last_s, capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3)
    capture.release()
    return count, last_s


def _why(where: str) -> str:
    """Why a video cannot be opened, and the remedy."""
    path = Path(where)
    if "://" in where:
        return "check the address, the network, and that the other side is on"
    if not os.access(path, os.R_OK):
        return "this user may not read it"
    if path.stat().st_size == 0:
        return "it is empty"
    boxes, _ = _boxes(where)
    if boxes and b"moov" not in boxes:
        return (
            "it has no index (moov), since its recording was cut off: `untrunc GOOD.mp4 "
            f"{where}` makes one, with the help of a whole video of the same camera"
        )
    return (
        "it is broken, or not a video that FFmpeg knows; copy it again, or convert it: "
        f"ffmpeg -i {where} -c:v libx264 converted.mp4"
    )


def _boxes(where: str) -> tuple[set[bytes], bool]:
    """Names of the top-level boxes of an ISO file (MP4, MOV), empty for other formats; and whether
    the last box is cut off."""
    names: set[bytes] = set()
    end = 0
    if not Path(where).is_file():
        return names, False
    with Path(where).open("rb") as file:
        while len(head := file.read(16)) >= 8:
            size, name = int.from_bytes(head[:4], "big"), head[4:8]
            if not names and name not in _BOX_NAMES:
                break
            names.add(name)
            if size == 1:  # the size follows in 64 bits
                size = int.from_bytes(head[8:], "big")
            if size < 8:  # 0: up to the end
                break
            end += size
            file.seek(end)
    return names, end > Path(where).stat().st_size
