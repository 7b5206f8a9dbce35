"""Tracked people as values of the fields of icl_mesh_ros/Human, without ROS.

The node fills ROS messages with them, and `icl-mesh bag` messages of rosbags.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from icl_mesh.geometry.rotation import quaternions_and_rotvecs
from icl_mesh.people import People
from icl_mesh.tracking.tracker import Tracks

#: Human.distance_source
ASSUMED_FOCAL, CAMERA_INFO, DEPTH = 0, 1, 2
#: Fields that are messages of geometry_msgs, and their fields.
NESTED = {"position": "xyz", "velocity": "xyz", "orientation": "xyzw"}


def human_columns(
    tracks: Tracks, *, with_vertices: bool = False
) -> dict[str, npt.NDArray[np.generic]]:
    """The fields of Human by name, of all people: [N] or [N, ...].

    with_vertices: include the meshes, which must exist; else vertices is [N, 0].
    Raises ValueError for people without ids.
    """
    people = tracks.people
    ids, count = track_ids(people), len(people)
    quaternions, pose = quaternions_and_rotvecs(people.rotations)  # x y z w, as in geometry_msgs
    return {
        "id": ids,
        "tracking_state": tracks.state,
        "score": people.score,
        "bbox_px": people.bbox_px,
        "center_px": people.center_px,
        "position": tracks.position_m,
        "position_covariance": tracks.position_covariance,
        "velocity": tracks.velocity_m_s,
        "orientation": quaternions[:, 0],
        "distance_source": distance_sources(people),
        "betas": people.betas,
        "pose": pose.astype(np.float32),
        "joints": people.joints_m,
        "joints_px": people.joints_px,
        "joint_confidence": people.joint_confidence,
        "camera": people.weak_camera,
        "vertices": vertices_of(people) if with_vertices else np.zeros((count, 0), np.float32),
    }


def human_fields(tracks: Tracks, *, with_vertices: bool = False) -> list[dict[str, Any]]:
    """The values of :func:`human_columns` per person, in the form of a message's fields.

    They are numbers and flat arrays; the fields in NESTED have 3 or 4 numbers.
    """
    columns = human_columns(tracks, with_vertices=with_vertices)
    columns["position_covariance"] = columns["position_covariance"].astype(np.float64)
    return [
        {
            name: values[i].item() if values.ndim == 1 else values[i].ravel()
            for name, values in columns.items()
        }
        for i in range(len(tracks.people))
    ]


def distance_sources(people: People) -> npt.NDArray[np.uint8]:
    """Human.distance_source of each person [N]."""
    by_size = ASSUMED_FOCAL if people.camera.focal_assumed else CAMERA_INFO
    measured = np.asarray(people.distance_from_depth, dtype=np.bool_)
    return np.where(measured, DEPTH, by_size).astype(np.uint8)


def vertices_of(people: People) -> npt.NDArray[np.float32]:
    """Meshes [N, V, 3]. Raises ValueError for people without meshes."""
    if people.vertices_m is None:
        raise ValueError("people without vertices_m: run the estimator with vertices=True")
    return people.vertices_m


def track_ids(people: People) -> npt.NDArray[np.int64]:
    """Track ids [N]. Raises ValueError for people without a tracker."""
    if people.track_id is None:
        raise ValueError("people without track_id: pass them through icl_mesh.tracking.Tracker")
    return people.track_id
