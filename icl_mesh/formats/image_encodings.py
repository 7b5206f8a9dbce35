"""The encodings of sensor_msgs/Image: those converted to RGB, and errors for the others."""

from __future__ import annotations

import re
from typing import NamedTuple

import cv2


class Layout(NamedTuple):
    """Channels per pixel, bytes per channel, OpenCV's conversion to RGB (None: none)."""

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
PACKED: dict[str, Layout] = {
    **{
        f"{name}{8 * size}": Layout(channels, size, code)
        for size in (1, 2)
        for name, (channels, code) in _COLORS.items()
    },
    # YUV 4:2:2 by sensor_msgs' present and former names
    "uyvy": Layout(2, 1, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422": Layout(2, 1, cv2.COLOR_YUV2RGB_UYVY),
    "yuyv": Layout(2, 1, cv2.COLOR_YUV2RGB_YUY2),
    "yuv422_yuy2": Layout(2, 1, cv2.COLOR_YUV2RGB_YUY2),
}
#: YUV 4:2:0: a plane of Y, then half as many rows of interleaved U and V (or V and U).
PLANAR: dict[str, int] = {"nv12": cv2.COLOR_YUV2RGB_NV12, "nv21": cv2.COLOR_YUV2RGB_NV21}
#: The encodings that icl_mesh.formats.image_decoding.rgb_from_image reads.
ENCODINGS = (*PACKED, *PLANAR)

#: Errors for encodings, by a pattern of their letters and digits in lower case.
_UNREADABLE = (
    (
        re.compile(""),
        "which says nothing of its pixels: the camera driver should set it, to 'bgr8', 'rgb8' or "
        "'mono8' for instance",
    ),
    (
        re.compile("(16|32|64)[usf]c1?"),
        "which says nothing of colours, and is usual for depth: was a depth topic mapped to image? "
        "It belongs to depth. Else the camera driver should set the encoding to 'mono16'",
    ),
    (
        re.compile(r"\d.*", re.DOTALL),  # 8UC3 and the like
        "which says nothing of colours: the camera driver should set the encoding to 'bgr8', "
        "'rgb8' or 'mono8'",
    ),
    (
        re.compile("m?jpe?g|png|tiff?|webp|h26[45]|hevc|av1|ffmpeg"),
        "which is compressed: the camera driver should publish sensor_msgs/CompressedImage, read "
        "with image_transport compressed",
    ),
)
#: ROS's spelling by letters and digits, for variants such as BGR8, Mono16, "bgr8 ".
_BY_LETTERS = {re.sub(r"\W|_", "", name): name for name in ENCODINGS}
#: GenICam's names, such as BayerRG12p and RGB8Packed.
_GENICAM = re.compile(
    r"(rgba?|bgra?|mono|bayer(?:rggb|bggr|gbrg|grbg|rg|bg|gb|gr))(\d{1,2})(?:p|packed)?"
)
_BAYER_BY_ROW = {name[6:8]: name for name in _BAYER}  # GenICam names the first row alone


def why_unread(encoding: str) -> str:
    """Why neither this package nor cv_bridge reads an encoding, and the remedy.

    The text follows "has encoding '...', ". It is "" for ENCODINGS, and for encodings that
    cv_bridge may read.
    """
    if encoding in ENCODINGS:
        return ""
    letters = re.sub(r"\W|_", "", encoding.lower())
    known = (why for pattern, why in _UNREADABLE if pattern.fullmatch(letters))
    return next(known, "") or _why_misspelt(letters)


def _why_misspelt(letters: str) -> str:
    name = _BY_LETTERS.get(letters)
    if name is None and (found := _GENICAM.fullmatch(letters)) is not None:
        kind, bits = found[1], int(found[2])
        if kind.startswith("bayer"):
            kind = _BAYER_BY_ROW[kind[5:7]]
        if bits not in (8, 16):
            return (
                f"which ROS does not have, nor does anybody here unpack {bits}-bit pixels: the "
                f"camera driver should publish '{kind}8' or '{kind}16' (its pixel format)"
            )
        name = f"{kind}{bits}"
    if name is None:
        return ""
    return f"which ROS writes '{name}': the camera driver should set the encoding to that"
