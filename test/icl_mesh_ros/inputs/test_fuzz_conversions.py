"""Seeded fuzz test: 20,000 damaged messages give only documented errors."""

from __future__ import annotations

import array
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from icl_mesh.depth.matching import DepthStore
from icl_mesh.formats.camera_info import camera_from_info
from icl_mesh.formats.image_encodings import ENCODINGS
from icl_mesh.formats.sample_bits import SampleBits
from icl_mesh.io.wording import MESSAGE
from icl_mesh.tracking.image_times import ImageTimes, nanoseconds
from icl_mesh.tracking.stream_watch import StreamWatch
from icl_mesh_ros.inputs.camera_info_store import CameraInfoStore
from icl_mesh_ros.inputs.conversions import depth_from_image, rgb_from_message
from icl_mesh_ros.inputs.raw_image import image_from_cdr

MESSAGES = 20_000
STRINGS = (
    *("", "\n", "\0", "x" * 5000, "a'b", "\x1b[31m", "\u202e", "BGR8", "nv24", "bayer_rggb12p"),
    *("16UC1", "32FC1", "8UC3", "jpeg", "9" * 300, "mono" + "1" * 300, "plumb_bob", "equidistant"),
    *("fisheye", "rational_polynomial", "16UC1; compressedDepth", "rgb8; png compressed"),
)
NUMBERS = (0, 1, 2, 3, 7, 64, 255, 65535, 2**31 - 1, 2**31, 2**32 - 1)
FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-300, 1e300, float("nan"), float("inf"), -float("inf"), 320.0)
K = [50.0, 0.0, 7.5, 0.0, 50.0, 5.5, 0.0, 0.0, 1.0]


class Fuzz:
    """Messages of every kind, each with a few faults."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        picture = self.rng.integers(0, 255, (12, 16, 3), np.uint8)
        wide = picture[..., 0].astype(np.uint16) << 4
        self._files = [
            cv2.imencode(suffix, pixels)[1].tobytes()
            for suffix, pixels in ((".jpg", picture), (".png", picture), (".png", wide))
        ]

    def pick(self, values: Any) -> Any:
        return values[int(self.rng.integers(len(values)))]

    def header(self) -> Header:
        sec = int(self.pick((0, -1, 5, 2**31 - 1, -(2**31))))
        return Header(
            stamp=Time(sec=sec, nanosec=self.pick((0, 1, 2**32 - 1))), frame_id=self.pick(STRINGS)
        )

    def image(self) -> Image:
        """A mostly consistent message with some wrong fields."""
        encoding = self.pick((*ENCODINGS, "16UC1", "32FC1"))
        width, height, step = (int(n) for n in self.rng.integers((1, 1, 1), (9, 9, 80)))
        rows = height * 3 // 2 if encoding.startswith("nv") else height
        if self.rng.random() < 0.7:
            step = width * 8
        message = Image(
            header=self.header(),
            width=width,
            height=height,
            encoding=encoding,
            step=step,
            is_bigendian=int(self.rng.integers(0, 256)),
            data=array.array("B", self.rng.bytes(step * rows)),
        )
        for name in ("width", "height", "step", "encoding", "data"):
            if self.rng.random() < 0.1:
                setattr(message, name, self._wrong(name))
        return message

    def _wrong(self, name: str) -> Any:
        if name == "encoding":
            return self.pick(STRINGS)
        if name == "data":
            return array.array("B", self.rng.bytes(int(self.rng.integers(0, 200))))
        return self.pick(NUMBERS)

    def damaged(self, data: bytes, first: int = 0) -> bytes:
        """Bytes replaced from the given offset on, cut off or added."""
        changed = bytearray(data)
        for _ in range(int(self.rng.integers(0, 6))):
            changed[int(self.rng.integers(first, len(changed)))] = int(self.rng.integers(256))
        end = int(self.rng.integers(len(changed))) if self.rng.random() < 0.3 else len(changed)
        return bytes(changed[:end]) + self.rng.bytes(int(self.rng.integers(0, 3)))

    def compressed(self) -> CompressedImage:
        # Not where the size stands, as 200 megapixels take half a second: test_encodings does that.
        file = self.pick(self._files)
        data = array.array("B", self.damaged(file, file.find(b"\xff\xc0") + 24))
        return CompressedImage(header=self.header(), format=self.pick(STRINGS), data=data)

    def info(self) -> CameraInfo:
        info = CameraInfo(header=self.header(), width=16, height=12, k=K, distortion_model="")
        for name in ("width", "height", "binning_x", "binning_y"):
            if self.rng.random() < 0.15:
                setattr(info, name, self.pick(NUMBERS))
        for name in ("x_offset", "y_offset", "width", "height"):
            if self.rng.random() < 0.1:
                setattr(info.roi, name, self.pick(NUMBERS))
        info.distortion_model = self.pick(STRINGS)
        info.d = [float(self.pick(FLOATS)) for _ in range(self.pick((0, 1, 4, 5, 8, 12, 14)))]
        for name, count in (("k", 9), ("p", 12)):
            values = list(getattr(info, name))
            if self.rng.random() < 0.5:
                values[int(self.rng.integers(count))] = float(self.pick(FLOATS))
            setattr(info, name, values)
        return info


def refused(act: Callable[[], Any]) -> bool:
    """Whether a call is refused with one readable line; any other exception fails the test."""
    try:
        act()
    except ValueError as error:
        text = str(error)
        assert text.isprintable(), text
        assert 20 < len(text) < MESSAGE, text
        return True
    return False


def test_20000_damaged_messages() -> None:
    fuzz, counts = Fuzz(14), {}
    bits, times, watch = SampleBits(), ImageTimes(), StreamWatch("/cam", lambda: 0.0)
    infos, depths = CameraInfoStore(), DepthStore("/depth")

    def image(message: Any) -> None:
        watch.see(message.header)
        assert np.isfinite(times(nanoseconds(message.header.stamp), 1.0))
        rgb = rgb_from_message(message, "/cam", bits)
        assert rgb.dtype == np.uint8
        assert rgb.ndim == 3
        assert rgb.shape[2] == 3

    def depth(message: Image) -> None:
        depths.put(message)
        pixels, unit = depth_from_image(message, "/depth")
        assert pixels.shape == (message.height, message.width)
        assert unit in (1.0, 0.001)

    def info(message: CameraInfo) -> None:
        infos.put(message)
        infos.find(16, 12)
        camera = camera_from_info(
            message,
            16,
            12,
            assumed_fov_deg=60.0,
            rectified=bool(fuzz.rng.integers(2)),
        ).camera
        assert np.isfinite([camera.fx, camera.fy, camera.cx, camera.cy]).all()
        assert (camera.width, camera.height) == (16, 12)

    acts: dict[str, Callable[[], None]] = {
        "image": lambda: image(fuzz.image()),
        "compressed": lambda: image(fuzz.compressed()),
        "depth": lambda: depth(fuzz.image()),
        "info": lambda: info(fuzz.info()),
        "bytes": lambda: image(
            image_from_cdr(fuzz.damaged(serialize_message(fuzz.image())), "/cam")
        ),
        "noise": lambda: image(
            image_from_cdr(fuzz.rng.bytes(int(fuzz.rng.integers(0, 90))), "/cam")
        ),
    }
    for number in range(MESSAGES):
        kind = list(acts)[number % len(acts)]
        good, bad = counts.setdefault(kind, [0, 0])
        counts[kind] = [good, bad + 1] if refused(acts[kind]) else [good + 1, bad]
        for text in watch.take_oddities().values():
            assert text.isprintable()
            assert len(text) < MESSAGE
    # Every kind is both accepted and refused, except noise, which is never an image.
    assert all(min(pair) > 100 for kind, pair in counts.items() if kind != "noise"), counts
