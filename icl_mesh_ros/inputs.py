"""Everything that mesh_node subscribes to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from icl_mesh.depth_store import DepthStore
from icl_mesh_ros.camera_info_store import CameraInfoStore
from icl_mesh_ros.parameters import MeshParameters
from icl_mesh_ros.raw_image import RawImage, image_from_cdr

#: Newest image only: an old one is worth nothing to a robot.
SENSOR_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)

#: What an image arrives as.
AnyImage: TypeAlias = RawImage | Image | CompressedImage

INFO_TOPIC, DEPTH_TOPIC = "camera_info", "depth"
#: A few, since those of images of several sizes may arrive together.
INFO_QOS = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
#: How long an image waits for a CameraInfo of its size where somebody publishes CameraInfos.
INFO_PATIENCE_S = 0.1
#: How long its people wait for a depth image, where somebody publishes those.
DEPTH_PATIENCE_S = 0.05


def image_topic(node: Node, settings: MeshParameters) -> str:
    """The resolved name: like image_transport, "<topic>/compressed" of what image is mapped to."""
    topic = node.resolve_topic_name("image")
    compressed = settings.image_transport == "compressed"
    return str(node.resolve_topic_name(f"{topic}/compressed") if compressed else topic)


def patience_s(subscription: Subscription, seconds: float) -> float:
    """How long to wait for a message: not at all where nobody publishes its topic."""
    return seconds if subscription.get_publisher_count() else 0.0


class Inputs:
    """The subscriptions of a node that finds people: image (or image/compressed), camera_info,
    and depth where the parameter use_depth asks for it."""

    def __init__(
        self,
        node: Node,
        settings: MeshParameters,
        infos: CameraInfoStore,
        on_image: Callable[[AnyImage], None],
        on_error: Callable[[Exception], None],
        *,
        group: CallbackGroup,
        depths: DepthStore,
    ) -> None:
        """infos and depths are filled with what arrives; on_error: takes a ValueError for what
        arrived as an image and is none; group: of all callbacks."""
        self._node = node
        topic = image_topic(node, settings)
        reliable = settings.image_reliability == "reliable"
        qos = RELIABLE_QOS if reliable else SENSOR_QOS
        compressed = settings.image_transport == "compressed"

        def on_bytes(data: bytes) -> None:
            try:
                image = image_from_cdr(data, topic)
            except ValueError as error:
                on_error(error)
            else:
                on_image(image)

        self._info = node.create_subscription(
            CameraInfo, INFO_TOPIC, infos.put, INFO_QOS, callback_group=group
        )
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
            ),
        ]
        if settings.use_depth:  # a few, since image and depth image arrive in any order
            qos = QoSProfile(depth=5, reliability=qos.reliability)
            self._depth = node.create_subscription(
                Image, DEPTH_TOPIC, depths.put, qos, callback_group=group
            )
            self._subscriptions.append(self._depth)

    def info_patience_s(self) -> float:
        """How long an image may wait for a CameraInfo of its size."""
        return patience_s(self._info, INFO_PATIENCE_S)

    def depth_patience_s(self) -> float:
        """How long its people may wait for a depth image."""
        return 0.0 if self._depth is None else patience_s(self._depth, DEPTH_PATIENCE_S)

    def destroy(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
