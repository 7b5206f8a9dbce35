"""Measures mesh_node as a process: start, memory, and age of images by camera rate."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from ament_index_python.packages import get_package_prefix
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from benchmarks.model import Model
from benchmarks.report import Row, Section
from benchmarks.stages import noise_image
from benchmarks.timing import Spread
from icl_mesh.weights import default_weights_path
from icl_mesh_ros.inputs.conversions import image_from_rgb
from icl_mesh_ros.msg import HumanArray

WIDTH, HEIGHT = 640, 480
RATES_HZ = (5.0, 15.0, 30.0, 60.0)
SECONDS_PER_RATE = 6.0
FIRST_RESULT_TIMEOUT_S = 120.0
#: Ignored time at the start of each rate, s.
SETTLE_S = 1.0
#: Suffix of the stages' median times in the node's diagnostics.
STAGE = "(ms), median"


@dataclass
class _Heard:
    """Results of the node. at: times of arrival, s. age: of the images at publication, s. stages:
    median times of an image by stage, of the diagnostics, ms."""

    at: list[float] = field(default_factory=list)
    age: list[float] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=dict)

    def clear(self) -> None:
        self.at, self.age, self.stages = [], [], {}

    def take_result(self, message: HumanArray, info: Mapping[str, Any]) -> None:
        stamp = message.header.stamp
        published = info["source_timestamp"] * 1e-9
        self.at.append(time.monotonic())
        self.age.append(published - (stamp.sec + stamp.nanosec * 1e-9))

    def take_diagnostics(self, message: DiagnosticArray) -> None:
        for pair in (pair for status in message.status for pair in status.values):
            if pair.key.endswith(STAGE):
                self.stages.setdefault(pair.key, []).append(float(pair.value))

    def work_ms(self) -> float:
        """Median time of an image in the node, ms."""
        return float(sum(np.median(times) for times in self.stages.values()))


def measure_process(model: Model, seconds_per_rate: float = SECONDS_PER_RATE) -> list[Section]:
    """Start of mesh_node with the default weights, its memory, and image age at several rates.

    Raises TimeoutError where the node publishes no result.
    """
    if model.random or not default_weights_path().is_file():
        reason = "the default weights are missing"
        return [
            Section("process", "Node: start and memory", skipped=reason),
            Section("image_age", "Age of the image when its people are published", skipped=reason),
        ]
    rclpy.init()
    try:
        return _measure(seconds_per_rate)
    finally:
        rclpy.try_shutdown()


def _measure(seconds_per_rate: float) -> list[Section]:
    name = f"/benchmark_{time.monotonic_ns()}"
    node = rclpy.create_node("camera", namespace=name)
    heard = _Heard()
    take_result: Any = heard.take_result  # rclpy's annotations lack the message info
    node.create_subscription(HumanArray, "humans", take_result, 10)
    node.create_subscription(DiagnosticArray, "/diagnostics", heard.take_diagnostics, 10)
    camera = _Camera(node)
    executor = rclpy.executors.SingleThreadedExecutor()
    executor.add_node(node)
    threading.Thread(target=executor.spin, daemon=True).start()
    starts = []
    for _ in range(2):  # the first start may convert the network and fill disk caches
        heard.clear()
        began = time.monotonic()
        process = _start(name)
        try:
            camera.send(30.0, lambda: bool(heard.at), FIRST_RESULT_TIMEOUT_S)
            if not heard.at:
                raise TimeoutError("mesh_node gave no result: see its output above")
            starts.append(heard.at[0] - began)
            if len(starts) == 2:
                section = _age_section(camera, heard, seconds_per_rate)
                memory = _memory_mb(process.pid)
        finally:
            process.terminate()
            process.wait(20)
    executor.shutdown()
    node.destroy_node()
    return [_process_section(starts[-1], memory), section]


def _start(namespace: str) -> subprocess.Popen[bytes]:
    program = Path(get_package_prefix("icl_mesh_ros"), "lib", "icl_mesh_ros", "mesh_node")
    return subprocess.Popen([str(program), "--ros-args", "-r", f"__ns:={namespace}"])


class _Camera:
    """Publishes one picture at a constant rate, with the current stamp."""

    def __init__(self, node: Node) -> None:
        self._node = node
        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._publisher = node.create_publisher(Image, "image", qos)
        self._image = image_from_rgb(noise_image(WIDTH, HEIGHT), Header(frame_id="camera"))
        self._image.encoding = "bgr8"

    def send(self, rate_hz: float, done: Callable[[], bool], longest_s: float) -> None:
        """Publish until done() or for longest_s. Late images are skipped, as in a camera."""
        end = time.monotonic() + longest_s
        due = time.monotonic()
        while not done() and time.monotonic() < end:
            self._image.header.stamp = self._node.get_clock().now().to_msg()
            self._publisher.publish(serialize_message(self._image))
            due = max(due + 1 / rate_hz, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))


def _age_section(camera: _Camera, heard: _Heard, seconds: float) -> Section:
    results = {}
    for rate in RATES_HZ:
        camera.send(rate, lambda: False, SETTLE_S)
        heard.clear()
        camera.send(rate, lambda: False, seconds)
        results[rate] = (np.array(heard.age) * 1e3, heard.work_ms())
    rows = []
    for rate, (age, work) in results.items():
        if len(age) == 0:
            continue
        values: dict[str, Any] = {
            "results (Hz)": Spread.of([len(age) / seconds]),
            "age, median (ms)": Spread.of([np.median(age)]),
            "age, 95 % (ms)": Spread.of([np.percentile(age, 95)]),
            "node, per image (ms)": Spread.of([work]),
            "bound (ms)": Spread.of([work + 1e3 / rate]),
        }
        rows.append(Row({"camera (Hz)": f"{rate:g}"}, values))
    note = (
        f"mesh_node as a process, default parameters, {WIDTH}x{HEIGHT} bgr8 images over DDS, "
        f"{seconds:g} s per rate, from the stamp to when humans was published; the camera is "
        "another process on the same CPU. Bound: the node's time per image, which is the sum of "
        "its stages' medians in /diagnostics, and one period of the camera."
    )
    return Section("image_age", "Age of the image when its people are published", note, rows)


def _process_section(start_s: float, memory: dict[str, float]) -> Section:
    values = {
        "start to first people (s)": Spread.of([start_s]),
        **{f"{name} (MB)": Spread.of([size]) for name, size in memory.items()},
    }
    note = (
        "mesh_node with the default model, from its exec to the first humans at the listener (disk "
        "and converted network warm: the second of two starts), and its memory after the runs of "
        "the next table."
    )
    return Section(
        "process", "Node: start and memory", note, [Row({"process": "mesh_node"}, values)]
    )


def _memory_mb(pid: int) -> dict[str, float]:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    names = {"VmRSS": "resident", "VmHWM": "most resident", "RssAnon": "of it private"}
    return {text: int(lines[key].split()[0]) * 1024 / 1e6 for key, text in names.items()}
