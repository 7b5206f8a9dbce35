"""Which topics of a bag are the camera, and which CameraInfo belongs to an image."""

from __future__ import annotations

import bisect
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from icl_mesh.bag.files import read_raw
from icl_mesh.sensor_layout import SensorLayout, image_size_of

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader
    from rosbags.interfaces import Connection

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"


def image_connections(
    reader: AnyReader, topic: str | None, depth_topic: str | None = None
) -> list[Connection]:
    """The connections of the image topic that was named, or of the only one there is beside the
    depth topic.

    Raises ValueError, with the bag's image topics, where the choice is not clear.
    """
    images = [c for c in reader.connections if c.msgtype in (IMAGE, COMPRESSED)]
    # Depth images are images too, but nobody is found in them.
    depth = {c.topic for c in images if "depth" in c.topic} | {depth_topic}
    names = sorted({c.topic for c in images if topic or c.topic not in depth})
    if topic is None and len(names) == 1:
        topic = names[0]
    chosen = [c for c in images if c.topic == topic]
    if not chosen:
        there = ", ".join(names) or "none"
        wanted = "say which with --image-topic" if topic is None else f"'{topic}' is not one"
        raise ValueError(f"image topics in the bag: {there}; {wanted}")
    return chosen


def read_message(reader: AnyReader, connection: Connection, time_ns: int, data: bytes) -> Any:
    """A message. Raises ValueError, with the time at which it was recorded, where its bytes are cut
    off or damaged."""
    try:
        return reader.deserialize(data, connection.msgtype)
    except Exception as error:  # rosbags reads with numpy and struct, and hands on their errors
        raise ValueError(
            f"the message on '{connection.topic}' at {time_ns / 1e9:.3f} s, of {len(data)} bytes, "
            f"is damaged and left out: {error}"
        ) from error


def info_topic_of(image_topic: str) -> str:
    """Where ROS's camera drivers put the CameraInfo of an image topic: beside it."""
    return image_topic.removesuffix("/compressed").rpartition("/")[0] + "/camera_info"


class CameraInfos:
    """All CameraInfos of a topic, by the bag's time. damaged: how many could not be read."""

    def __init__(self, reader: AnyReader, topic: str) -> None:
        connections = [
            c for c in reader.connections if c.topic == topic and c.msgtype == CAMERA_INFO
        ]
        self.topic = topic
        self.damaged = 0
        self._infos: list[tuple[int, Any]] = []
        self._by_size: dict[tuple[int, int], list[tuple[int, Any]]] = {}
        if connections:  # rosbags takes no connections for all of them
            self._infos = list(self._read(reader, connections))
        for item in self._infos:
            self._by_size.setdefault(image_size_of(item[1]), []).append(item)

    def _read(
        self, reader: AnyReader, connections: Sequence[Connection]
    ) -> Iterator[tuple[int, Any]]:
        with suppress(ValueError):  # a bag that is damaged further on: the images will say so
            for connection, time_ns, data in read_raw(reader, connections):
                try:
                    yield time_ns, read_message(reader, connection, time_ns, data)
                except ValueError as error:  # the others of its camera say the same
                    self.damaged += 1
                    tqdm.write(str(error), file=sys.stderr)

    def find(self, width: int, height: int, time_ns: int) -> Any | None:
        """The last one for images of this size up to this time, else the first one after it; one
        of another size where there is no such; None in a bag without."""
        fitting = self._by_size.get((width, height)) or next(
            (
                infos
                for infos in self._by_size.values()
                if SensorLayout.of(infos[0][1], width, height)
            ),
            None,
        )
        return _at(fitting or self._infos, time_ns)


def _at(infos: Sequence[tuple[int, Any]], time_ns: int) -> Any | None:
    if not infos:
        return None
    row = bisect.bisect_right(infos, time_ns, key=lambda item: item[0])
    return infos[max(0, row - 1)][1]
