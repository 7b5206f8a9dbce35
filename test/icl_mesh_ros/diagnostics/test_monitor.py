"""Log lines and diagnostics of Monitor, with the test's clock."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from icl_mesh.tracking.stream_watch import StreamWatch
from icl_mesh_ros.diagnostics.depth_watch import DepthWatch
from icl_mesh_ros.diagnostics.monitor import Monitor
from icl_mesh_ros.inputs.conversions import rgb_from_message
from icl_mesh_ros.logging.failures import reason
from icl_mesh_ros.logging.throttle import Throttle
from icl_mesh_ros.parameters.mesh_node import MeshParameters
from icl_mesh_ros.pipeline.frame import FrameResult


def test_diagnostics_say_that_nobody_is_measured_in_depth() -> None:
    now = [0.0]
    node = SimpleNamespace(
        get_logger=lambda: SimpleNamespace(info=print, warning=print),
        get_clock=lambda: Clock(clock_type=ClockType.ROS_TIME),
        get_publishers_info_by_topic=lambda _: [],
        get_fully_qualified_name=lambda: "/mesh_node",
    )
    monitor = Monitor(node, "/image")
    monitor._depth_watch = DepthWatch(lambda: now[0])
    people = SimpleNamespace(camera=SimpleNamespace(focal_assumed=False))
    tracks = SimpleNamespace(state=np.zeros(1, np.uint8), people=people)
    header = Header(frame_id="camera", stamp=Time(sec=5))
    for unmeasured in ("holes", "holes", "another unit"):
        now[0] += 3.0
        monitor.frame_done(header, FrameResult(None, tracks, "", {}, unmeasured=unmeasured))
    said = monitor.status(MeshParameters(), {}).message
    assert "nobody measured in depth for 6 s, because another unit" in said
    monitor.frame_done(header, FrameResult(None, tracks, "", {}))
    assert "depth" not in monitor.status(MeshParameters(), {}).message


def test_a_stall_soon_after_a_late_first_image_is_logged() -> None:
    now, lines, publishers = [0.0], [], []
    log = SimpleNamespace(info=lines.append, warning=lines.append)
    node = SimpleNamespace(
        get_logger=lambda: log,
        get_clock=Clock,
        get_publishers_info_by_topic=lambda _: publishers,
        get_fully_qualified_name=lambda: "/mesh_node",
    )
    monitor = Monitor(node, "/image")
    monitor._watch = StreamWatch("/image", lambda: now[0])
    monitor._throttle = Throttle(5.0, lambda: now[0])
    limits = MeshParameters()

    def second() -> None:
        now[0] += 1.0
        monitor.status(limits, {})

    while not lines:
        second()
    assert "nobody publishes it" in lines[0]
    publishers.append(SimpleNamespace(node_namespace="/", node_name="camera"))
    monitor.image_arrived(Header(frame_id="camera", stamp=Time(sec=5)), dropped=False)
    assert "images on '/image' again" in lines[1]
    for _ in range(20):  # stalls at once
        second()
    assert len(lines) == 3
    assert "/camera stands still" in lines[2]
    monitor.image_arrived(Header(frame_id="camera", stamp=Time(sec=5)), dropped=False)
    assert "images on '/image' again" in lines[3]


def test_broken_images_are_logged_by_kind_in_one_line_and_counted() -> None:
    """Their byte counts, and the texts of a hostile publisher, differ from image to image."""
    now, lines = [0.0], []
    log = SimpleNamespace(info=lines.append, warning=lines.append, error=lines.append)
    monitor = Monitor(SimpleNamespace(get_logger=lambda: log), "/image")
    monitor._throttle = Throttle(5.0, lambda: now[0])
    for k in range(150):
        now[0] += 10 / 150
        for message in (
            CompressedImage(format=f"jpeg\n{k}" + "x" * 5000, data=bytes(k + 1)),
            Image(width=2, height=1, step=2, data=b"ab", encoding=f"{chr(97 + k % 26)}\n" * 2500),
        ):
            with pytest.raises(ValueError, match="the camera driver should") as error:
                rgb_from_message(message, "/image")
            monitor.frame_failed(error.value)
    assert len(lines) == 4
    assert [line.endswith("times since)") for line in lines] == [False, False, True, True]
    assert max(map(len, lines)) < 700
    assert not any("\n" in line for line in lines)
    assert "\n" not in monitor._statistics.summary().error


def test_an_unexpected_error_keeps_its_traceback() -> None:
    try:
        raise KeyError("a\nb")
    except KeyError as error:
        assert "Traceback" in reason(error)
        assert len(reason(error).splitlines()) > 2
    assert reason(ValueError("a\nb")) == r"a\nb"
