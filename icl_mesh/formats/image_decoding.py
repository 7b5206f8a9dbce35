"""ROS image messages as arrays, without ROS: any object with sensor_msgs/Image's fields works.

Inconsistent or unreadable messages are refused with an error that names the remedy.
"""

from __future__ import annotations

from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from icl_mesh.formats.image_encodings import ENCODINGS, PACKED, PLANAR, why_unread
from icl_mesh.formats.sample_bits import SampleBits
from icl_mesh.io.images import decode_image
from icl_mesh.io.wording import shown

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


#: Depth images (REP 118): encoding -> type of a pixel, metres per unit.
_DEPTHS: dict[str, tuple[str, float]] = {
    "16UC1": ("u2", 0.001),
    "mono16": ("u2", 0.001),  # older drivers' name of 16UC1
    "32FC1": ("f4", 1.0),
}
#: image_transport's formats of depth images.
_DEPTH_FORMATS = ("16UC1", "32FC1")


def rgb_from_image(message: ImageMessage, topic: str, bits: SampleBits | None = None) -> Bytes:
    """sensor_msgs/Image -> RGB [H, W, 3].

    rgb8 and bgr8 images are not copied; bgr8 becomes a view with reversed channels
    (icl_mesh.preprocess.channel_order). 16-bit channels are scaled to 8 bits by the number of bits
    that are used. bits: tracks that number for the stream; None: for this image alone. topic: named
    in errors. Raises ValueError for an inconsistent image (step, data length, size) or an encoding
    that is not in ENCODINGS.
    """
    encoding = message.encoding
    if encoding in PLANAR:
        return _rgb_from_planes(message, topic)
    if encoding not in PACKED:
        raise ValueError(refusal(encoding, topic))
    channels, size, code = PACKED[encoding]
    rows = _rows(message, topic, channels * size)
    if size > 1:
        kind = np.dtype(">u2" if message.is_bigendian else "<u2")
        samples = np.ascontiguousarray(rows).view(kind)
        samples = samples.reshape(message.height, message.width, channels)
        upper = (bits or SampleBits()).upper_byte(samples, topic, min(channels, 3))
    else:
        upper = rows.reshape(message.height, message.width, channels)
    if code is None:
        return upper
    if code == cv2.COLOR_BGR2RGB:
        return upper[..., ::-1]
    return _converted(upper, code, message, topic)


def refusal(encoding: str, topic: str) -> str:
    """The error for an image whose encoding is not in ENCODINGS."""
    why = why_unread(encoding) or (
        "which cannot become RGB here: the camera driver should set the encoding to one of "
        f"{', '.join(ENCODINGS)}"
    )
    return f"image on '{topic}' has encoding '{shown(encoding)}', {why}"


def depth_from_image(message: ImageMessage, topic: str) -> tuple[npt.NDArray[Any], float]:
    """A depth image (16UC1 in mm or 32FC1 in m) -> its values [H, W], not copied, and their unit
    in metres. 0, NaN and infinity mean no value.

    Raises ValueError for an inconsistent image or another encoding.
    """
    if message.encoding not in _DEPTHS:
        raise ValueError(
            f"depth image on '{topic}' has encoding '{shown(message.encoding)}': the camera driver "
            "should publish depth as 16UC1 (millimetres) or 32FC1 (metres)"
        )
    kind, unit = _DEPTHS[message.encoding]
    dtype = np.dtype(kind).newbyteorder(">" if message.is_bigendian else "<")
    # A view even of padded rows: only the last axis must be contiguous.
    rows = _rows(message, topic, dtype.itemsize, "depth image")
    return rows.view(dtype), unit


def rgb_from_compressed(
    message: CompressedMessage, topic: str, bits: SampleBits | None = None
) -> Bytes:
    """sensor_msgs/CompressedImage (JPEG, PNG, ...) -> RGB [H, W, 3], a view with reversed channels.

    bits: as in rgb_from_image. Raises ValueError for an image that cannot be decoded, or is depth.
    """
    if message.format.partition(";")[0].strip() in _DEPTH_FORMATS or "Depth" in message.format:
        raise ValueError(
            f"compressed image on '{topic}' has format '{shown(message.format)}', as depth images "
            "have: was a depth topic mapped to image? Map the camera's colour image to it"
        )
    data = np.frombuffer(message.data, dtype=np.uint8)
    # IMREAD_COLOR always gives three channels. EXIF orientation is ignored, since CameraInfo
    # describes the image without rotation.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = decode_image(data, flags | cv2.IMREAD_ANYDEPTH)
        if image.dtype not in (np.uint8, np.uint16):
            image = decode_image(data, flags)  # floats: OpenCV converts them to bytes
    except ValueError as error:
        raise ValueError(
            f"compressed image on '{topic}' (format '{shown(message.format)}', {data.size} bytes) "
            f"cannot be decoded ({shown(error, 200)}): the camera driver should publish whole JPEG "
            "or PNG images"
        ) from error
    if image.dtype == np.uint16:
        image = (bits or SampleBits()).upper_byte(image, topic, 3)
    return image[..., ::-1]


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
    """The bytes of the pixels without row padding [H, W * pixel_bytes], a view."""
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
    return _converted(data[:, : message.width], PLANAR[message.encoding], message, topic)


def _converted(pixels: Bytes, code: int, message: ImageMessage, topic: str) -> Bytes:
    try:
        return np.asarray(cv2.cvtColor(pixels, code), dtype=np.uint8)
    except cv2.error as error:
        raise ValueError(
            f"image on '{topic}' of {message.width}x{message.height} {message.encoding} pixels "
            f"cannot become RGB ({shown(str(error).strip().splitlines()[-1], 200)}): the camera "
            "driver should publish a size that fits the encoding, which for YUV means even sides"
        ) from error
