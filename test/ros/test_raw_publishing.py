"""What is published past rclpy arrives as it was."""

from __future__ import annotations

import array

import pytest
from rclpy.exceptions import InvalidHandle
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from icl_mesh_ros import raw_publishing
from icl_mesh_ros.raw_publishing import LEAST_BYTES, publish_bytes


def image_bytes(count: int) -> bytes:
    numbers = array.array("B", bytes(range(251)) * (count // 251 + 1))
    return bytes(serialize_message(Image(encoding="bytes", data=numbers)))


@pytest.mark.parametrize("count", [10, LEAST_BYTES, 4 * LEAST_BYTES])
def test_the_bytes_arrive(peer, count):
    assert raw_publishing._rcl_publish() is not None
    publisher = peer.node.create_publisher(Image, "raw", 1)
    arrived = peer.listen(Image, "raw", raw=True)
    peer.until(publisher.get_subscription_count, "the subscription")
    data = image_bytes(count)
    publish_bytes(publisher, data)
    peer.until(lambda: arrived, "the message")
    assert [bytes(message) for message in arrived] == [data]


def test_a_publisher_that_is_gone_is_refused_as_by_rclpy(peer):
    publisher = peer.node.create_publisher(Image, "raw", 1)
    peer.node.destroy_publisher(publisher)
    for count in (10, LEAST_BYTES):
        with pytest.raises(InvalidHandle):
            publish_bytes(publisher, image_bytes(count))
