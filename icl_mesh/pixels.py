"""Image messages of ROS as arrays, without ROS: any object with sensor_msgs/Image's fields will do.

Refuses what contradicts itself or cannot be read, and says who fixes it.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from icl_mesh.image_files import decode_image

Bytes = npt.NDArray[np.uint8]


class ImageMessage(Protocol):
    """The fields of sensor_msgs/Image; data is anything with the buffer protocol."""

    height: int
    width: int
    encoding: str
    is_bigendian: Any
    step: int
    data: Any


class CompressedMessage(Protocol):
    """The fields of sensor_msgs/CompressedImage."""

    format: str
    data: Any


class _Layout(NamedTuple):
    """channels per pixel, bytes per channel, OpenCV conversion to RGB."""

    channels: int
    size: int
    to_rgb: int | None


# OpenCV names a Bayer pattern by the second row's second and third pixels, ROS by the first row.
_BAYER = {
    "bayer_rggb": cv2.COLOR_BayerBG2RGB,
    "bayer_bggr": cv2.COLOR_BayerRG2RGB,
    "bayer_gbrg": cv2.COLOR_BayerGR2RGB,
    "bayer_grbg": cv2.COLOR_BayerGB2RGB,
}
_COLORS: dict[str, tuple[int, int | None]] = {
    "rgb": (3, None),
    "bgr": (3, cv2.COLOR_BGR2RGB),
    "rgba": (4, cv2.COLOR_RGBA2RGB),
    "bgra": (4, cv2.COLOR_BGRA2RGB),
    "mono": (1, cv2.COLOR_GRAY2RGB),
    **{name: (1, code) for name, code in _BAYER.items()},
}
_PACKED: dict[str, _Layout] = {
    **{
        f"{name}{8 * size}": _Layout(channels, size, code)
        for size in (1, 2)
        for name, (channels, code) in _COLORS.items()
    },
    # YUV 4:2:2 under sensor_msgs' present and former names
    "uyvy": _Layout(2, 1, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422": _Layout(2, 1, cv2.COLOR_YUV2RGB_UYVY),
    "yuyv": _Layout(2, 1, cv2.COLOR_YUV2RGB_YUY2),
    "yuv422_yuy2": _Layout(2, 1, cv2.COLOR_YUV2RGB_YUY2),
}
#: YUV 4:2:0: a plane of Y, then half as many rows of interleaved U and V (or V and U).
_PLANAR: dict[str, int] = {"nv12": cv2.COLOR_YUV2RGB_NV12, "nv21": cv2.COLOR_YUV2RGB_NV21}
#: What rgb_from_image reads.
ENCODINGS = (*_PACKED, *_PLANAR)
#: Depth images (REP 118): encoding -> bytes per pixel, type, metres per unit.
_DEPTHS: dict[str, tuple[str, float]] = {
    "16UC1": ("u2", 0.001),
    "mono16": ("u2", 0.001),  # older drivers' name for the same
    "32FC1": ("f4", 1.0),
}


def rgb_from_image(message: ImageMessage, topic: str) -> Bytes:
    """sensor_msgs/Image -> RGB [H, W, 3]. An rgb8 or bgr8 image is not copied: of bgr8 it is a view
    with its channels backwards (icl_mesh.channel_order).

    Of 16-bit channels the upper byte is taken: they count to 65535, as sensor_msgs says.
    topic: named in errors. Raises ValueError for an image that contradicts itself (step, data
    length, size) or is of an encoding that is not in ENCODINGS.
    """
    encoding = message.encoding
    if encoding in _PLANAR:
        return _rgb_from_planes(message, topic)
    if encoding not in _PACKED:
        raise ValueError(
            f"image on '{topic}' has encoding '{encoding}', which cannot become RGB here: the "
            f"camera driver should set the encoding to one of {', '.join(ENCODINGS)}"
        )
    channels, size, code = _PACKED[encoding]
    pixels = _rows(message, topic, channels * size).reshape(
        message.height, message.width, channels, size
    )
    upper = pixels[..., 0 if message.is_bigendian else size - 1]
    if size > 1:
        upper = np.ascontiguousarray(upper)
    if code is None:
        return upper
    if code == cv2.COLOR_BGR2RGB:
        return upper[..., ::-1]
    return _converted(upper, code, message, topic)


def depth_from_image(message: ImageMessage, topic: str) -> tuple[npt.NDArray[Any], float]:
    """A depth image (16UC1 in mm or 32FC1 in m) -> its numbers [H, W], not copied, and the metres
    that one of them stands for. 0, NaN and infinity mean that nothing was measured.

    Raises ValueError for an image that contradicts itself or is of another encoding.
    """
    if message.encoding not in _DEPTHS:
        raise ValueError(
            f"depth image on '{topic}' has encoding '{message.encoding}': the camera driver should "
            "publish depth as 16UC1 (millimetres) or 32FC1 (metres)"
        )
    kind, unit = _DEPTHS[message.encoding]
    dtype = np.dtype(kind).newbyteorder(">" if message.is_bigendian else "<")
    # A view, even where rows are padded: only the last axis has to be dense.
    rows = _rows(message, topic, dtype.itemsize, "depth image")
    return rows.view(dtype), unit


def rgb_from_compressed(message: CompressedMessage, topic: str) -> Bytes:
    """sensor_msgs/CompressedImage (JPEG, PNG, ...) -> RGB [H, W, 3], a view with its channels
    backwards. Raises ValueError."""
    data = np.frombuffer(message.data, dtype=np.uint8)
    # IMREAD_COLOR: 8 bits and three channels, whatever was compressed. Not turned as EXIF may say:
    # the CameraInfo is of the image as the camera took it.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        return decode_image(data, flags)[..., ::-1]
    except ValueError as error:
        raise ValueError(
            f"compressed image on '{topic}' (format '{message.format}', {data.size} bytes) cannot "
            f"be decoded ({error}): the camera driver should publish whole JPEG or PNG images"
        ) from error


def check_size(message: ImageMessage, topic: str, rows: int, kind: str = "image") -> None:
    """Raise ValueError unless the image has pixels, and `rows` rows of `step` bytes."""
    if message.width < 1 or message.height < 1:
        raise ValueError(
            f"{kind} on '{topic}' has no pixels ({message.width}x{message.height}): "
            "the camera driver should publish the true width and height"
        )
    size = memoryview(message.data).nbytes
    if size != message.step * rows:
        raise ValueError(
            f"{kind} on '{topic}' has {size} bytes of data, but step {message.step} x "
            f"{'height' if rows == message.height else 'rows'} {rows} = {message.step * rows}: "
            "the camera driver should fill data and step consistently"
        )


def _rows(message: ImageMessage, topic: str, pixel_bytes: int, kind: str = "image") -> Bytes:
    """The bytes of the pixels without the padding of the rows [H, W * pixel_bytes], a view."""
    check_size(message, topic, message.height, kind)
    _check_step(message, topic, pixel_bytes, kind)
    data = np.frombuffer(message.data, dtype=np.uint8)
    return data.reshape(message.height, message.step)[:, : message.width * pixel_bytes]


def _check_step(message: ImageMessage, topic: str, pixel_bytes: int, kind: str) -> None:
    row_bytes = message.width * pixel_bytes
    if message.step < row_bytes:
        raise ValueError(
            f"{kind} on '{topic}' has step {message.step}, but a row of {message.width} "
            f"{message.encoding} pixels takes {row_bytes} bytes: the camera driver should set step "
            "to the row length in bytes"
        )


def _rgb_from_planes(message: ImageMessage, topic: str) -> Bytes:
    rows = message.height + message.height // 2
    check_size(message, topic, rows)
    _check_step(message, topic, 1, "image")
    data = np.frombuffer(message.data, dtype=np.uint8).reshape(rows, message.step)
    return _converted(data[:, : message.width], _PLANAR[message.encoding], message, topic)


def _converted(pixels: Bytes, code: int, message: ImageMessage, topic: str) -> Bytes:
    try:
        return np.asarray(cv2.cvtColor(pixels, code), dtype=np.uint8)
    except cv2.error as error:
        raise ValueError(
            f"image on '{topic}' of {message.width}x{message.height} {message.encoding} pixels "
            f"cannot become RGB ({str(error).strip().splitlines()[-1]}): the camera driver should "
            "publish a size that fits the encoding, which for YUV means even sides"
        ) from error
