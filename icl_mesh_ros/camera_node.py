"""camera_node: a webcam, a video, or photos as image and camera_info, by OpenCV."""

from __future__ import annotations

import time
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from icl_mesh.camera import Camera
from icl_mesh.sensor_layout import close
from icl_mesh_ros.camera_info import info_from_camera, load_calibration
from icl_mesh_ros.conversions import image_from_rgb
from icl_mesh_ros.msg import HumanArray
from icl_mesh_ros.run import run_nodes
from icl_mesh_ros.sources import open_source
from icl_mesh_ros.throttle import Throttle

#: Reliable publishers serve best-effort (sensor data) and reliable subscribers alike.
CAMERA_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
DEFAULT_RATE = 10.0
#: lockstep: an image not answered for so long is given up.
ANSWER_TIMEOUT_S = 10.0


class CameraNode(Node):
    """Publishes image (rgb8) and camera_info with equal headers.

    Raises ValueError or FileNotFoundError for a source or a calibration that cannot be used.
    """

    def __init__(self) -> None:
        super().__init__("camera_node")
        self.finished = Future()
        self._loop = self._declare("loop", False, "start again after the last frame of a file")
        self._frame_id = self._declare("frame_id", "camera_optical_frame", "frame of the image")
        self._fov_deg = self._declare(
            "assumed_fov_deg",
            60.0,
            "degrees across the longer side, for the CameraInfo where no calibration is given",
            (1.0, 179.0),
        )
        self._wait_for = self._declare(
            "wait_for_subscribers", 0, "hold back the first frame until so many subscribe", (0, 100)
        )
        self._lockstep = self._declare(
            "lockstep",
            False,
            "files: publish the next image when humans of the last have arrived, or after 10 s; "
            "the stamps follow the file's own time line, whatever the machine's speed",
        )
        rate = self._declare(
            "rate", 0.0, "Hz; 0: that of the camera or video, 10 Hz for photos", (0.0, 1000.0)
        )
        calibration = self._declare(
            "calibration",
            "",
            "YAML file of camera_calibration, OpenCV or kalibr, or its file:// or package:// URL; "
            "empty: assume a field of view",
        )
        self._calibration = load_calibration(calibration) if calibration else None
        self._source = open_source(*self._source_parameters())
        self._throttle = Throttle()
        self._published = 0
        self._started = self.get_clock().now()
        self._asked: tuple[Header, float] | None = None  # lockstep: the image not yet answered
        self._image = self.create_publisher(Image, "image", CAMERA_QOS)
        self._info = self.create_publisher(CameraInfo, "camera_info", CAMERA_QOS)
        if self._lockstep and self._source.is_file:
            self.create_subscription(HumanArray, "humans", self._on_humans, 10)
        rate = rate or self._source.native_rate or DEFAULT_RATE
        self._period = Duration(nanoseconds=round(1e9 / rate))
        self.create_timer(1 / rate, self._tick)
        self.get_logger().info(f"publishing {self._image.topic_name} at up to {rate:g} Hz")

    def destroy_node(self) -> None:
        """Close the source, then destroy the node."""
        self._source.close()
        super().destroy_node()

    def _declare(
        self, name: str, default: Any, text: str, limits: tuple[float, float] | None = None
    ) -> Any:
        """Declare a parameter and read it; camera_node reads its parameters once."""
        descriptor = ParameterDescriptor(description=text, read_only=True)
        if limits is not None and isinstance(default, int):
            span = IntegerRange(from_value=int(limits[0]), to_value=int(limits[1]), step=1)
            descriptor.integer_range = [span]
        elif limits is not None:
            span = FloatingPointRange(from_value=limits[0], to_value=limits[1])
            descriptor.floating_point_range = [span]
        return self.declare_parameter(name, default, descriptor).value

    def _source_parameters(self) -> tuple[str, tuple[int, int] | None]:
        # Without a fixed type, so that `-p source:=0` (an integer to ROS) names a webcam too.
        descriptor = ParameterDescriptor(
            description="webcam index, video, photo, folder of photos or stream address",
            read_only=True,
            dynamic_typing=True,
        )
        source = str(self.declare_parameter("source", "0", descriptor).value)
        width = self._declare("width", 0, "pixels, asked of a webcam; 0: its own", (0, 16384))
        height = self._declare("height", 0, "pixels, asked of a webcam; 0: its own", (0, 16384))
        return source, (width, height) if width and height else None

    def _on_humans(self, message: HumanArray) -> None:
        if self._asked is not None and message.header == self._asked[0]:
            self._asked = None

    def _must_wait(self) -> bool:
        if self._published == 0:
            return self._image.get_subscription_count() < self._wait_for
        return self._asked is not None and time.monotonic() < self._asked[1]

    def _tick(self) -> None:
        if self._must_wait():
            return
        try:
            rgb = self._source.read()
        except ValueError as error:
            if (line := self._throttle(str(error))) is not None:
                self.get_logger().error(line)
            return
        if rgb is None:
            self._end()
            return
        header = Header(stamp=self._next_stamp().to_msg(), frame_id=self._frame_id)
        self._info.publish(self._camera_info(rgb.shape[1], rgb.shape[0], header))
        self._image.publish(image_from_rgb(rgb, header))
        self._published += 1
        if self._lockstep and self._source.is_file:
            self._asked = header, time.monotonic() + ANSWER_TIMEOUT_S

    def _next_stamp(self) -> Time:
        if self._published == 0:
            self._started = self.get_clock().now()
        if self._lockstep and self._source.is_file:
            return self._started + Duration(nanoseconds=self._period.nanoseconds * self._published)
        return self.get_clock().now()

    def _camera_info(self, width: int, height: int, header: Header) -> CameraInfo:
        info = self._calibration
        if info is None:
            return info_from_camera(Camera.assumed(width, height, self._fov_deg), header)
        if not close((info.width, info.height), (width, height)):
            line = self._throttle(
                f"the calibration is for {info.width}x{info.height} images, the source gives "
                f"{width}x{height}: calibrate at this size, or set width and height to the other"
            )
            if line is not None:
                self.get_logger().error(line)
        info.header = header
        return info

    def _end(self) -> None:
        if self._loop and self._published:
            self._source.rewind()
            return
        # Let the last image reach its readers before the process ends.
        self._image.wait_for_all_acked(Duration(seconds=2))
        self.get_logger().info(f"end of the source after {self._published} images")
        self.finished.set_result(None)


def main() -> int:
    return run_nodes([CameraNode], finished=lambda nodes: nodes[0].finished)


if __name__ == "__main__":
    raise SystemExit(main())
