"""Finds where a CameraInfo is published when none arrives."""

from __future__ import annotations

from rclpy.node import Node

_TYPE = "sensor_msgs/msg/CameraInfo"
_MOST_NAMES = 3


def info_hint(node: Node, info_topic: str, image_topic: str) -> str:
    """A sentence that names the topic and the remapping; empty if no other CameraInfo is published.

    info_topic, image_topic: resolved names of the node's subscriptions. A camera_info beside the
    image comes first, since drivers publish it there.
    """
    topics = [
        name
        for name, types in node.get_topic_names_and_types()
        if _TYPE in types and name != info_topic and node.count_publishers(name)
    ]
    beside = f"{image_topic.removesuffix('/compressed').rpartition('/')[0]}/camera_info"
    if beside in topics:
        return (
            f"CameraInfo is published on '{beside}', beside the image: remap it "
            f"(-r camera_info:={beside}, or camera_info:={beside} for a launch file)"
        )
    if not topics:
        return ""
    names = ", ".join(f"'{name}'" for name in sorted(topics)[:_MOST_NAMES])
    more = ", ..." if len(topics) > _MOST_NAMES else ""
    return (
        f"CameraInfo is published on {names}{more}: remap the one of this camera "
        f"(-r camera_info:={sorted(topics)[0]}, or the launch file's camera_info)"
    )
