"""Selects the tracks that an image continues, by its size, camera and time."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from icl_mesh.geometry.camera import Camera
from icl_mesh.io.wording import shown
from icl_mesh.people import People
from icl_mesh.tracking.memory import Memory

#: Images may be slightly out of order; a stamp earlier by more than this is a restart.
DISORDER_S = 0.5
#: Number of latest image sizes kept: a camera has a few modes, a folder of photos many.
MOST_SIZES = 8


class Stream(NamedTuple):
    """The tracks of one image size, after its last image."""

    memory: Memory
    stamp_s: float
    frame_id: str


class Streams:
    """The streams of one topic by image size."""

    def __init__(self) -> None:
        self._by_size: OrderedDict[tuple[int, int], Stream] = OrderedDict()  # the latest last

    def clear(self) -> None:
        """Drop all streams."""
        self._by_size.clear()

    def put(self, stream: Stream) -> None:
        """Store a stream after an image."""
        size = _size(stream.memory.people.camera)
        self._by_size[size] = stream
        self._by_size.move_to_end(size)
        if len(self._by_size) > MOST_SIZES:
            self._by_size.popitem(last=False)

    def continued_by(
        self, seen: People, stamp_s: float, frame_id: str, max_age_s: float
    ) -> tuple[Stream | None, str]:
        """The stream that an image continues; else None, and why tracks are lost ("": none is)."""
        stream = self._candidate(seen.camera, stamp_s, frame_id, max_age_s)
        if stream is None:
            return None, ""
        why = _restart(stream, seen, stamp_s, frame_id)
        if not why:
            return stream, ""
        if stamp_s < stream.stamp_s - DISORDER_S:  # later streams precede the jump
            ahead = [size for size, one in self._by_size.items() if one.stamp_s > stamp_s]
            for size in ahead:
                del self._by_size[size]
        return None, why if len(stream.memory) else ""

    def _candidate(
        self, camera: Camera, stamp_s: float, frame_id: str, max_age_s: float
    ) -> Stream | None:
        own = self._by_size.get(_size(camera))
        if own is not None and stamp_s - own.stamp_s <= max_age_s:  # also for alternating sizes
            return own
        newest = next(reversed(self._by_size.values()), None)
        if newest is not None and newest.frame_id == frame_id:
            before = newest.memory.people.camera
            if not (before.focal_assumed or camera.focal_assumed):
                return newest  # another mode of the camera: positions are metric
        return own


def _restart(stream: Stream, seen: People, stamp_s: float, frame_id: str) -> str:
    """Why an image cannot continue a stream; "" if it can."""
    before = stream.memory.people
    if stamp_s < stream.stamp_s - DISORDER_S:
        return f"the stamps went back by {stream.stamp_s - stamp_s:.3g} s"
    if frame_id != stream.frame_id and before.camera != seen.camera:
        return (
            f"frame '{shown(frame_id)}' has another calibration than '{shown(stream.frame_id)}', "
            "so it is another camera (each needs a topic and a node of its own)"
        )
    if before.body.name != seen.body.name:
        return f"the body model is '{shown(seen.body.name)}' now"
    if not _same_scale(before.camera, seen.camera):
        return (
            "the focal length was assumed before, or is now, so all distances change by a factor "
            "(the camera driver should publish one CameraInfo that lasts)"
        )
    return ""


def _size(camera: Camera) -> tuple[int, int]:
    return camera.width, camera.height


def _same_scale(before: Camera, now: Camera) -> bool:
    """Whether two cameras give the same distances.

    Another assumed focal length, or a calibration instead of it, scales all distances.
    """
    return before == now or not (before.focal_assumed or now.focal_assumed)
