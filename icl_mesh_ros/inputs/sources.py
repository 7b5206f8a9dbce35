"""The sources of camera_node's frames: webcam, stream, video, photos. All give RGB [H, W, 3]."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt

from icl_mesh.io.images import IMAGE_SUFFIXES, read_image
from icl_mesh_ros.inputs.live_source import LiveSource
from icl_mesh_ros.inputs.video_file import VideoFile

RgbImage = npt.NDArray[np.uint8]


class FrameSource(Protocol):
    """A sequence of frames."""

    #: The source's nominal rate, Hz, or None.
    native_rate: float | None
    #: True for files, which have an end; False for live sources, which drop unread frames.
    is_file: bool
    #: Whether the last frame has been read.
    ended: bool
    #: Time of the last read frame, s after the first frame; None: unknown.
    time_s: float | None
    #: One sentence: why there is no frame now; "": all is well.
    trouble: str

    def read(self) -> RgbImage | None:
        """The next frame; None if there is none now, or at the end (ended).

        Raises ValueError for an unreadable frame; later ones may be readable.
        """

    def losses(self) -> str:
        """At the end: how many frames could be read, and what to do; "": all of them."""

    def rewind(self) -> None:
        """Start again with the first frame."""

    def close(self) -> None:
        """Close files and devices."""


class ImageFiles:
    """Photos, in the given order."""

    native_rate: float | None = None
    is_file = True
    time_s: float | None = None
    trouble = ""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)
        self._next = self._lost = 0
        self.ended = False

    def read(self) -> RgbImage | None:
        if self._next >= len(self._paths):
            self.ended = True
            return None
        path = self._paths[self._next]
        self._next += 1
        self._lost += 1
        image = read_image(path)
        self._lost -= 1
        return image

    def losses(self) -> str:
        if not self._lost:
            return ""
        count = len(self._paths)
        return f"only {count - self._lost} of {count} images could be read: see the lines above"

    def rewind(self) -> None:
        self._next = self._lost = 0
        self.ended = False

    def close(self) -> None:
        """Nothing to do: no file stays open."""


def open_source(source: str, size: tuple[int, int] | None = None) -> FrameSource:
    """Open a source: webcam index, stream address, folder of photos, photo or video file.

    size: (width, height), pixels, requested from a webcam. Raises ValueError or OSError that names
    the source.
    """
    if re.fullmatch(r"\d+", source):
        return LiveSource(int(source), size)
    if source.startswith("/dev/"):
        return LiveSource(source, size)
    if source.startswith("file:"):
        return _open_path(_path_of(source), source)
    if "://" in source:
        return _open_address(source)
    return _open_path(Path(source).expanduser(), source)


def _open_path(path: Path, source: str) -> FrameSource:
    if path.is_dir():
        photos = [p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES]
        if not photos:
            raise ValueError(f"folder '{path}' holds no image ({', '.join(IMAGE_SUFFIXES)})")
        return ImageFiles(sorted(photos, key=_natural))
    if not path.exists():
        raise FileNotFoundError(
            f"source '{source}' is neither a webcam index nor an existing file or folder"
        )
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return ImageFiles([path])
    if not path.is_file():  # OpenCV would block on a pipe
        raise ValueError(f"source '{source}' is not a file: give a video, a photo or a folder")
    return VideoFile(str(path))


def _path_of(address: str) -> Path:
    """The path of a file:// address, percent-encoded or not."""
    path = re.sub(r"^file:(//(localhost(?=/))?)?", "", address)
    return Path(path) if Path(path).exists() else Path(unquote(path))


def _open_address(address: str) -> FrameSource:
    """An address with a frame count is a video file, any other a stream."""
    live = LiveSource(address)
    if live.frame_count() <= 0:
        return live
    live.close()
    return VideoFile(address)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Natural sort key: frame10 comes after frame9."""
    return [(int(n or 0), text) for n, text in re.findall(r"(\d+)|(\D+)", path.name)]
