"""mesh_node: camera images in, people out. Thin: the work is done in the modules it names."""

from __future__ import annotations

import traceback
from dataclasses import replace

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from icl_mesh.estimator import Estimator
from icl_mesh.tracking import Tracker
from icl_mesh_ros.camera_info_store import CameraInfoStore
from icl_mesh_ros.diagnostics import Statistics
from icl_mesh_ros.frames import FrameProcessor, FrameResult
from icl_mesh_ros.outputs import Outputs
from icl_mesh_ros.parameters import declare_parameters
from icl_mesh_ros.run import run_node
from icl_mesh_ros.throttle import Throttle
from icl_mesh_ros.worker import FrameWorker

#: Newest image only: an old one is worth nothing to a robot.
SENSOR_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
DIAGNOSTICS_PERIOD_S = 1.0
#: How long an image waits for a CameraInfo of its size where somebody publishes CameraInfos.
INFO_PATIENCE_S = 0.1


class MeshNode(Node):
    """Subscribes to image and camera_info; publishes humans, humans/markers, humans/overlay,
    humans/body_model and /diagnostics.

    Callbacks only leave the newest image in a mailbox; one worker thread owns the network.
    Raises ValueError or FileNotFoundError for parameters, weights or a body that do not fit.
    """

    def __init__(self) -> None:
        super().__init__("mesh_node")
        self._settings = declare_parameters(self)
        settings = self._settings
        self._estimator = Estimator.load(
            settings.weights, settings.body, device=settings.device, engine=settings.engine
        )
        self._statistics = Statistics()
        self._throttle = Throttle()
        self._infos = CameraInfoStore()
        self._camera_note = ""
        self._worker: FrameWorker[Image | CompressedImage] = FrameWorker(
            self._work, self._on_error, self._min_period_s
        )
        self._outputs = Outputs(self)
        self._outputs.announce(self._estimator.body, self._estimator.weights_version)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 1)
        image_topic, self._info_topic = self._create_subscriptions()
        self._processor = FrameProcessor(
            self._estimator,
            Tracker(max_age_s=settings.track_timeout),
            self._infos,
            image_topic,
            self._info_topic,
        )
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self.create_timer(DIAGNOSTICS_PERIOD_S, self._publish_diagnostics)
        self._worker.start()
        self.get_logger().info(
            f"ready: {image_topic} -> {self._outputs.humans_topic}; weights "
            f"{self._estimator.weights_version}, body {self._estimator.body.name}, "
            f"{self._estimator.engine.name} on {self._estimator.device}"
        )

    def destroy_node(self) -> None:
        """Stop the worker, then destroy the node."""
        self._worker.stop()
        super().destroy_node()

    def _create_subscriptions(self) -> tuple[str, str]:
        """Subscribe; returns the resolved names of the image and the CameraInfo topic."""
        compressed = self._settings.image_transport == "compressed"
        # Like image_transport, "<topic>/compressed" of the topic that image is remapped to.
        topic = self.resolve_topic_name("image") + ("/compressed" if compressed else "")
        kind = CompressedImage if compressed else Image
        reliable = self._settings.image_reliability == "reliable"
        qos = RELIABLE_QOS if reliable else SENSOR_QOS
        image = self.create_subscription(kind, topic, self._on_image, qos)
        info = self.create_subscription(CameraInfo, "camera_info", self._infos.put, SENSOR_QOS)
        return image.topic_name, info.topic_name

    def _on_image(self, message: Image | CompressedImage) -> None:
        self._statistics.count("received")
        if self._worker.mailbox.put(message):
            self._statistics.count("dropped")

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        known = {p.name: p.value for p in changes if hasattr(self._settings, p.name)}
        try:
            self._settings = replace(self._settings, **known)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _min_period_s(self) -> float:
        rate = self._settings.max_rate
        return 1 / rate if rate > 0 else 0.0

    def _work(self, image: Image | CompressedImage) -> None:
        """In the worker thread: one image, from message to messages."""
        settings = self._settings
        patience = INFO_PATIENCE_S if self.count_publishers(self._info_topic) else 0.0
        vertices = self._outputs.wants_vertices(settings)
        result = self._processor(image, settings, vertices=vertices, info_patience_s=patience)
        self._note(image.header, result)
        self._outputs.publish(result, image.header, settings)

    def _note(self, header: Header, result: FrameResult) -> None:
        """Statistics of a finished frame; where the camera comes from is logged when it changes."""
        self._statistics.count("done")
        age = self.get_clock().now() - Time.from_msg(header.stamp)
        self._statistics.record("age of the image (ms)", age.nanoseconds / 1e6)
        self._statistics.record("people", int(result.tracks.detected.sum()))
        for stage, milliseconds in result.times_ms.items():
            self._statistics.record(f"{stage} (ms)", milliseconds)
        if result.camera_note != self._camera_note:
            self._camera_note = result.camera_note
            # Two calls, as rclpy refuses another severity from one line of code.
            if result.tracks.people.camera.focal_assumed:
                self.get_logger().warning(result.camera_note)
            else:
                self.get_logger().info(result.camera_note)

    def _on_error(self, error: Exception) -> None:
        """In the worker thread: the frame is lost, the next one is tried."""
        if not self.context.ok():  # Ctrl-C came while the frame was worked on
            return
        expected = isinstance(error, ValueError)
        text = str(error) if expected else "".join(traceback.format_exception(error)).rstrip()
        self._statistics.error(str(error))
        if (line := self._throttle(text)) is not None:
            self.get_logger().error(line)

    def _publish_diagnostics(self) -> None:
        estimator = self._estimator
        facts = {
            "weights": estimator.weights_version,
            "body": estimator.body.name,
            "engine": f"{estimator.engine.name} on {estimator.device}",
        }
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        name = f"{self.get_fully_qualified_name()}: people"
        message.status = [self._statistics.summary(DIAGNOSTICS_PERIOD_S, name, facts)]
        self._diagnostics.publish(message)


def main() -> int:
    return run_node(MeshNode)


if __name__ == "__main__":
    raise SystemExit(main())
