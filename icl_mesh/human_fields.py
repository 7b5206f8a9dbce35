"""Tracked people as the numbers of the message icl_mesh_ros/Human, without ROS.

The node fills ROS messages with them, `icl-mesh bag` messages of rosbags: one place says what each
field means.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from icl_mesh.people import People
from icl_mesh.tracking import Tracks

#: Human.distance_source
ASSUMED_FOCAL, CAMERA_INFO, DEPTH = 0, 1, 2
#: Fields that are messages of geometry_msgs, and what their numbers are called.
NESTED = {"position": "xyz", "velocity": "xyz", "orientation": "xyzw"}


def human_fields(tracks: Tracks, *, with_vertices: bool = False) -> list[dict[str, Any]]:
    """Per person: the fields of Human by name. Numbers, flat arrays, and 3 or 4 numbers for those
    in NESTED.

    with_vertices: with the mesh, which must be there; else vertices is empty.
    Raises ValueError for people without ids.
    """
    people = tracks.people
    if len(people) == 0:  # SciPy refuses to make no rotations at all
        return []
    ids, pose = track_ids(people), people.pose_rotvec
    meshes = vertices_of(people) if with_vertices else np.zeros((len(people), 0), np.float32)
    sources = distance_sources(people)
    # x y z w, as geometry_msgs orders them.
    quaternions = Rotation.from_matrix(people.rotations[:, 0]).as_quat()
    return [
        {
            "id": int(ids[i]),
            "tracking_state": int(tracks.state[i]),
            "score": float(people.score[i]),
            "bbox_px": people.bbox_px[i],
            "center_px": people.center_px[i],
            "position": tracks.position_m[i],
            "position_covariance": tracks.position_covariance[i].astype(np.float64).ravel(),
            "velocity": tracks.velocity_m_s[i],
            "orientation": quaternions[i],
            "distance_source": int(sources[i]),
            "betas": people.betas[i],
            "pose": pose[i],
            "joints": people.joints_m[i].ravel(),
            "joints_px": people.joints_px[i].ravel(),
            "joint_confidence": people.joint_confidence[i],
            "camera": people.weak_camera[i],
            "vertices": meshes[i].ravel(),
        }
        for i in range(len(people))
    ]


def distance_sources(people: People) -> npt.NDArray[np.uint8]:
    """Human.distance_source of everybody [N]."""
    by_size = ASSUMED_FOCAL if people.camera.focal_assumed else CAMERA_INFO
    measured = np.asarray(people.distance_from_depth, dtype=np.bool_)
    return np.where(measured, DEPTH, by_size).astype(np.uint8)


def vertices_of(people: People) -> npt.NDArray[np.float32]:
    """Meshes [N, V, 3]; ValueError where the estimator was not asked for them."""
    if people.vertices_m is None:
        raise ValueError("people without vertices_m: run the estimator with vertices=True")
    return people.vertices_m


def track_ids(people: People) -> npt.NDArray[np.int64]:
    """Ids [N]; ValueError where no tracker ran."""
    if people.track_id is None:
        raise ValueError("people without track_id: pass them through icl_mesh.tracking.Tracker")
    return people.track_id
