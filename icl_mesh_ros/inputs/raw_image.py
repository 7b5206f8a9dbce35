"""Reads a serialised sensor_msgs/Image in place, without a copy of the pixels.

rclpy copies the pixels three times to make an Image. A raw subscription gets the CDR bytes (OMG
CDR, version 1; see icl_mesh_ros.outputs.cdr), which are parsed here.
"""

from __future__ import annotations

import array
import struct
from dataclasses import dataclass
from typing import NamedTuple

from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from icl_mesh.io.wording import shown

#: First two bytes of plain CDR -> struct's byte order.
_ORDERS = {b"\0\0": ">", b"\0\1": "<"}
_ENCAPSULATION_SIZE = 4


@dataclass
class RawImage:
    """The fields of sensor_msgs/Image. data: a view of the received bytes; do not write to it."""

    header: Header
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: memoryview

    def message(self) -> Image:
        """The image as a message, with a copy of the pixels."""
        fields = {name: value for name, value in vars(self).items() if name != "data"}
        return Image(data=array.array("B", self.data), **fields)


def image_from_cdr(data: bytes, topic: str) -> RawImage | Image:
    """A serialised sensor_msgs/Image -> its fields. rclpy reads other encodings than plain CDR.

    topic: named in the error. Raises ValueError for bytes that are no such message.
    """
    order = _ORDERS.get(data[:2])
    try:
        if order is not None:
            return _read(memoryview(data)[_ENCAPSULATION_SIZE:], order)
        message: Image = deserialize_message(data, Image)
    except Exception as error:  # rclpy passes on the middleware's exceptions of many types
        raise ValueError(
            f"image on '{topic}' of {len(data)} bytes is no sensor_msgs/Image "
            f"({shown(error, 200)}): whoever publishes it should serialise messages as ROS does"
        ) from error
    return message


def _read(body: memoryview, order: str) -> RawImage:
    reader = _Reader(body, order)
    at, (sec, nanosec) = reader.numbers(0, "iI")
    at, frame_id = reader.text(at)
    at, (height, width) = reader.numbers(at, "II")
    at, encoding = reader.text(at)
    at, (is_bigendian,) = reader.numbers(at, "B")
    at, (step, count) = reader.numbers(at, "II")
    header = Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=frame_id)
    pixels = reader.bytes(at, count)
    return RawImage(header, height, width, encoding, is_bigendian, step, pixels)


class _Reader(NamedTuple):
    """Reads values at an offset `at`; numbers and text return the offset after them too."""

    body: memoryview
    order: str

    def numbers(self, at: int, kinds: str) -> tuple[int, tuple[int, ...]]:
        """Numbers of struct's format characters, all of one size, aligned to that size."""
        at += -at % struct.calcsize(self.order + kinds[0])
        form = self.order + kinds
        return at + struct.calcsize(form), struct.unpack_from(form, self.body, at)

    def text(self, at: int) -> tuple[int, str]:
        """A zero-terminated string after its length, which counts the zero."""
        at, (count,) = self.numbers(at, "I")
        return at + count, bytes(self.bytes(at, count)).rstrip(b"\0").decode("utf-8", "replace")

    def bytes(self, at: int, count: int) -> memoryview:
        """A view of `count` bytes. Raises ValueError if the message is shorter."""
        found = self.body[at : at + count]
        if len(found) != count:
            raise ValueError(f"it ends after {len(found)} of {count} bytes")
        return found
