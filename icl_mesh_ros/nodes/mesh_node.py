"""mesh_node: connects image topics, model and publishers; other modules do the work."""

from __future__ import annotations

import time
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.parameter import Parameter

from icl_mesh.depth.matching import DepthStore
from icl_mesh.io.wording import MESSAGE, shown
from icl_mesh.tracking.tracker import Tracker
from icl_mesh_ros.diagnostics.health import status
from icl_mesh_ros.diagnostics.info_hint import info_hint
from icl_mesh_ros.diagnostics.monitor import Monitor
from icl_mesh_ros.inputs.camera_info_store import CameraInfoStore
from icl_mesh_ros.inputs.subscriptions import (
    DEPTH_TOPIC,
    INFO_TOPIC,
    AnyImage,
    Inputs,
    image_topic,
)
from icl_mesh_ros.nodes.model_node import ModelNode
from icl_mesh_ros.nodes.run import run_nodes
from icl_mesh_ros.pipeline.frame import FrameProcessor
from icl_mesh_ros.pipeline.model_store import ModelStore, SharedModel, memory_mb
from icl_mesh_ros.pipeline.worker import FrameWorker

DIAGNOSTICS_PERIOD_S = 1.0
#: Executor threads per node: one for images, one for requests, which may load a model.
THREADS_PER_NODE = 2


@dataclass(frozen=True)
class _Active:
    """What the node holds from activate to deactivate."""

    monitor: Monitor
    inputs: Inputs


class MeshNode(ModelNode):
    """Subscribes to image and camera_info; publishes humans, humans/markers, humans/overlay,
    humans/body_model and /diagnostics; serves ~/update_model.

    Callbacks only store the newest image in a mailbox; one worker thread runs the network.
    Requests (transitions, parameters, model updates) run one after the other in their own callback
    group, parallel to the images: spin with THREADS_PER_NODE threads per node.

    A process may hold several nodes, each in its own namespace. With one ModelStore, nodes with the
    same model parameters share one model.
    Raises ValueError or OSError for parameters, weights or a body that do not fit; with autostart
    false, configure fails instead.
    """

    def __init__(
        self,
        *,
        namespace: str | None = None,
        models: ModelStore | None = None,
        cli_args: list[str] | None = None,
        parameter_overrides: list[Parameter] | None = None,
    ) -> None:
        """cli_args: ROS arguments of this node, besides those of the process."""
        # First, since destroy_node uses them also after a constructor that failed.
        self._active: _Active | None = None
        self._worker: FrameWorker[AnyImage] = FrameWorker(
            self.work_on, self._on_error, self._min_period_s
        )
        super().__init__(
            "mesh_node",
            namespace=namespace,
            models=models,
            cli_args=cli_args,
            parameter_overrides=parameter_overrides,
        )
        self._infos = CameraInfoStore()
        self._depths = DepthStore(self.resolve_topic_name(DEPTH_TOPIC))
        self._stream_group = MutuallyExclusiveCallbackGroup()
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 1)
        self.create_timer(
            DIAGNOSTICS_PERIOD_S,
            self._publish_diagnostics,
            callback_group=self._stream_group,
            clock=Clock(clock_type=ClockType.STEADY_TIME),  # runs while simulated time stands still
        )
        self._worker.start()
        if self._settings.autostart:
            try:
                self.start()
            except Exception:
                self.destroy_node()
                raise

    def destroy_node(self) -> None:
        """Stop the worker, publish the final messages, then destroy the node."""
        self._active = None
        self._worker.stop()
        loaded, self._loaded = self._loaded, None
        if loaded is not None and self.context.ok():
            loaded.outputs.end()
        super().destroy_node()

    # --- transitions -----------------------------------------------------------------------------

    def make_processor(self, model: SharedModel) -> FrameProcessor:
        """A processor with a new tracker, which knows nobody."""
        return FrameProcessor(
            model,
            Tracker(),  # each frame sets its parameters
            self._infos,
            image_topic(self, self._settings),
            self.resolve_topic_name(INFO_TOPIC),
            depths=self._depths,
        )

    def activate(self) -> None:
        """Subscribe."""
        topic = image_topic(self, self._settings)
        inputs = Inputs(
            self,
            self._settings,
            self._infos,
            self._on_image,
            self._on_error,
            on_lost=self._on_lost,
            group=self._stream_group,
            depths=self._depths,
        )
        self._active = _Active(Monitor(self, topic, self._info_hint), inputs)
        if self._loaded is not None:
            self.get_logger().info(
                f"active on {topic}; {shown(self._loaded.model.description, MESSAGE)}"
            )

    def deactivate(self) -> None:
        """Wait for the current image, unsubscribe, and publish the final messages."""
        with self._between_frames():
            active, self._active = self._active, None
        if active is not None:
            active.inputs.destroy()
        if self._loaded is not None:
            self._loaded.outputs.end()

    # --- images ----------------------------------------------------------------------------------

    def _on_image(self, message: AnyImage) -> None:
        if (active := self._active) is not None:
            dropped = self._worker.mailbox.put(message)
            active.monitor.image_arrived(message.header, dropped)

    def _on_lost(self, count: int) -> None:
        if (active := self._active) is not None:
            active.monitor.images_lost(count)

    def _info_hint(self) -> str:
        info_topic = self.resolve_topic_name(INFO_TOPIC)
        if self._infos.find(0, 0) is not None or self.count_publishers(info_topic):
            return ""  # one has arrived or will arrive
        return info_hint(self, info_topic, image_topic(self, self._settings))

    def _min_period_s(self) -> float:
        rate = self._settings.max_rate
        return 1 / rate if rate > 0 else 0.0

    def work_on(self, image: AnyImage) -> None:
        """In the worker thread: process one image and publish its people."""
        with self._frame_lock:
            loaded, active, settings = self._loaded, self._active, self._settings
            if loaded is None or active is None:  # deactivated since the image arrived
                return
            outputs = loaded.outputs
            listeners = outputs.listeners()
            result = loaded.processor(
                image,
                settings,
                vertices=outputs.wants_vertices(settings, listeners),
                info_patience_s=active.inputs.info_patience_s,
                depth_patience_s=active.inputs.depth_patience_s() if settings.use_depth else 0.0,
                arrival_s=time.monotonic(),
            )
            if self._active is not active:  # destroy_node does not wait for the lock
                return
            active.monitor.frame_done(image.header, result)
            outputs.publish(result, image.header, settings, listeners)

    def _on_error(self, error: Exception) -> None:
        """In the worker thread or the image callback: report a failed frame."""
        # The context is gone if Ctrl-C came during the frame.
        if self.context.ok() and (active := self._active) is not None:
            active.monitor.frame_failed(error)

    # --- diagnostics -----------------------------------------------------------------------------

    def _publish_diagnostics(self) -> None:
        loaded, active = self._loaded, self._active
        state = "active" if active else "inactive" if loaded else "unconfigured"
        facts = {"state": state} | (loaded.facts() if loaded is not None else {})
        device = loaded.model.device if loaded is not None else None
        facts |= {name: f"{size:.0f}" for name, size in memory_mb(device).items()}
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        if active is not None:
            message.status = [active.monitor.status(self._settings, facts)]
        else:
            name = f"{self.get_fully_qualified_name()}: people"
            message.status = [status(name, image_topic(self, self._settings), [], state, facts)]
        self._diagnostics.publish(message)


def main() -> int:
    return run_nodes([MeshNode], threads=THREADS_PER_NODE)
