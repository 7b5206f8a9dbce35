"""Where camera_node's frames come from: a webcam, a video, photos. All give RGB [H, W, 3]."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from icl_mesh.image_files import IMAGE_SUFFIXES, read_image

RgbImage = npt.NDArray[np.uint8]


class FrameSource(Protocol):
    """Frames one after the other."""

    #: Frames per second that the source itself names, or None.
    native_rate: float | None
    #: Whether the source waits for its reader and has an end (files), or runs on (cameras).
    is_file: bool

    def read(self) -> RgbImage | None:
        """The next frame; None after the last. Raises ValueError for one that is unreadable."""

    def rewind(self) -> None:
        """Start again with the first frame."""

    def close(self) -> None:
        """Let go of files and devices."""


class ImageFiles:
    """Photos, in the order given."""

    native_rate: float | None = None
    is_file = True

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)
        self._next = 0

    def read(self) -> RgbImage | None:
        if self._next >= len(self._paths):
            return None
        path = self._paths[self._next]
        self._next += 1
        return read_image(path)

    def rewind(self) -> None:
        self._next = 0

    def close(self) -> None:
        """Nothing is held open."""


class Capture:
    """A webcam, a video file or a stream, read by OpenCV."""

    def __init__(self, where: int | str, size: tuple[int, int] | None = None) -> None:
        """size: (width, height) asked of a webcam. Raises ValueError if it cannot be opened."""
        self._where = where
        self.is_file = isinstance(where, str) and "://" not in where
        self._capture = cv2.VideoCapture(where)
        if not self._capture.isOpened():
            kind = "video" if isinstance(where, str) else "webcam"
            raise ValueError(
                f"{kind} '{where}' cannot be opened: check that it exists, that no other program "
                "holds it, and that this user may read it"
            )
        if size is not None:
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.native_rate: float | None = rate if np.isfinite(rate) and rate > 0 else None

    def read(self) -> RgbImage | None:
        ok, image = self._capture.read()
        if not ok:
            if self.is_file:
                return None
            raise ValueError(f"'{self._where}' gives no frame: is it unplugged?")
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)

    def rewind(self) -> None:
        self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)

    def close(self) -> None:
        self._capture.release()


def open_source(source: str, size: tuple[int, int] | None = None) -> FrameSource:
    """A source by name: webcam index, stream address, folder of photos, photo or video file.

    Raises ValueError or FileNotFoundError with what was looked for.
    """
    if re.fullmatch(r"\d+", source):
        return Capture(int(source), size)
    if "://" in source or source.startswith("/dev/"):
        return Capture(source, size)
    path = Path(source).expanduser()
    if path.is_dir():
        photos = [p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES]
        if not photos:
            raise ValueError(f"folder '{path}' holds no image ({', '.join(IMAGE_SUFFIXES)})")
        return ImageFiles(sorted(photos, key=_natural))
    if not path.is_file():
        raise FileNotFoundError(
            f"source '{source}' is neither a webcam index nor an existing file or folder"
        )
    return ImageFiles([path]) if path.suffix.lower() in IMAGE_SUFFIXES else Capture(str(path))


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key under which frame10 comes after frame9."""
    return [(int(n or 0), text) for n, text in re.findall(r"(\d+)|(\D+)", path.name)]
