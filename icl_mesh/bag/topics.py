"""Chooses the image topic of a bag, and the CameraInfo of each image."""

from __future__ import annotations

import bisect
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from icl_mesh.bag.files import read_raw
from icl_mesh.formats.sensor_layout import SensorLayout, image_size_of
from icl_mesh.io.wording import MESSAGE, shown

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader
    from rosbags.interfaces import Connection

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"


def image_connections(
    reader: AnyReader, topic: str | None, depth_topic: str | None = None
) -> list[Connection]:
    """The connections of the named image topic, or of the only one besides the depth topic.

    Raises ValueError with the bag's image topics where the choice is ambiguous.
    """
    images = [c for c in reader.connections if c.msgtype in (IMAGE, COMPRESSED)]
    # Depth images have the same message type.
    depth = {c.topic for c in images if "depth" in c.topic} | {depth_topic}
    names = sorted({c.topic for c in images if topic or c.topic not in depth})
    if topic is None and len(names) == 1:
        topic = names[0]
    chosen = [c for c in images if c.topic == topic]
    if not chosen:
        there = ", ".join(map(shown, names)) or "none"
        wanted = "say which with --image-topic" if topic is None else f"'{shown(topic)}' is not one"
        raise ValueError(f"image topics in the bag: {there}; {wanted}")
    return chosen


def read_message(reader: AnyReader, connection: Connection, time_ns: int, data: bytes) -> Any:
    """Deserialise a message. Raises ValueError with its recording time if it is damaged."""
    try:
        return reader.deserialize(data, connection.msgtype)
    except Exception as error:  # rosbags passes on the errors of numpy and struct
        raise ValueError(
            f"the message on '{shown(connection.topic)}' at {time_ns / 1e9:.3f} s, of {len(data)} "
            f"bytes, is damaged and left out: {shown(error, 200)}"
        ) from error


def info_topic_of(image_topic: str) -> str:
    """The CameraInfo topic that ROS's camera drivers use with an image topic."""
    return image_topic.removesuffix("/compressed").rpartition("/")[0] + "/camera_info"


class CameraInfos:
    """All CameraInfos of a topic, by recording time. damaged: how many could not be read."""

    def __init__(self, reader: AnyReader, topic: str) -> None:
        connections = [
            c for c in reader.connections if c.topic == topic and c.msgtype == CAMERA_INFO
        ]
        self.topic = topic
        self.damaged = 0
        self._infos: list[tuple[int, Any]] = []
        self._by_size: dict[tuple[int, int], list[tuple[int, Any]]] = {}
        if connections:  # rosbags reads all connections where none is given
            self._infos = list(self._read(reader, connections))
        for item in self._infos:
            self._by_size.setdefault(image_size_of(item[1]), []).append(item)

    def _read(
        self, reader: AnyReader, connections: Sequence[Connection]
    ) -> Iterator[tuple[int, Any]]:
        with suppress(ValueError):  # reading the images reports a damaged bag
            for connection, time_ns, data in read_raw(reader, connections):
                try:
                    yield time_ns, read_message(reader, connection, time_ns, data)
                except ValueError as error:  # other messages of the camera have the same content
                    self.damaged += 1
                    tqdm.write(shown(error, MESSAGE), file=sys.stderr)

    def find(self, width: int, height: int, time_ns: int) -> Any | None:
        """The CameraInfo of an image: the last one up to this time, else the first one after it.

        Messages for this image size have priority over others. None in a bag without CameraInfo.
        """
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
