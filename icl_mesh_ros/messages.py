"""Tracked people -> HumanArray, and the body they refer to -> BodyModel."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header

from icl_mesh.body import BodyModel as Body
from icl_mesh.people import People
from icl_mesh.tracking import Tracks
from icl_mesh_ros.msg import BodyModel, Human, HumanArray


def human_array(tracks: Tracks, header: Header, *, with_vertices: bool = False) -> HumanArray:
    """One image's tracked people as a message under the header of that image.

    with_vertices: fill Human.vertices from people.vertices_m (which must then be there).
    """
    people = tracks.people
    message = HumanArray(header=header)
    message.image_width, message.image_height = people.camera.width, people.camera.height
    message.body_model = people.body.name
    message.weights_version = people.weights_version
    if len(people) == 0:  # SciPy refuses to make no rotations at all
        return message
    by_size = Human.ASSUMED_FOCAL if people.camera.focal_assumed else Human.CAMERA_INFO
    sources = np.where(people.distance_from_depth, Human.DEPTH, by_size)
    ids, pose = track_ids(people), people.pose_rotvec
    # x y z w, as geometry_msgs orders them.
    quaternions = Rotation.from_matrix(people.rotations[:, 0]).as_quat()
    for i in range(len(people)):
        human = Human(distance_source=int(sources[i]))
        human.id = int(ids[i])
        human.tracking_state = int(tracks.state[i])
        human.score = float(people.score[i])
        human.bbox_px = people.bbox_px[i]
        human.center_px = people.center_px[i]
        _fill(human.position, "xyz", tracks.position_m[i])
        human.position_covariance = tracks.position_covariance[i].astype(np.float64).ravel()
        _fill(human.velocity, "xyz", tracks.velocity_m_s[i])
        _fill(human.orientation, "xyzw", quaternions[i])
        human.betas = people.betas[i]
        human.pose = pose[i]
        human.joints = people.joints_m[i].ravel()
        human.joints_px = people.joints_px[i].ravel()
        human.joint_confidence = people.joint_confidence[i]
        human.camera = people.weak_camera[i]
        if with_vertices:
            human.vertices = _typed("f", vertices_of(people)[i])
        message.humans.append(human)
    return message


def body_model_message(body: Body, weights_version: str) -> BodyModel:
    """The latched message that says what betas, joints and vertices mean."""
    return BodyModel(
        name=body.name,
        weights_version=weights_version,
        joint_names=list(body.joint_names),
        parents=[int(parent) for parent in body.parents],
        vertex_count=body.vertex_count,
        faces=_typed("I", body.faces.astype(np.uint32)),
    )


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


def _fill(target: Any, names: str, values: npt.NDArray[np.floating]) -> None:
    """Set target.x, target.y, ... of a geometry message."""
    for name, value in zip(names, values, strict=True):
        setattr(target, name, float(value))


def _typed(typecode: str, values: npt.NDArray[Any]) -> array.array[Any]:
    """An array.array, which rclpy takes as it is; an ndarray would be copied number by number."""
    result = array.array(typecode)
    result.frombytes(values.tobytes())
    return result
