"""Encodings of ROS images: each is made by hand or by OpenCV and read back."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from icl_mesh.formats.image_decoding import ENCODINGS, depth_from_image, rgb_from_image

WIDTH, HEIGHT = 32, 24


def smooth_picture() -> np.ndarray:
    """RGB without edges or hard colours: subsampled and demosaiced formats keep it."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    channels = (90 + 2.5 * x, 60 + 3.0 * y, 200 - 1.5 * x - 2 * y)
    return np.stack(channels, axis=2).round().astype(np.uint8)


PICTURE = smooth_picture()
GRAY = PICTURE[..., 1]


def message_of(rows: np.ndarray, encoding: str, *, padding: int = 0, big: int = 0, height=HEIGHT):
    """rows: bytes of each row, uint8 [rows, bytes]."""
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    return SimpleNamespace(
        width=WIDTH,
        height=height,
        encoding=encoding,
        step=rows.shape[1],
        is_bigendian=big,
        data=rows.tobytes(),
    )


def as_rows(pixels: np.ndarray, dtype: str) -> np.ndarray:
    """Pixels of 0 to 255 as rows of bytes; 16-bit types get noise in their lower byte."""
    values = pixels.astype(dtype)
    if values.itemsize == 2:
        values = values * 256 + np.random.default_rng(0).integers(0, 256, values.shape)
    return np.ascontiguousarray(values.astype(dtype)).view(np.uint8).reshape(HEIGHT, -1)


def channels_of(encoding: str) -> np.ndarray:
    opaque = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    return {
        "rgb": PICTURE,
        "bgr": PICTURE[..., ::-1],
        "rgba": np.concatenate((PICTURE, opaque), axis=2),
        "bgra": np.concatenate((PICTURE[..., ::-1], opaque), axis=2),
        "mono": GRAY,
    }[encoding]


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize(("bits", "dtype", "big"), [(8, "u1", 0), (16, "<u2", 0), (16, ">u2", 1)])
@pytest.mark.parametrize("name", ["rgb", "bgr", "rgba", "bgra", "mono"])
def test_colours_of_8_and_16_bits_of_either_byte_order(name, bits, dtype, big, padding):
    rows = as_rows(channels_of(name), dtype)
    rgb = rgb_from_image(message_of(rows, f"{name}{bits}", padding=padding, big=big), "/image")
    expected = np.repeat(GRAY[..., None], 3, axis=2) if name == "mono" else PICTURE
    np.testing.assert_array_equal(rgb, expected)
    assert rgb.dtype == np.uint8


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8"])
def test_8_bits_of_three_channels_are_a_view_of_the_message_also_where_rows_are_padded(encoding):
    message = message_of(as_rows(channels_of(encoding[:3]), "u1"), encoding, padding=3)
    rgb = rgb_from_image(message, "/image")
    assert np.shares_memory(rgb, np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize("padding", [0, 4])
@pytest.mark.parametrize(("bits", "dtype", "big"), [(8, "u1", 0), (16, "<u2", 0), (16, ">u2", 1)])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_patterns(pattern, bits, dtype, big, padding):
    """The mosaic as ROS names it: the colours of the first row's first two pixels, then the
    second row's."""
    mosaic = np.empty((HEIGHT, WIDTH), np.uint8)
    for i, letter in enumerate(pattern):
        y, x = divmod(i, 2)
        mosaic[y::2, x::2] = PICTURE[y::2, x::2, "rgb".index(letter)]
    message = message_of(as_rows(mosaic, dtype), f"bayer_{pattern}{bits}", padding=padding, big=big)
    rgb = rgb_from_image(message, "/image").astype(int)
    # on a smooth picture bilinear interpolation is exact inside, up to rounding
    assert np.abs(rgb - PICTURE)[2:-2, 2:-2].max() <= 2


def yuv_planes(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """BT.601, studio range, written out (ITU-R BT.601, as V4L2's formats are by default)."""
    r, g, b = np.moveaxis(picture.astype(float), 2, 0)
    y = 16 + 0.256788 * r + 0.504129 * g + 0.097906 * b
    u = 128 - 0.148223 * r - 0.290993 * g + 0.439216 * b
    v = 128 + 0.439216 * r - 0.367788 * g - 0.071427 * b
    return tuple(plane.round().astype(np.uint8) for plane in (y, u, v))


@pytest.mark.parametrize("padding", [0, 4])
@pytest.mark.parametrize("encoding", ["uyvy", "yuv422", "yuyv", "yuv422_yuy2"])
def test_yuv_422_under_its_four_names(encoding, padding):
    y, u, v = yuv_planes(PICTURE)
    luma = 1 if encoding in ("uyvy", "yuv422") else 0
    packed = np.empty((HEIGHT, WIDTH, 2), np.uint8)
    packed[..., luma] = y
    packed[:, 0::2, 1 - luma] = u[:, 0::2]
    packed[:, 1::2, 1 - luma] = v[:, 0::2]
    message = message_of(packed.reshape(HEIGHT, -1), encoding, padding=padding)
    assert np.abs(rgb_from_image(message, "/image").astype(int) - PICTURE).max() <= 4


@pytest.mark.parametrize("padding", [0, 4])
@pytest.mark.parametrize("encoding", ["nv12", "nv21"])
def test_yuv_420_in_two_planes(encoding, padding):
    y, u, v = yuv_planes(PICTURE)
    first, second = (u, v) if encoding == "nv12" else (v, u)
    blocks = np.stack((first, second)).reshape(2, HEIGHT // 2, 2, WIDTH // 2, 2)
    means = blocks.mean(axis=(2, 4)).round().astype(np.uint8)
    chroma = np.moveaxis(means, 0, 2).reshape(HEIGHT // 2, WIDTH)
    message = message_of(np.concatenate((y, chroma)), encoding, padding=padding)
    assert np.abs(rgb_from_image(message, "/image").astype(int) - PICTURE).max() <= 6


def test_every_encoding_was_tried():
    tried = {f"{n}{b}" for n in ("rgb", "bgr", "rgba", "bgra", "mono") for b in (8, 16)}
    tried |= {f"bayer_{p}{b}" for p in ("rggb", "bggr", "gbrg", "grbg") for b in (8, 16)}
    tried |= {"uyvy", "yuv422", "yuyv", "yuv422_yuy2", "nv12", "nv21"}
    assert set(ENCODINGS) == tried


@pytest.mark.parametrize(
    ("encoding", "changes", "said"),
    [
        ("mono16", {"height": 36}, "step 32, but a row of 32 mono16 pixels takes 64"),
        ("nv12", {"height": 25}, r"has 1152 bytes of data, but step 32 x rows 37 = 1184"),
        ("nv12", {"width": 31}, r"31x24 nv12 pixels cannot become RGB .*even sides"),
        ("uyvy", {"width": 15, "step": 32, "height": 36}, "15x36 uyvy pixels cannot .*even sides"),
        ("nv12", {"width": 0}, r"no pixels \(0x24\)"),
        ("nv12", {"width": 40}, "step 32, but a row of 40 nv12 pixels takes 40"),
        ("hsv8", {}, "'hsv8', which cannot become RGB here.*driver should set .* one of rgb8"),
    ],
)
def test_images_that_contradict_themselves(encoding, changes, said):
    message = message_of(np.zeros((36, WIDTH), np.uint8), encoding)
    for name, value in changes.items():
        setattr(message, name, value)
    with pytest.raises(ValueError, match=rf"'/cam'.*({said})"):
        rgb_from_image(message, "/cam")


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 2), (2, 2), (3, 3)])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_tiny_images_give_their_size_or_a_clear_error(encoding, size):
    width, height = size
    rows = height + height // 2 if encoding.startswith("nv") else height
    message = message_of(np.zeros((rows, 8 * width), np.uint8), encoding, height=height)
    message.width = width
    try:
        rgb = rgb_from_image(message, "/image")
    except ValueError as error:
        assert "camera driver should" in str(error)
    else:
        assert rgb.shape == (height, width, 3)


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize(
    ("encoding", "dtype", "unit"),
    [("16UC1", "<u2", 0.001), ("16UC1", ">u2", 0.001), ("mono16", "<u2", 0.001)]
    + [("32FC1", "<f4", 1.0), ("32FC1", ">f4", 1.0)],
)
def test_depth_images(encoding, dtype, unit, padding):
    values = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(dtype)
    rows = values.view(np.uint8).reshape(HEIGHT, -1)
    message = message_of(rows, encoding, padding=padding, big=int(dtype[0] == ">"))
    depth, scale = depth_from_image(message, "/depth")
    np.testing.assert_array_equal(depth, np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH))
    assert scale == unit
    assert np.shares_memory(depth, np.frombuffer(message.data, np.uint8))


def test_depth_images_of_other_encodings_or_lengths_are_refused():
    message = message_of(np.zeros((HEIGHT, WIDTH), np.uint8), "mono8")
    with pytest.raises(ValueError, match=r"depth image on '/d' has encoding 'mono8'.*16UC1.*32FC1"):
        depth_from_image(message, "/d")
    message.encoding = "32FC1"
    with pytest.raises(ValueError, match="depth image on '/d' has step 32, but a row of 32 32FC1"):
        depth_from_image(message, "/d")
    message.data = message.data[:-1]
    with pytest.raises(ValueError, match="depth image on '/d' has 767 bytes of data"):
        depth_from_image(message, "/d")


def test_jpegs_of_opencv_come_back():
    from icl_mesh.formats.image_decoding import rgb_from_compressed

    encoded = cv2.imencode(".jpg", PICTURE[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])[1]
    message = SimpleNamespace(format="bgr8; jpeg compressed bgr8", data=encoded.tobytes())
    rgb = rgb_from_compressed(message, "/image/compressed").astype(int)
    assert np.abs(rgb - PICTURE).max() <= 8

    # "Turned by a right angle", as EXIF has it, between the marks of start and of what follows.
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    turned = message.data[:2] + segment + message.data[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape != PICTURE.shape
    message.data = turned
    rgb = rgb_from_compressed(message, "/image/compressed").astype(int)
    assert np.abs(rgb - PICTURE).max() <= 8  # as the camera, and its CameraInfo, have it
