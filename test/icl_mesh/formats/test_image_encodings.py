"""Errors for unreadable encodings: the remedy and who applies it."""

from __future__ import annotations

import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from icl_mesh.formats.image_decoding import rgb_from_compressed, rgb_from_image
from icl_mesh.formats.image_encodings import ENCODINGS, why_unread


def said_of(encoding: str) -> str:
    message = SimpleNamespace(
        width=4, height=2, encoding=encoding, step=16, is_bigendian=0, data=bytes(32)
    )
    with pytest.raises(ValueError, match=r"^image on '/cam' has encoding '") as error:
        rgb_from_image(message, "/cam")
    return str(error.value)


@pytest.mark.parametrize("encoding", ["", " ", "\0\0", "_"])
def test_no_encoding(encoding: str) -> None:
    assert "which says nothing of its pixels: the camera driver should set it" in said_of(encoding)


@pytest.mark.parametrize(
    ("encoding", "meant"),
    [
        ("BGR8", "bgr8"),
        ("Mono16", "mono16"),
        ("rgb8 ", "rgb8"),
        ("RGB8Packed", "rgb8"),
        ("YUV422_YUY2", "yuv422_yuy2"),
        ("NV12", "nv12"),
        ("BayerRG8", "bayer_rggb8"),
        ("BayerGB16", "bayer_gbrg16"),
        ("bayer-grbg8", "bayer_grbg8"),
    ],
)
def test_an_encoding_in_another_spelling(encoding: str, meant: str) -> None:
    assert f"which ROS writes '{meant}': the camera driver should set" in said_of(encoding)


@pytest.mark.parametrize(
    ("encoding", "meant"),
    [
        ("bayer_rggb12p", "bayer_rggb"),
        ("bayer_bggr10", "bayer_bggr"),
        ("BayerGR12Packed", "bayer_grbg"),
        ("mono12p", "mono"),
        ("Mono10", "mono"),
        ("rgb10", "rgb"),
    ],
)
def test_packed_pixels_are_refused(encoding: str, meant: str) -> None:
    said = said_of(encoding)
    assert f"the camera driver should publish '{meant}8' or '{meant}16'" in said
    assert "cv_bridge" not in said


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1", "16SC1", "64FC1", "16uc1"])
def test_a_depth_topic_mapped_to_the_image(encoding: str) -> None:
    assert "was a depth topic mapped to image? It belongs to depth." in said_of(encoding)


@pytest.mark.parametrize("encoding", ["8UC1", "8UC3", "16UC3", "32FC2"])
def test_channels_without_colours(encoding: str) -> None:
    assert "which says nothing of colours: the camera driver should set" in said_of(encoding)


@pytest.mark.parametrize("encoding", ["jpeg", "JPG", "mjpeg", "png", "h264"])
def test_a_compressed_picture_as_an_image(encoding: str) -> None:
    assert "should publish sensor_msgs/CompressedImage" in said_of(encoding)


def test_an_encoding_of_5000_letters_is_one_short_line() -> None:
    for encoding in ("x" * 5000, "bgr8\n" * 1000, "9" * 5000, "bayer_rggb" + "1" * 4000):
        said = said_of(encoding)
        assert len(said) < 500
        assert "\n" not in said


def test_what_is_read_is_not_refused() -> None:
    assert [why_unread(encoding) for encoding in (*ENCODINGS, "nv24")] == [""] * (
        len(ENCODINGS) + 1
    )


@pytest.mark.parametrize("kind", ["16UC1; compressedDepth", "32FC1; compressedDepth png", "16UC1"])
def test_a_compressed_depth_topic_mapped_to_the_image(kind: str) -> None:
    data = cv2.imencode(".png", np.full((4, 4), 3000, np.uint16))[1].tobytes()
    message = SimpleNamespace(format=kind, data=data)
    with pytest.raises(ValueError, match="as depth images have: was a depth topic mapped to image"):
        rgb_from_compressed(message, "/cam")


def test_a_png_with_a_part_longer_than_itself_is_refused_before_memory_is_taken() -> None:
    data = bytearray(cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes())
    data[33:37] = (2**31 - 1).to_bytes(4, "big")
    said = rf"cut off or damaged: 2147483647 bytes promised, {len(data) - 45} are left.*driver"
    with pytest.raises(ValueError, match=said):
        rgb_from_compressed(SimpleNamespace(format="png", data=bytes(data)), "/cam")


def test_a_png_with_too_large_a_header_is_refused() -> None:
    data = bytearray(cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes())
    data[16:24] = (60000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    said = "its header promises more pixels than any camera has.*: the camera driver should publish"
    with pytest.raises(ValueError, match=said):
        rgb_from_compressed(SimpleNamespace(format="png", data=bytes(data)), "/cam")
