"""Publishes people by REP-155 (ROS4HRI, a draft): humans/bodies/tracked and topics per body.

The message types are those of hri_msgs 2 and libhri in ROS 2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from icl_mesh.people import People
from icl_mesh.tracking.tracker import Tracks
from icl_mesh_ros.inputs.conversions import image_from_rgb
from icl_mesh_ros.outputs.final_messages import publish_final
from icl_mesh_ros.outputs.transforms import body_ids, confirmed

#: OpenPose's 18 points in the order of hri_msgs/Skeleton2D: left eye and ear before right ones.
_HRI_ROWS = [*range(14), 15, 14, 17, 16]
#: SMPL joint whose confidence each of OpenPose's 18 points gets: the head for eyes, ears and nose.
_SMPL_OF_OPENPOSE = [15, 12, 17, 19, 21, 16, 18, 20, 2, 5, 8, 1, 4, 7, 15, 15, 15, 15]


class _Body(NamedTuple):
    """Publishers of one body."""

    roi: Any
    skeleton: Any
    cropped: Any


class BodyTopics:
    """Publishes humans/bodies/tracked, and roi, skeleton2d and cropped under humans/bodies/<id>.

    A body's topics exist as long as its id. Needs hri_msgs. Topic names are relative: they are
    REP-155's /humans/... in the root namespace.
    """

    def __init__(self, node: Node) -> None:
        from hri_msgs import msg

        self._node, self._msg = node, msg
        self._tracked = node.create_publisher(msg.IdsList, "humans/bodies/tracked", 1)
        self._bodies: dict[str, _Body] = {}

    def publish(
        self, tracks: Tracks, rgb: npt.NDArray[np.uint8], header: Header, prefix: str
    ) -> None:
        """Publish the confirmed people of an image. tracks: with vertices_m; rgb: [H, W, 3]."""
        rows = np.flatnonzero(confirmed(tracks))
        people = tracks.people.select(rows)
        every_id = body_ids(tracks, prefix)
        ids = [every_id[row] for row in rows.tolist()]
        for gone in sorted(set(self._bodies) - set(ids)):
            self._drop(gone)
        points, confidence = _skeletons(people)
        boxes = _normalised(people.bbox_px.reshape(-1, 2, 2), people)
        for i, body_id in enumerate(ids):
            body = self._bodies.get(body_id) or self._open(body_id)
            body.roi.publish(self._roi(header, boxes[i], float(people.score[i])))
            body.skeleton.publish(self._skeleton(header, points[i], confidence[i]))
            if body.cropped.get_subscription_count() > 0:
                body.cropped.publish(image_from_rgb(_crop(rgb, people.bbox_px[i]), header))
        self._tracked.publish(self._msg.IdsList(header=header, ids=ids))

    def end(self, header: Header) -> None:
        """Publish an empty humans/bodies/tracked as the final message."""
        self._drop_all()
        publish_final(self._tracked, self._msg.IdsList(header=header, ids=[]))

    def destroy(self) -> None:
        """Destroy all publishers."""
        self._drop_all()
        self._node.destroy_publisher(self._tracked)

    def _drop_all(self) -> None:
        for body_id in list(self._bodies):
            self._drop(body_id)

    def _open(self, body_id: str) -> _Body:
        def publisher(kind: type, name: str) -> Any:
            return self._node.create_publisher(kind, f"humans/bodies/{body_id}/{name}", 1)

        body = self._bodies[body_id] = _Body(
            publisher(self._msg.NormalizedRegionOfInterest2D, "roi"),
            publisher(self._msg.Skeleton2D, "skeleton2d"),
            publisher(Image, "cropped"),
        )
        return body

    def _drop(self, body_id: str) -> None:
        for publisher in self._bodies.pop(body_id):
            self._node.destroy_publisher(publisher)

    def _roi(self, header: Header, box: npt.NDArray[np.floating], score: float) -> Any:
        (xmin, ymin), (xmax, ymax) = box.tolist()
        return self._msg.NormalizedRegionOfInterest2D(
            header=header, xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax, c=score
        )

    def _skeleton(
        self, header: Header, points: npt.NDArray[np.floating], confidence: npt.NDArray[np.floating]
    ) -> Any:
        kind = self._msg.NormalizedPointOfInterest2D
        return self._msg.Skeleton2D(
            header=header,
            skeleton=[
                kind(x=x, y=y, c=c)
                for (x, y), c in zip(points.tolist(), confidence.tolist(), strict=True)
            ],
        )


def _skeletons(people: People) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """The points of Skeleton2D [N, 18, 2] and their confidence [N, 18], both in [0, 1]."""
    if len(people) == 0:
        return np.zeros((0, 18, 2)), np.zeros((0, 18))
    points = people.keypoints_px("openpose18")[:, _HRI_ROWS]
    inside = people.camera.contains(points)
    confidence = people.joint_confidence[:, _SMPL_OF_OPENPOSE][:, _HRI_ROWS]
    return _normalised(points, people), np.where(inside, confidence, 0.0)


def _normalised(points_px: npt.NDArray[np.floating], people: People) -> npt.NDArray[np.floating]:
    """Pixels [..., 2] -> fractions of the image's width and height, clipped to [0, 1]."""
    # Pixel coordinates count from the centre of the first pixel, fractions from its edge.
    size = np.array([people.camera.width, people.camera.height])
    return np.clip((points_px + 0.5) / size, 0.0, 1.0)


def _crop(rgb: npt.NDArray[np.uint8], box_px: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """The part of the image [H, W, 3] in the box (pixels), at least one pixel."""
    height, width = rgb.shape[:2]
    left, top = np.clip(np.floor(box_px[:2]), 0, (width - 1, height - 1)).astype(int).tolist()
    right, bottom = np.clip(np.ceil(box_px[2:]), 0, (width - 1, height - 1)).astype(int).tolist()
    return np.ascontiguousarray(rgb[top : max(top, bottom) + 1, left : max(left, right) + 1])
