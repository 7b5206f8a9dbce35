"""sensor_msgs images to RGB arrays and back. Refuses what it cannot read, and says who fixes it."""

from __future__ import annotations

import array

import cv2
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

#: Encoding -> (channels, OpenCV conversion to RGB). The rest needs cv_bridge.
_DIRECT: dict[str, tuple[int, int | None]] = {
    "rgb8": (3, None),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
}


def rgb_from_image(message: Image, topic: str) -> npt.NDArray[np.uint8]:
    """sensor_msgs/Image -> RGB [H, W, 3]. An rgb8 image is not copied.

    topic: named in the error. Raises ValueError for an image that contradicts itself (step, data
    length, size) or has an encoding that cannot be read here.
    """
    if message.width < 1 or message.height < 1:
        raise ValueError(
            f"image on '{topic}' has no pixels ({message.width}x{message.height}): "
            "the camera driver should publish the true width and height"
        )
    data = np.frombuffer(message.data, dtype=np.uint8)
    if data.size != message.step * message.height:
        raise ValueError(
            f"image on '{topic}' has {data.size} bytes of data, but step {message.step} x height "
            f"{message.height} = {message.step * message.height}: the camera driver should fill "
            "data and step consistently"
        )
    if message.encoding not in _DIRECT:
        return _through_cv_bridge(message, topic)
    channels, conversion = _DIRECT[message.encoding]
    row_bytes = message.width * channels
    if message.step < row_bytes:
        raise ValueError(
            f"image on '{topic}' has step {message.step}, but a row of {message.width} "
            f"{message.encoding} pixels takes {row_bytes} bytes: the camera driver should set step "
            "to the row length in bytes"
        )
    rows = data.reshape(message.height, message.step)[:, :row_bytes]
    pixels = rows.reshape(message.height, message.width, channels)
    if conversion is None:
        return pixels
    return np.asarray(cv2.cvtColor(pixels, conversion), dtype=np.uint8)


def _through_cv_bridge(message: Image, topic: str) -> npt.NDArray[np.uint8]:
    problem = f"image on '{topic}' has encoding '{message.encoding}'"
    advice = (
        f"the camera driver should set the encoding to one of {', '.join(_DIRECT)}, "
        "or a node of image_proc convert it"
    )
    try:
        from cv_bridge import CvBridge, CvBridgeError
    except ImportError:
        raise ValueError(
            f"{problem}, which needs cv_bridge, and cv_bridge is not installed (apt package "
            f"ros-$ROS_DISTRO-cv-bridge); or {advice}"
        ) from None
    try:
        return np.asarray(CvBridge().imgmsg_to_cv2(message, "rgb8"), dtype=np.uint8)
    except (CvBridgeError, cv2.error, RuntimeError, TypeError) as error:
        raise ValueError(f"{problem}, which cannot become RGB ({error}): {advice}") from error


def rgb_from_compressed(message: CompressedImage, topic: str) -> npt.NDArray[np.uint8]:
    """sensor_msgs/CompressedImage (JPEG, PNG, ...) -> RGB [H, W, 3]. Raises ValueError."""
    data = np.frombuffer(message.data, dtype=np.uint8)
    # IMREAD_COLOR applies 8 bits and three channels, whatever was compressed.
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise ValueError(
            f"compressed image on '{topic}' (format '{message.format}', {data.size} bytes) cannot "
            "be decoded: the camera driver should publish whole JPEG or PNG images"
        )
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def image_from_rgb(rgb: npt.NDArray[np.uint8], header: Header) -> Image:
    """RGB [H, W, 3] -> sensor_msgs/Image (rgb8) under this header."""
    height, width, channels = rgb.shape
    if channels != 3 or rgb.dtype != np.uint8:
        raise ValueError(f"expected an RGB image [H, W, 3] uint8, got {rgb.shape} {rgb.dtype}")
    message = Image(header=header, height=height, width=width, encoding="rgb8", step=3 * width)
    # array.frombytes copies once; assigning the ndarray would go through Python integers.
    message.data = array.array("B")
    message.data.frombytes(np.ascontiguousarray(rgb).data)
    return message
