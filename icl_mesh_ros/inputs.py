"""Everything that mesh_node subscribes to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
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


def image_topic(node: Node, settings: MeshParameters) -> str:
    """The resolved name: like image_transport, "<topic>/compressed" of what image is mapped to."""
    topic = node.resolve_topic_name("image")
    compressed = settings.image_transport == "compressed"
    return str(node.resolve_topic_name(f"{topic}/compressed") if compressed else topic)


def patience_s(node: Node, topic: str, seconds: float) -> float:
    """How long to wait for a message of a topic: not at all where nobody publishes it.

    rclpy counts the publishers of the name it is given, whatever that is remapped to.
    """
    return seconds if node.count_publishers(node.resolve_topic_name(topic)) else 0.0


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

        self._subscriptions = [
            node.create_subscription(
                CameraInfo, INFO_TOPIC, infos.put, SENSOR_QOS, callback_group=group
            ),
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
            self._subscriptions.append(
                node.create_subscription(Image, DEPTH_TOPIC, depths.put, qos, callback_group=group)
            )

    def destroy(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
