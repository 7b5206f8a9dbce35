"""The demo's node: pairs each image with its people."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from icl_mesh_ros.inputs.conversions import rgb_from_image
from icl_mesh_ros.msg import BodyModel, HumanArray

Key = tuple[int, int]  # of a stamp: seconds, nanoseconds
Item = TypeVar("Item")
#: Most images that wait for their people; older ones, which mesh_node skipped, are dropped.
WAITING = 40


@dataclass(frozen=True)
class Shot:
    """One image with its people. latency_ms: from the image's arrival to theirs."""

    rgb: npt.NDArray[np.uint8]
    info: CameraInfo | None
    humans: HumanArray
    latency_ms: float


class Recorder(Node):
    """Subscribes to image, camera_info and humans; calls on_shot for each image with people."""

    def __init__(self, on_shot: Callable[[Shot], None]) -> None:
        super().__init__("demo_recorder")
        self._on_shot = on_shot
        self._images: OrderedDict[Key, tuple[Image, float]] = OrderedDict()
        self._infos: OrderedDict[Key, CameraInfo] = OrderedDict()
        self._answers: OrderedDict[Key, tuple[HumanArray, float]] = OrderedDict()
        self.images = 0  # received
        self.shots = 0
        self.ready = False
        # Reliable and deep: the record must be complete. A robot would keep only the newest.
        self.create_subscription(Image, "image", self._image, WAITING)
        self.create_subscription(CameraInfo, "camera_info", self._info, WAITING)
        self.create_subscription(HumanArray, "humans", self._humans, WAITING)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(BodyModel, "humans/body_model", self._body_model, latched)

    def _body_model(self, message: BodyModel) -> None:
        self.ready = True  # mesh_node has loaded its weights

    def _image(self, message: Image) -> None:
        self.images += 1
        _remember(self._images, message.header, (message, time.monotonic()))
        self._pair(_key(message.header))

    def _info(self, message: CameraInfo) -> None:
        _remember(self._infos, message.header, message)

    def _humans(self, message: HumanArray) -> None:
        _remember(self._answers, message.header, (message, time.monotonic()))
        self._pair(_key(message.header))

    def _pair(self, key: Key) -> None:
        """Report image and people of one stamp when both have arrived, in either order."""
        if key in self._images and key in self._answers:
            (image, arrived), (humans, answered) = self._images.pop(key), self._answers.pop(key)
            self.shots += 1
            rgb, info = rgb_from_image(image, "image"), self._infos.pop(key, None)
            self._on_shot(Shot(rgb, info, humans, max(0.0, (answered - arrived) * 1e3)))


def _key(header: Header) -> Key:
    return header.stamp.sec, header.stamp.nanosec


def _remember(store: OrderedDict[Key, Item], header: Header, message: Item) -> None:
    store[_key(header)] = message
    while len(store) > WAITING:
        store.popitem(last=False)
