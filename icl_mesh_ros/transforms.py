"""Where people are as TF frames, with the axes of REP-155 (ROS4HRI)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from rclpy.node import Node
from rclpy.qos import QoSProfile
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header

from icl_mesh.human_fields import track_ids
from icl_mesh.tracking import Tracks, TrackState

#: As tf2_ros publishes and subscribes: reliable, the last 100.
TF_QOS = QoSProfile(depth=100)
_LEFT_HIP, _RIGHT_HIP = 1, 2
#: Columns: REP-155's x (out of the chest), y (to the left) and z (to the head), seen in the axes
#: of the body model, which has x to the left, y to the head and z out of the chest.
BODY_FROM_REP155 = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])


def lasting(tracks: Tracks) -> npt.NDArray[np.bool_]:
    """bool [M]: people whose id can be relied on. A frame or a topic of an id that is gone with
    the next image would only litter."""
    return tracks.state != TrackState.TENTATIVE


def body_ids(tracks: Tracks, prefix: str) -> list[str]:
    """REP-155's body ids of everybody, such as "p7"."""
    return [f"{prefix}{number}" for number in track_ids(tracks.people).tolist()]


def body_transforms(tracks: Tracks, header: Header, prefix: str) -> Iterator[TransformStamped]:
    """Frame body_<id> of each lasting person under the camera's: origin midway between the hips,
    x out of the chest, z to the head. Filtered like Human.position."""
    people, ids = tracks.people, body_ids(tracks, prefix)
    middle = people.joints_m[:, [_LEFT_HIP, _RIGHT_HIP]].mean(axis=1) - people.position_m
    for i in np.flatnonzero(lasting(tracks)).tolist():
        place = (tracks.position_m[i] + middle[i]).tolist()
        camera_from_body = people.rotations[i, 0].astype(np.float64)
        turn = Rotation.from_matrix(camera_from_body @ BODY_FROM_REP155).as_quat().tolist()
        yield TransformStamped(
            header=header,
            child_frame_id=f"body_{ids[i]}",
            transform=Transform(
                translation=Vector3(x=place[0], y=place[1], z=place[2]),
                rotation=Quaternion(x=turn[0], y=turn[1], z=turn[2], w=turn[3]),
            ),
        )


class TransformPublisher:
    """Publishes on /tf. Needs tf2_msgs alone, not tf2_ros."""

    def __init__(self, node: Node) -> None:
        from tf2_msgs.msg import TFMessage

        self._node, self._message = node, TFMessage
        self._publisher = node.create_publisher(TFMessage, "/tf", TF_QOS)

    def publish(self, transforms: Iterable[TransformStamped]) -> None:
        """Send the transforms of one image; none: nothing is sent."""
        if stamped := list(transforms):
            self._publisher.publish(self._message(transforms=stamped))

    def destroy(self) -> None:
        """Take the topic back."""
        self._node.destroy_publisher(self._publisher)
