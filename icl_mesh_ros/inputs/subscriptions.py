"""The subscriptions of mesh_node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from icl_mesh.depth.matching import DepthStore
from icl_mesh_ros.inputs.camera_info_store import CameraInfoStore
from icl_mesh_ros.inputs.raw_image import RawImage, image_from_cdr
from icl_mesh_ros.parameters.mesh_node import MeshParameters

#: Only the newest image: a robot has no use for an old one.
SENSOR_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = DurabilityPolicy.TRANSIENT_LOCAL
LATCHED_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=LATCHED)

AnyImage: TypeAlias = RawImage | Image | CompressedImage

INFO_TOPIC, DEPTH_TOPIC = "camera_info", "depth"
#: Several, since CameraInfos for images of different sizes may arrive together.
INFO_QOS = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
#: How long an image waits for a CameraInfo of its size if CameraInfos are published.
INFO_PATIENCE_S = 0.1
#: How long an image waits for its depth image if depth images are published.
DEPTH_PATIENCE_S = 0.05


def image_topic(node: Node, settings: MeshParameters) -> str:
    """The resolved name of image; of compressed images, that name and "/compressed", as
    image_transport has it."""
    topic = node.resolve_topic_name("image")
    compressed = settings.image_transport == "compressed"
    return str(node.resolve_topic_name(f"{topic}/compressed") if compressed else topic)


def patience_s(subscription: Subscription, seconds: float) -> float:
    """seconds, or 0 for a topic without a publisher."""
    return seconds if subscription.get_publisher_count() else 0.0


class Inputs:
    """Subscriptions to image (or image/compressed), camera_info and, with use_depth, depth."""

    def __init__(
        self,
        node: Node,
        settings: MeshParameters,
        infos: CameraInfoStore,
        on_image: Callable[[AnyImage], None],
        on_error: Callable[[Exception], None],
        *,
        on_lost: Callable[[int], None],
        group: CallbackGroup,
        depths: DepthStore,
    ) -> None:
        """infos, depths: receive the messages. on_error: gets a ValueError for bytes that are no
        image. on_lost: gets the number of images that were newly lost. group: of all callbacks.
        """
        self._node = node
        topic = image_topic(node, settings)
        reliable = settings.image_reliability == "reliable"
        qos = RELIABLE_QOS if reliable else SENSOR_QOS
        compressed = settings.image_transport == "compressed"

        def on_lost_event(event: Any) -> None:
            on_lost(event.total_count_change)

        def on_bytes(data: bytes) -> None:
            try:
                image = image_from_cdr(data, topic)
            except ValueError as error:
                on_error(error)
            else:
                on_image(image)

        self._infos, self._group = infos, group
        self._info = node.create_subscription(
            CameraInfo, INFO_TOPIC, infos.put, INFO_QOS, callback_group=group
        )
        self._latched_info: Subscription | None = None
        self._depth: Subscription | None = None
        self._subscriptions = [
            self._info,
            node.create_subscription(
                CompressedImage if compressed else Image,
                topic,
                on_image if compressed else on_bytes,
                qos,
                callback_group=group,
                raw=not compressed,
                event_callbacks=SubscriptionEventCallbacks(message_lost=on_lost_event),
            ),
        ]
        if settings.use_depth:  # several, since image and depth image arrive in any order
            qos = QoSProfile(depth=5, reliability=qos.reliability)
            self._depth = node.create_subscription(
                Image, DEPTH_TOPIC, depths.put, qos, callback_group=group
            )
            self._subscriptions.append(self._depth)

    def info_patience_s(self) -> float:
        """How long an image may wait for a CameraInfo of its size."""
        seconds = patience_s(self._info, INFO_PATIENCE_S)
        if seconds:  # else nobody publishes, and to ask who does would take 60 us per image
            self._hear_latched_info()
        return seconds

    def depth_patience_s(self) -> float:
        """How long an image may wait for its depth image."""
        return 0.0 if self._depth is None else patience_s(self._depth, DEPTH_PATIENCE_S)

    def _hear_latched_info(self) -> None:
        """Subscribe with a latched QoS once a latched publisher exists, to receive its earlier
        message. With any other publisher this QoS is incompatible and would log a warning."""
        if self._latched_info is not None:
            return
        for one in self._node.get_publishers_info_by_topic(self._info.topic_name):
            profile = one.qos_profile
            if (profile.durability, profile.reliability) == (LATCHED, LATCHED_QOS.reliability):
                self._latched_info = self._node.create_subscription(
                    CameraInfo, INFO_TOPIC, self._infos.put, LATCHED_QOS, callback_group=self._group
                )
                self._subscriptions.append(self._latched_info)
                return

    def destroy(self) -> None:
        """Destroy the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
