"""Images against arrays made by hand, and the errors of unusable images."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from icl_mesh_ros.inputs.conversions import (
    image_from_rgb,
    rgb_from_compressed,
    rgb_from_image,
    rgb_from_message,
)
from icl_mesh_ros.inputs.raw_image import image_from_cdr

RGB = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
ALPHA = np.full((2, 3, 1), 255, dtype=np.uint8)
GRAY = np.array([[0, 100, 255], [1, 2, 3]], dtype=np.uint8)
PIXELS = {
    "rgb8": RGB,
    "bgr8": RGB[..., ::-1],
    "rgba8": np.concatenate((RGB, ALPHA), axis=2),
    "bgra8": np.concatenate((RGB[..., ::-1], ALPHA), axis=2),
    "mono8": GRAY[..., None],
}


def message_of(pixels: np.ndarray, encoding: str, padding: int = 0) -> Image:
    height, width, channels = pixels.shape
    rows = np.ascontiguousarray(pixels).reshape(height, width * channels)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    return Image(
        height=height, width=width, encoding=encoding, step=rows.shape[1], data=rows.tobytes()
    )


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("encoding", PIXELS)
def test_every_direct_encoding_gives_the_same_rgb(encoding, padding):
    expected = np.repeat(GRAY[..., None], 3, axis=2) if encoding == "mono8" else RGB
    rgb = rgb_from_image(message_of(PIXELS[encoding], encoding, padding), "/image")
    np.testing.assert_array_equal(rgb, expected)
    assert rgb.dtype == np.uint8


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8"])
def test_rgb8_and_bgr8_are_not_copied(encoding):
    message = message_of(PIXELS[encoding], encoding)
    assert np.shares_memory(
        rgb_from_image(message, "/image"), np.frombuffer(message.data, np.uint8)
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"width": 0}, r"'/cam/image' has no pixels \(0x2\).*camera driver"),
        ({"height": 0, "data": b""}, r"'/cam/image' has no pixels \(3x0\).*camera driver"),
        (
            {"step": 8},
            r"'/cam/image' has 18 bytes of data, but step 8 x height 2 = 16.*camera driver",
        ),
        ({"data": b"\0" * 17}, r"17 bytes of data, but step 9 x height 2 = 18"),
        ({"step": 8, "data": b"\0" * 16}, r"step 8, but a row of 3 rgb8 pixels takes 9 bytes"),
    ],
)
def test_an_image_that_contradicts_itself_is_refused(changes, said):
    message = message_of(RGB, "rgb8")
    for name, value in changes.items():
        setattr(message, name, value)
    with pytest.raises(ValueError, match=said):
        rgb_from_image(message, "/cam/image")


def test_other_encodings_name_cv_bridge_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv_bridge", None)  # import fails
    message = message_of(np.zeros((2, 3, 2), np.uint8), "nv24")
    with pytest.raises(
        ValueError,
        match=r"'/image' has encoding 'nv24', which needs cv_bridge.*"
        r"ros-\$ROS_DISTRO-cv-bridge.*the camera driver should set the encoding to one of rgb8",
    ):
        rgb_from_image(message, "/image")


@pytest.mark.parametrize("encoding", ["8UC3", "16UC1", "32FC1"])
def test_encodings_without_colours_are_refused(encoding):
    message = message_of(np.zeros((2, 3, 4), np.uint8), encoding)
    with pytest.raises(ValueError, match=f"'{encoding}', which says nothing of colours.*driver"):
        rgb_from_image(message, "/image")


@pytest.mark.parametrize(
    "encoding", ["", "BGR8", "bayer_rggb12p", "8UC3", "16UC1", "32FC1", "jpeg"]
)
def test_encodings_that_cv_bridge_cannot_read_do_not_reach_it(monkeypatch, encoding):
    monkeypatch.setitem(sys.modules, "cv_bridge", SimpleNamespace(CvBridge=FakeBridge))
    message = message_of(np.zeros((2, 3, 4), np.uint8), encoding)
    with pytest.raises(ValueError, match=f"has encoding '{encoding}', which") as error:
        rgb_from_image(message, "/image")
    assert "cv_bridge" not in str(error.value)


class FakeBridge:
    """A stand-in with the interface of cv_bridge, which is not installed here."""

    def imgmsg_to_cv2(self, message, encoding):
        assert isinstance(message, Image)
        if message.encoding == "broken":
            raise RuntimeError("no such conversion")
        if message.encoding == "flat":
            return RGB[..., 0]
        assert encoding == "rgb8"
        return RGB


@pytest.mark.parametrize("encoding", ["nv24", "broken"])
def test_other_encodings_go_through_cv_bridge(monkeypatch, encoding):
    monkeypatch.setitem(sys.modules, "cv_bridge", SimpleNamespace(CvBridge=FakeBridge))
    message = message_of(np.zeros((2, 3, 2), np.uint8), encoding)
    if encoding == "broken":
        with pytest.raises(ValueError, match=r"cannot become RGB \(no such conversion\).*driver"):
            rgb_from_image(message, "/image")
    else:
        np.testing.assert_array_equal(rgb_from_image(message, "/image"), RGB)


def test_a_raw_image_goes_through_cv_bridge_as_a_message_too(monkeypatch):
    """mesh_node gets a RawImage (CDR bytes), which cv_bridge cannot read."""
    monkeypatch.setitem(sys.modules, "cv_bridge", SimpleNamespace(CvBridge=FakeBridge))
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 3, 2)
    raw = image_from_cdr(serialize_message(message_of(pixels, "nv24")), "/image")
    assert not isinstance(raw, Image)
    np.testing.assert_array_equal(rgb_from_message(raw, "/image"), RGB)
    raw.encoding = "flat"
    with pytest.raises(ValueError, match=r"cv_bridge makes an array \[2, 3\] in place of RGB"):
        rgb_from_message(raw, "/image")


def test_a_cv_bridge_on_the_path_is_found(monkeypatch, tmp_path):
    (tmp_path / "cv_bridge").mkdir()
    (tmp_path / "cv_bridge" / "__init__.py").write_text(
        "import numpy\n"
        "class CvBridge:\n"
        "    def imgmsg_to_cv2(self, message, encoding):\n"
        "        assert (message.encoding, encoding) == ('nv24', 'rgb8')\n"
        "        return numpy.full((message.height, message.width, 3), 7, numpy.uint8)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cv_bridge", raising=False)
    message = message_of(np.zeros((2, 3, 2), np.uint8), "nv24")
    assert (rgb_from_image(message, "/image") == 7).all()
    sys.modules.pop("cv_bridge")


def test_compressed_images_are_decoded_to_rgb():
    rgb = np.zeros((16, 24, 3), dtype=np.uint8)
    rgb[..., 0] = 200  # red
    data = cv2.imencode(".png", rgb[..., ::-1])[1].tobytes()
    message = CompressedImage(format="rgb8; png compressed bgr8", data=data)
    np.testing.assert_array_equal(rgb_from_compressed(message, "/image/compressed"), rgb)


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\xff\xd8\xff\xe0 cut off"])
def test_broken_compressed_images_are_refused(data):
    message = CompressedImage(format="jpeg", data=data)
    with pytest.raises(ValueError, match=rf"'/c' \(format 'jpeg', {len(data)} bytes\) cannot be"):
        rgb_from_compressed(message, "/c")


def test_image_from_rgb_is_read_back_under_its_header():
    header = Header(stamp=Time(sec=5, nanosec=6), frame_id="optical")
    message = image_from_rgb(RGB[:, ::-1], header)  # a view, not contiguous
    assert (message.width, message.height, message.step, message.encoding) == (3, 2, 9, "rgb8")
    assert message.header == header
    np.testing.assert_array_equal(rgb_from_image(message, "x"), RGB[:, ::-1])


def test_image_from_rgb_refuses_other_arrays():
    with pytest.raises(ValueError, match=r"RGB image \[H, W, 3\] uint8, got \(2, 3, 1\)"):
        image_from_rgb(GRAY[..., None], Header())
