"""camera_node: publishes a webcam, a video or photos, read by OpenCV, as image and camera_info."""

from __future__ import annotations

import time

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.duration import Duration
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from icl_mesh.formats.sensor_layout import close
from icl_mesh.geometry.camera import Camera
from icl_mesh.io.wording import MESSAGE, shown
from icl_mesh_ros.diagnostics.health import ERROR, WARN, Problem, status
from icl_mesh_ros.inputs.camera_info import info_from_camera, load_calibration
from icl_mesh_ros.inputs.conversions import image_from_rgb
from icl_mesh_ros.inputs.live_source import shown_address
from icl_mesh_ros.inputs.sources import RgbImage, open_source
from icl_mesh_ros.inputs.timeline import Timeline
from icl_mesh_ros.logging.throttle import Throttle
from icl_mesh_ros.msg import HumanArray
from icl_mesh_ros.nodes.rclpy_inside import EndableNode
from icl_mesh_ros.nodes.run import run_nodes
from icl_mesh_ros.parameters.camera_node import CameraParameters
from icl_mesh_ros.parameters.fields import declare

#: Reliable publishers serve best-effort (sensor data) and reliable subscribers alike.
CAMERA_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
DEFAULT_RATE = 10.0
#: lockstep: how long to wait for the humans of an image.
ANSWER_TIMEOUT_S = 10.0
DIAGNOSTICS_PERIOD_S = 1.0
#: A live source that gives no frame for this long is a WARN. OpenCV's own timeout is longer.
QUIET_S = 3.0
#: One reads frames, which may block for long; the other publishes diagnostics.
THREADS = 2


class CameraNode(EndableNode):
    """Publishes image (rgb8) and camera_info with equal headers, and /diagnostics.

    Spin it with THREADS threads. finished: done at the end of a file; its result is the exit
    status: 1 if some frames could not be read, else 0.
    Raises ValueError or FileNotFoundError for a source or a calibration that cannot be used.
    """

    def __init__(self) -> None:
        super().__init__("camera_node")
        self.finished = Future()
        self._settings = settings = declare(self, CameraParameters)
        calibration = settings.calibration
        self._calibration = load_calibration(calibration) if calibration else None
        self._source = open_source(str(settings.source), settings.size)
        self._throttle = Throttle()
        self._published = self._unreadable = 0
        self._last_s = time.monotonic()
        self._trouble = ""
        # lockstep: header of the image whose humans have not arrived, and its deadline.
        self._unanswered: tuple[Header, float] | None = None
        self._image = self.create_publisher(Image, "image", CAMERA_QOS)
        self._info = self.create_publisher(CameraInfo, "camera_info", CAMERA_QOS)
        self._lockstep = settings.lockstep and self._source.is_file
        if self._lockstep:
            self.create_subscription(HumanArray, "humans", self._on_humans, 10)
        rate = settings.rate or self._source.native_rate or DEFAULT_RATE
        self._timeline = Timeline(round(1e9 / rate))
        self._waiting: tuple[RgbImage, int] | None = None  # a frame that is not due yet
        self._timer = self.create_timer(1 / rate, self._tick)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 1)
        self.create_timer(
            DIAGNOSTICS_PERIOD_S,
            self._publish_diagnostics,
            callback_group=MutuallyExclusiveCallbackGroup(),
            clock=Clock(clock_type=ClockType.STEADY_TIME),  # runs while simulated time stands still
        )
        self.get_logger().info(f"publishing {self._image.topic_name} at up to {rate:g} Hz")

    def destroy_node(self) -> None:
        """Close the source, then destroy the node."""
        if (source := getattr(self, "_source", None)) is not None:  # None: the constructor failed
            source.close()
        super().destroy_node()

    def _on_humans(self, message: HumanArray) -> None:
        if self._unanswered is not None and message.header == self._unanswered[0]:
            self._unanswered = None

    def _must_wait(self) -> bool:
        if self._published == 0:
            return self._image.get_subscription_count() < self._settings.wait_for_subscribers
        return self._unanswered is not None and time.monotonic() < self._unanswered[1]

    def _tick(self) -> None:
        if self.finished.done() or self._must_wait():
            return
        frame, self._waiting = self._waiting or self._next_frame(), None
        if frame is None:
            return
        rgb, due_ns = frame
        now_ns = self.get_clock().now().nanoseconds
        if not self._lockstep and self._source.time_s is not None and self._settings.rate == 0:
            if due_ns > now_ns:
                self._waiting = frame
                self._wake_in(due_ns - now_ns)
                return
            due_ns = self._timeline.catch_up(now_ns)
            self._wake_in(0)  # read the next frame at once to know when it is due
        elif not self._lockstep:
            due_ns = now_ns
        self._publish(rgb, Time(nanoseconds=due_ns))

    def _wake_in(self, nanoseconds: int) -> None:
        if nanoseconds > 10e9 and (
            line := self._throttle(
                f"the next frame is due in {nanoseconds * 1e-9:.0f} s by the video's own times: "
                "the parameter rate gives it another pace"
            )
        ):
            self.get_logger().warning(line)
        self._timer.timer_period_ns = max(nanoseconds, 1_000_000)
        self._timer.reset()

    def _next_frame(self) -> tuple[RgbImage, int] | None:
        """The next frame and when it is due, ns; None if there is none now."""
        for _ in range(2):  # twice: once more after a file has ended and starts again
            try:
                rgb = self._source.read()
            except ValueError as error:
                self._unreadable += 1
                if (line := self._throttle(shown(error, MESSAGE))) is not None:
                    self.get_logger().error(line)
                return None
            self._report_trouble()
            if rgb is not None:
                time_s = self._source.time_s if self._settings.rate == 0 else None
                return rgb, self._timeline.due(time_s, self.get_clock().now().nanoseconds)
            if not self._source.ended or not self._starts_again():
                return None
        return None

    def _report_trouble(self) -> None:
        """Log the source's trouble once when it begins and once when it is over."""
        before, self._trouble = self._trouble, self._source.trouble
        if self._trouble and not before:
            self.get_logger().error(self._trouble)
        elif before and not self._trouble:
            seconds = time.monotonic() - self._last_s
            self.get_logger().info(f"frames again, after {seconds:.0f} s")

    def _publish(self, rgb: RgbImage, stamp: Time) -> None:
        height, width = rgb.shape[:2]
        asked = self._settings.size
        if asked is not None and asked != (width, height) and not self._published:
            self.get_logger().warning(
                f"the source gives images of {width}x{height}, not of the {asked[0]}x{asked[1]} "
                "that width and height ask for: only webcams can be asked, and give one of their "
                "own sizes"
            )
        header = Header(stamp=stamp.to_msg(), frame_id=self._settings.frame_id)
        self._info.publish(self._camera_info(width, height, header))
        self._image.publish(image_from_rgb(rgb, header))
        self._published += 1
        self._last_s = time.monotonic()
        if self._lockstep:
            self._unanswered = header, time.monotonic() + ANSWER_TIMEOUT_S

    def _camera_info(self, width: int, height: int, header: Header) -> CameraInfo:
        info = self._calibration
        if info is not None and close((info.width, info.height), (width, height)):
            info.header = header
            return info
        if info is not None:
            line = self._throttle(
                f"the calibration is for {info.width}x{info.height} images, the source gives "
                f"{width}x{height}: for these a field of view is assumed; calibrate at this size, "
                "or set width and height to the other"
            )
            if line is not None:
                self.get_logger().error(line)
        return info_from_camera(
            Camera.assumed(width, height, self._settings.assumed_fov_deg), header
        )

    def _starts_again(self) -> bool:
        """After the last frame: whether the file starts again. If not, finished is done."""
        losses = self._source.losses()
        if losses and (line := self._throttle(losses)) is not None:
            self.get_logger().error(line)
        if self._settings.loop and self._published:
            try:
                self._source.rewind()
            except ValueError as error:  # it has gone meanwhile
                losses = shown(error, MESSAGE)
                self.get_logger().error(losses)
            else:
                self._timeline.rewind()
                return True
        # Let the last image reach its readers before the process ends.
        self._image.wait_for_all_acked(Duration(seconds=2))
        self.get_logger().info(f"end of the source after {self._published} images")
        self.finished.set_result(1 if losses else 0)
        return False

    def _publish_diagnostics(self) -> None:
        quiet_s = time.monotonic() - self._last_s
        found: list[Problem] = []
        if trouble := self._trouble:
            found.append((ERROR, f"no frame for {quiet_s:.0f} s: {trouble}"))
        elif not self._source.is_file and quiet_s > QUIET_S:
            found.append((WARN, f"no frame for {quiet_s:.0f} s: the source does not answer"))
        if self._unreadable:
            found.append((WARN, f"{self._unreadable} images could not be read"))
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        message.status = [
            status(
                f"{self.get_fully_qualified_name()}: source",
                shown_address(str(self._settings.source)),
                found,
                f"{self._published} images",
                {
                    "images, total": str(self._published),
                    "unreadable images, total": str(self._unreadable),
                    "time since the last image (s)": f"{quiet_s:.2f}",
                },
            )
        ]
        self._diagnostics.publish(message)


def main() -> int:
    return run_nodes([CameraNode], threads=THREADS, finished=lambda nodes: nodes[0].finished)
