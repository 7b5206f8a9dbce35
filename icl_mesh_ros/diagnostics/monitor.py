"""Monitors an active mesh_node: counts events, logs problems (throttled), reports diagnostics."""

from __future__ import annotations

import time
from collections.abc import Callable

from builtin_interfaces.msg import Time as StampMessage
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from std_msgs.msg import Header

from icl_mesh.io.wording import MESSAGE, shown
from icl_mesh.tracking.image_times import nanoseconds
from icl_mesh.tracking.stream_watch import StreamWatch
from icl_mesh.tracking.tracker import TrackState
from icl_mesh_ros.diagnostics.depth_watch import DepthWatch
from icl_mesh_ros.diagnostics.health import Stream, loss, numbers, problems, silence, status
from icl_mesh_ros.diagnostics.status import Statistics
from icl_mesh_ros.logging.failures import reason
from icl_mesh_ros.logging.throttle import Throttle
from icl_mesh_ros.parameters.mesh_node import MeshParameters
from icl_mesh_ros.pipeline.frame import FrameResult

OCCLUDED = int(TrackState.OCCLUDED)


class Monitor:
    """The monitor of one activation. Thread-safe."""

    def __init__(
        self, node: Node, image_topic: str, info_hint: Callable[[], str] = lambda: ""
    ) -> None:
        """info_hint: returns where a CameraInfo is published although none arrives."""
        self._node, self._topic, self._info_hint = node, image_topic, info_hint
        self._hint_said = ""
        self._statistics = Statistics()
        self._watch = StreamWatch(image_topic)
        self._depth_watch = DepthWatch()
        self._throttle = Throttle(period_s=5.0)
        self._camera_note = ""
        self._newest_stamp: StampMessage | None = None
        self._answered_s: float | None = None  # steady: the last result; before it, the first image
        self._still = False

    def image_arrived(self, header: Header, dropped: bool) -> None:
        """dropped: whether it replaced an image that was not processed."""
        self._statistics.count("received")
        if dropped:
            self._statistics.count("dropped")
        if self._answered_s is None:
            self._answered_s = time.monotonic()
        gap_s = self._watch.see(header)
        if self._still:
            self._still = False
            self._node.get_logger().info(f"images on '{self._topic}' again, after {gap_s:.1f} s")

    def images_lost(self, count: int) -> None:
        """count: how many images were newly lost on the way."""
        self._statistics.count("lost", count)

    def frame_done(self, header: Header, result: FrameResult) -> None:
        """Count a result; log its warnings and errors, and its camera_note when that changes."""
        states = result.tracks.state.tolist()
        self._statistics.count("done")
        self._statistics.record(
            {"people": len(states) - states.count(OCCLUDED)}
            | {f"{stage} (ms)": time_ms for stage, time_ms in result.times_ms.items()}
        )
        # One call per severity: rclpy refuses two severities from one line of code.
        for text in result.warnings:
            if (line := self._throttle(shown(text, MESSAGE))) is not None:
                self._node.get_logger().warning(line)
        for text in result.errors:
            if (line := self._throttle(shown(text, MESSAGE))) is not None:
                self._node.get_logger().error(line)
        self._depth_watch.see(result.unmeasured)
        self._newest_stamp = header.stamp
        self._answered_s = time.monotonic()
        if result.camera_note == self._camera_note:
            return
        self._camera_note = result.camera_note
        if (line := self._throttle(result.camera_note)) is None:  # two cameras may alternate
            return
        if hint := self._info_hint():
            self._hint_said, line = hint, f"{line}; {hint}"
        if result.tracks.people.camera.focal_assumed:
            self._node.get_logger().warning(line)
        else:
            self._node.get_logger().info(line)

    def frame_failed(self, error: Exception) -> None:
        self._statistics.error(shown(error, MESSAGE))
        if (line := self._throttle(reason(error))) is not None:
            self._node.get_logger().error(line)

    def status(self, limits: MeshParameters, facts: dict[str, str]) -> DiagnosticStatus:
        """The status for /diagnostics; call it once per second. facts: more key-value pairs."""
        work, stream = self._statistics.summary(), self._stream()
        # Soon after an earlier silence, such as that before the first image, the throttle delays
        # this line. Only a silence that was logged is followed by a line that images arrive again.
        silent = stream.gap_s > limits.warn_image_gap and not self._still
        if silent and (line := self._throttle(silence(stream), "still")) is not None:
            self._still = True
            self._node.get_logger().warning(line)
        if text := loss(self._topic, work.recent["lost"], work.recent["received"]):
            stream.oddities["lost"] = text
        if stream.info_hint not in ("", self._hint_said):  # the publisher came after the image
            self._hint_said = stream.info_hint
            self._node.get_logger().warning(stream.info_hint)
        for kind, text in stream.oddities.items():
            if (line := self._throttle(text, kind)) is not None:
                self._node.get_logger().warning(line)
        fine = f"{work.rates.get('done', 0.0):.1f} results/s"
        return status(
            f"{self._node.get_fully_qualified_name()}: people",
            self._topic,
            problems(stream, work, limits),
            fine,
            {**numbers(stream, work), "camera": self._camera_note or "no image yet", **facts},
        )

    def _stream(self) -> Stream:
        now = self._node.get_clock().now()
        stamp_ns = 0 if self._newest_stamp is None else nanoseconds(self._newest_stamp)
        age_s = None
        if stamp_ns > 0 and now.nanoseconds > 0:
            age_s = (now.nanoseconds - stamp_ns) * 1e-9
        elif self._answered_s is not None:
            age_s = time.monotonic() - self._answered_s
        publishers = self._node.get_publishers_info_by_topic(self._topic)
        return Stream(
            topic=self._topic,
            publishers=[f"{one.node_namespace.rstrip('/')}/{one.node_name}" for one in publishers],
            gap_s=self._watch.gap_s(),
            result_age_s=age_s,
            clock_stands=now.nanoseconds == 0,
            oddities=self._watch.take_oddities(),
            unmeasured=self._depth_watch.text(),
            # Before the first result, the camera may still be starting.
            info_hint=self._info_hint() if self._camera_note else "",
        )
