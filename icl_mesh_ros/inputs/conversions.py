"""sensor_msgs images <-> RGB arrays, by icl_mesh.formats.image_decoding or cv_bridge."""

from __future__ import annotations

import array

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from icl_mesh.formats import image_decoding as pixels
from icl_mesh.formats.image_decoding import depth_from_image, rgb_from_compressed
from icl_mesh.formats.image_encodings import ENCODINGS, why_unread
from icl_mesh.formats.sample_bits import SampleBits
from icl_mesh.io.wording import shown
from icl_mesh_ros.inputs.raw_image import RawImage

__all__ = [
    "depth_from_image",
    "image_from_rgb",
    "rgb_from_compressed",
    "rgb_from_image",
    "rgb_from_message",
]


def rgb_from_message(
    message: RawImage | Image | CompressedImage, topic: str, bits: SampleBits | None = None
) -> npt.NDArray[np.uint8]:
    """Image or CompressedImage -> RGB [H, W, 3]; arguments and errors as rgb_from_image."""
    if isinstance(message, CompressedImage):
        return rgb_from_compressed(message, topic, bits)
    return rgb_from_image(message, topic, bits)


def rgb_from_image(
    message: RawImage | Image, topic: str, bits: SampleBits | None = None
) -> npt.NDArray[np.uint8]:
    """sensor_msgs/Image -> RGB [H, W, 3]. An rgb8 or bgr8 image is not copied.

    topic: named in the error. bits: used bits of the stream's 16-bit samples. cv_bridge converts
    encodings that are not in icl_mesh.formats.image_encodings.ENCODINGS.
    Raises ValueError for an image that contradicts itself or cannot be read.
    """
    if message.encoding in ENCODINGS or why_unread(message.encoding):
        return pixels.rgb_from_image(message, topic, bits)
    pixels.check_size(message, topic, message.height)
    whole = message.message() if isinstance(message, RawImage) else message
    return _through_cv_bridge(whole, topic)


def _through_cv_bridge(message: Image, topic: str) -> npt.NDArray[np.uint8]:
    problem = f"image on '{topic}' has encoding '{shown(message.encoding)}'"
    advice = (
        "the camera driver should set the encoding to one of "
        f"{', '.join(ENCODINGS)}, or a node of image_proc convert it"
    )
    try:
        from cv_bridge import CvBridge
    except ImportError:
        raise ValueError(
            f"{problem}, which needs cv_bridge, if that knows it, and cv_bridge is not installed "
            f"(apt package ros-$ROS_DISTRO-cv-bridge); or {advice}"
        ) from None
    try:
        rgb = np.asarray(CvBridge().imgmsg_to_cv2(message, "rgb8"), dtype=np.uint8)
    except Exception as error:  # cv_bridge passes on C++ exceptions of many types
        said = shown(error, 200)
        raise ValueError(f"{problem}, which cannot become RGB ({said}): {advice}") from error
    if rgb.shape != (message.height, message.width, 3):
        raise ValueError(
            f"{problem}, of which cv_bridge makes an array {list(rgb.shape)} in place of RGB "
            f"{[message.height, message.width, 3]}: {advice}"
        )
    return rgb


def image_from_rgb(rgb: npt.NDArray[np.uint8], header: Header) -> Image:
    """RGB uint8 [H, W, 3] -> sensor_msgs/Image (rgb8). Raises ValueError for another array."""
    height, width, channels = rgb.shape
    if channels != 3 or rgb.dtype != np.uint8:
        raise ValueError(f"expected an RGB image [H, W, 3] uint8, got {rgb.shape} {rgb.dtype}")
    message = Image(header=header, height=height, width=width, encoding="rgb8", step=3 * width)
    # array.frombytes copies once. Assigning the ndarray would convert each byte to a Python int.
    message.data = array.array("B")
    message.data.frombytes(np.ascontiguousarray(rgb).data)
    return message
