"""Publishes people as TF frames with the axes of REP-155 (ROS4HRI)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from rclpy.node import Node
from rclpy.qos import QoSProfile
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header

from icl_mesh.formats.human import track_ids
from icl_mesh.io.wording import shown
from icl_mesh.tracking.tracker import Tracks, TrackState

#: The QoS of tf2_ros: reliable, depth 100.
TF_QOS = QoSProfile(depth=100)
_LEFT_HIP, _RIGHT_HIP, _HEAD = 1, 2, 15
#: Rotation from REP-155's axes (x forward, y left, z up) to those of the body model (x left, y up,
#: z forward).
BODY_FROM_REP155 = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])


def confirmed(tracks: Tracks) -> npt.NDArray[np.bool_]:
    """bool [M]: people who are not TENTATIVE. Only they get frames and topics, since a tentative
    id may be gone in the next image."""
    return tracks.state != TrackState.TENTATIVE


def body_ids(tracks: Tracks, prefix: str) -> list[str]:
    """REP-155's body ids of all people, such as "p7"."""
    return [f"{prefix}{number}" for number in track_ids(tracks.people).tolist()]


def body_transforms(tracks: Tracks, header: Header, prefix: str) -> Iterator[TransformStamped]:
    """The frames of each confirmed person.

    body_<id>, child of the camera's frame: origin at the centre of the hips, x forward, z up;
    filtered over time like Human.position. head_<id>, child of body_<id>: origin at the base of the
    skull, x out of the face, z to the crown.
    """
    people, ids = tracks.people, body_ids(tracks, prefix)
    hips = people.joints_m[:, [_LEFT_HIP, _RIGHT_HIP]].mean(axis=1) - people.position_m
    for i in np.flatnonzero(confirmed(tracks)).tolist():
        rotations = people.rotations[i].astype(np.float64)
        body = f"body_{ids[i]}"
        rotation = Rotation.from_matrix(rotations[0] @ BODY_FROM_REP155)
        yield _stamped(header, body, tracks.position_m[i] + hips[i], rotation)
        head = np.linalg.multi_dot([rotations[joint] for joint in _chain(people.body.parents)])
        head_rotation = rotation.inv() * Rotation.from_matrix(head @ BODY_FROM_REP155)
        head_position = people.joints_m[i, _HEAD] - people.position_m[i] - hips[i]
        under_body = Header(stamp=header.stamp, frame_id=body)
        yield _stamped(
            under_body, f"head_{ids[i]}", rotation.inv().apply(head_position), head_rotation
        )


def _chain(parents: Sequence[int]) -> list[int]:
    """Joints from the root to the head."""
    joints = [_HEAD]
    while joints[0] != 0:
        joints.insert(0, int(parents[joints[0]]))
    return joints


def _stamped(
    header: Header, child: str, position: npt.NDArray[np.floating], rotation: Rotation
) -> TransformStamped:
    x, y, z, w = rotation.as_quat().tolist()
    return TransformStamped(
        header=header,
        child_frame_id=child,
        transform=Transform(
            translation=Vector3(**dict(zip("xyz", position.tolist(), strict=True))),
            rotation=Quaternion(x=x, y=y, z=z, w=w),
        ),
    )


def tf_header(header: Header) -> Header:
    """The header without leading slashes in its frame (allowed in ROS 1), which tf2 refuses."""
    frame = header.frame_id.lstrip("/")
    return header if frame == header.frame_id else Header(stamp=header.stamp, frame_id=frame)


class TransformPublisher:
    """Publishes people's frames on /tf. Needs tf2_msgs, but not tf2_ros."""

    def __init__(self, node: Node) -> None:
        from tf2_msgs.msg import TFMessage

        self._node, self._message = node, TFMessage
        self._warned: set[str] = set()
        self._publisher = node.create_publisher(TFMessage, "/tf", TF_QOS)

    def publish(self, tracks: Tracks, header: Header, prefix: str) -> None:
        """Publish the frames of one image's people. Nothing without people, and for an image
        without a frame_id, which tf2 refuses."""
        placed = tf_header(header)
        if placed is not header and placed.frame_id:
            self._warn(
                "slash",
                f"tf2 refuses frames with a leading slash, such as the image's "
                f"'{shown(header.frame_id)}': on /tf, people stand under "
                f"'{shown(placed.frame_id)}'; the camera driver should leave the slash out",
            )
        if not placed.frame_id:
            self._warn(
                "empty",
                f"images on '{self._node.resolve_topic_name('image')}' name no frame (frame_id "
                f"'{shown(header.frame_id)}'), and tf2 refuses frames under none, so that nobody "
                "goes out on /tf: the camera driver should set frame_id",
            )
            return
        if stamped := list(body_transforms(tracks, placed, prefix)):
            self._publisher.publish(self._message(transforms=stamped))

    def _warn(self, kind: str, text: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            self._node.get_logger().warning(text)

    def destroy(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_publisher(self._publisher)
