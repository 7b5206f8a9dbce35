"""A CameraInfo on another topic, or from before the node's start; lost images."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from icl_mesh_ros.diagnostics.health import loss
from icl_mesh_ros.diagnostics.info_hint import info_hint
from icl_mesh_ros.inputs.subscriptions import Inputs
from icl_mesh_ros.msg import Human

K = [64.0, 0.0, 32.0, 0.0, 64.0, 24.0, 0.0, 0.0, 1.0]


def sources(answer) -> set[int]:
    return {human.distance_source for human in answer.humans}


@pytest.mark.parametrize(
    "durability", [DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE]
)
def test_an_earlier_latched_camera_info_arrives_and_so_does_a_later_volatile_one(
    durability, start, mesh_peer, random_weights
):
    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=durability)
    mesh_peer.node.destroy_publisher(mesh_peer.info)
    mesh_peer.info = mesh_peer.node.create_publisher(CameraInfo, "camera_info", qos)
    info = CameraInfo(width=64, height=48, k=K)
    mesh_peer.info.publish(info)  # nobody is there yet
    node = start(
        "mesh_node", weights=str(random_weights), engine="torch", image_reliability="reliable"
    )
    mesh_peer.wait_for_node()
    volatile = durability == DurabilityPolicy.VOLATILE

    def calibrated() -> bool:
        if volatile:
            mesh_peer.info.publish(info)
        return sources(mesh_peer.answer_to(mesh_peer.picture())) == {Human.CAMERA_INFO}

    mesh_peer.until(calibrated, "people by the CameraInfo")
    assert "incompatible QoS" not in node.log.read_text()


def test_the_topic_beside_the_image_is_named(start, mesh_peer, random_weights):
    peer = mesh_peer
    info = peer.node.create_publisher(CameraInfo, "/camera_info_of_another", 1)
    node = start("mesh_node", weights=str(random_weights), engine="torch")
    statuses = peer.listen(DiagnosticArray, "/diagnostics")
    peer.wait_for_node()
    peer.node.destroy_publisher(peer.info)
    peer.until(lambda: peer.node.count_publishers("camera_info") == 0, "no CameraInfo")
    peer.answer_to(peer.picture())
    said = "CameraInfo is published on '/camera_info_of_another': remap the one of this camera"
    peer.until(lambda: said in node.log.read_text(), "the other topic in the log")
    peer.until(lambda: any(said in m.status[0].message for m in statuses), "in diagnostics")
    peer.spin_for(3.0)
    assert node.log.read_text().count(said) == 1
    assert info


def test_which_topic_a_hint_names(peer):
    publishers = [
        peer.node.create_publisher(CameraInfo, name, 1)
        for name in ("/camera/camera_info", "/a/info", "/b/info", "/c/info")
    ]
    peer.until(lambda: peer.node.count_publishers("/c/info"), "publishers")
    for image in ("/camera/image_raw", "/camera/image_raw/compressed"):
        assert info_hint(peer.node, "/camera_info", image) == (
            "CameraInfo is published on '/camera/camera_info', beside the image: remap it (-r "
            "camera_info:=/camera/camera_info, or camera_info:=/camera/camera_info for a launch "
            "file)"
        )
    hint = info_hint(peer.node, "/camera_info", "/image")
    assert hint.startswith("CameraInfo is published on '/a/info', '/b/info', '/c/info', ...: remap")
    peer.node.create_publisher(Image, "/image", 1)
    for publisher in publishers:
        peer.node.destroy_publisher(publisher)
    peer.until(lambda: not peer.node.count_publishers("/c/info"), "no publishers")
    assert info_hint(peer.node, "/camera_info", "/image") == ""


def test_few_lost_images_are_not_reported():
    assert loss("/image", 1, 0) == ""
    assert loss("/image", 2, 30) == ""
    assert loss("/image", 15, 15).startswith(
        "15 of 30 images on '/image' were lost on the way: set"
    )


#: A driver without the DDS profile that publishes large images, reliably like most drivers.
DRIVER = """
import time
import numpy as np, rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

rclpy.init()
node = rclpy.create_node("driver")
publisher = node.create_publisher(Image, "image", QoSProfile(depth=5))
message = Image(height=1080, width=1920, encoding="rgb8", step=5760)
message.data = np.zeros(1080 * 5760, np.uint8).tobytes()
while True:
    message.header.stamp = node.get_clock().now().to_msg()
    publisher.publish(message)
    time.sleep(0.1)
"""


def test_diagnostics_name_the_remedy_for_lost_images(start, mesh_peer, random_weights, monkeypatch):
    node = start("mesh_node", weights=str(random_weights), engine="torch")
    statuses = mesh_peer.listen(DiagnosticArray, "/diagnostics")
    mesh_peer.wait_for_node()
    for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(name, raising=False)  # one is set: the distribution's
    said = "were lost on the way: set image_reliability:=reliable, or start the driver with the DDS"
    with subprocess.Popen([sys.executable, "-c", DRIVER]) as driver:
        try:
            mesh_peer.until(lambda: said in node.log.read_text(), "the cure in the log")
            mesh_peer.until(
                lambda: any(said in m.status[0].message for m in statuses), "in diagnostics"
            )
        finally:
            driver.kill()
    pairs = {pair.key: pair.value for pair in statuses[-1].status[0].values}
    assert int(pairs["lost images, total"]) > 0
    assert node.ended() is None


def test_nobody_is_looked_for_where_nobody_publishes() -> None:
    """The graph is slow to answer, and an image without CameraInfo asks every time."""
    inputs = object.__new__(Inputs)
    inputs._info = SimpleNamespace(get_publisher_count=lambda: 0)
    assert inputs.info_patience_s() == 0.0  # else: no attribute _node
