"""Compares images read from bytes with rclpy's deserialisation."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from icl_mesh_ros.inputs.conversions import rgb_from_image
from icl_mesh_ros.inputs.raw_image import RawImage, image_from_cdr


def message_of(frame_id: str, encoding: str, count: int) -> Image:
    return Image(
        header=Header(stamp=Time(sec=-7, nanosec=987654321), frame_id=frame_id),
        height=3,
        width=2,
        encoding=encoding,
        is_bigendian=1,
        step=70000,
        data=np.arange(count).astype(np.uint8).tobytes(),
    )


def with_big_end_first(message: Image) -> bytes:
    """The bytes that a machine of the other byte order would send, written by hand."""

    def string(text: str, at: int) -> bytes:
        data = text.encode() + b"\0"
        return bytes(-at % 4) + struct.pack(">I", len(data)) + data

    body = struct.pack(">iI", message.header.stamp.sec, message.header.stamp.nanosec)
    body += string(message.header.frame_id, len(body))
    body += bytes(-len(body) % 4) + struct.pack(">II", message.height, message.width)
    body += string(message.encoding, len(body)) + bytes([message.is_bigendian])
    body += bytes(-len(body) % 4) + struct.pack(">II", message.step, len(message.data))
    return bytes(4) + body + bytes(message.data)


@pytest.mark.parametrize("serialised", [serialize_message, with_big_end_first])
@pytest.mark.parametrize("count", [0, 1, 6])
@pytest.mark.parametrize("encoding", ["", "rgb8", "mono16", "bayer_rggb8"])
@pytest.mark.parametrize("frame_id", ["", "a", "abc", "camera", "kamera_über_der_tür"])
def test_every_field_of_every_alignment(frame_id, encoding, count, serialised) -> None:
    message = message_of(frame_id, encoding, count)
    image = image_from_cdr(serialised(message), "/image")
    assert isinstance(image, RawImage)
    assert image.message() == message


def test_pixels_are_not_copied() -> None:
    data = serialize_message(message_of("camera", "rgb8", 18))
    image = image_from_cdr(data, "/image")
    assert np.shares_memory(np.frombuffer(image.data, np.uint8), np.frombuffer(data, np.uint8))


def test_colours_are_those_of_the_message() -> None:
    message = message_of("camera", "bgr8", 3 * 6)
    message.step = 6
    image = image_from_cdr(serialize_message(message), "/image")
    np.testing.assert_array_equal(rgb_from_image(image, "/i"), rgb_from_image(message, "/i"))


@pytest.mark.parametrize("kept", [0, 1, 3, 4, 7, 13, 20, 30, 47, 52, 60])
def test_truncated_bytes_are_refused(kept) -> None:
    data = serialize_message(message_of("camera", "rgb8", 30))
    assert len(data) > 60
    said = rf"image on '/image' of {kept} bytes is no sensor_msgs/Image .* whoever publishes it"
    with pytest.raises(ValueError, match=said):
        image_from_cdr(data[:kept], "/image")


@pytest.mark.parametrize("length", [2**31, 2**32 - 1])
def test_too_large_lengths_are_refused(length) -> None:
    data = bytearray(serialize_message(message_of("camera", "rgb8", 30)))
    data[12:16] = struct.pack("=I", length)  # of frame_id
    with pytest.raises(ValueError, match=rf"it ends after \d+ of {length} bytes"):
        image_from_cdr(bytes(data), "/image")
