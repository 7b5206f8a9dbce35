"""sensor_msgs images to RGB arrays and back: icl_mesh.pixels, with cv_bridge for what is left."""

from __future__ import annotations

import array

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from icl_mesh import pixels
from icl_mesh.pixels import depth_from_image, rgb_from_compressed
from icl_mesh_ros.raw_image import RawImage

__all__ = [
    "depth_from_image",
    "image_from_rgb",
    "rgb_from_compressed",
    "rgb_from_image",
    "rgb_from_message",
]


def rgb_from_message(
    message: RawImage | Image | CompressedImage, topic: str
) -> npt.NDArray[np.uint8]:
    """Either kind of image message -> RGB [H, W, 3]. Raises ValueError."""
    if isinstance(message, CompressedImage):
        return rgb_from_compressed(message, topic)
    return rgb_from_image(message, topic)


def rgb_from_image(message: RawImage | Image, topic: str) -> npt.NDArray[np.uint8]:
    """sensor_msgs/Image -> RGB [H, W, 3]. An rgb8 or bgr8 image is not copied.

    topic: named in the error. Encodings beyond icl_mesh.pixels.ENCODINGS go through cv_bridge.
    Raises ValueError for an image that contradicts itself or cannot be read.
    """
    if message.encoding in pixels.ENCODINGS:
        return pixels.rgb_from_image(message, topic)
    pixels.check_size(message, topic, message.height)
    if message.encoding[:1].isdigit():  # 8UC3 and the like: cv_bridge would refuse it as well
        raise ValueError(
            f"image on '{topic}' has encoding '{message.encoding}', which says nothing of colours: "
            "the camera driver should set the encoding to 'bgr8', 'rgb8' or 'mono8'"
        )
    whole = message.message() if isinstance(message, RawImage) else message
    return _through_cv_bridge(whole, topic)


def _through_cv_bridge(message: Image, topic: str) -> npt.NDArray[np.uint8]:
    problem = f"image on '{topic}' has encoding '{message.encoding}'"
    advice = (
        "the camera driver should set the encoding to one of "
        f"{', '.join(pixels.ENCODINGS)}, or a node of image_proc convert it"
    )
    try:
        from cv_bridge import CvBridge
    except ImportError:
        raise ValueError(
            f"{problem}, which needs cv_bridge, and cv_bridge is not installed (apt package "
            f"ros-$ROS_DISTRO-cv-bridge); or {advice}"
        ) from None
    try:
        return np.asarray(CvBridge().imgmsg_to_cv2(message, "rgb8"), dtype=np.uint8)
    except Exception as error:  # cv_bridge hands on what its C++ side throws, of many types
        raise ValueError(f"{problem}, which cannot become RGB ({error}): {advice}") from error


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
