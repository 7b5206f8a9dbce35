"""TF frames of people against REP-155's text, and the parameters of REP-155."""

from __future__ import annotations

import dataclasses
import importlib.util

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header

from icl_mesh.tracking.tracker import TrackState
from icl_mesh_ros.outputs.transforms import body_transforms
from icl_mesh_ros.parameters.mesh_node import MeshParameters

HEADER = Header(stamp=Time(sec=12, nanosec=34), frame_id="camera_optical_frame")


def axes(transform) -> np.ndarray:
    """Columns: the frame's x, y and z in its parent."""
    q = transform.transform.rotation
    return Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()


def test_a_person_who_stands_upright_and_faces_the_camera(make_tracks):
    """REP-155: x out of the body, z towards the head, origin at the centre of the hips."""
    tracks = make_tracks(ids=(7,))
    # The body model's y (up) is the camera's -y, its z (out of the chest) the camera's -z.
    tracks.people.rotations[0, 0] = np.diag([1.0, -1.0, -1.0])
    joints = tracks.people.joints_m[0]
    joints[0], joints[1], joints[2] = (0, 0, 2), (0.1, 0.08, 2), (-0.1, 0.08, 2)
    tracks = dataclasses.replace(tracks, position_m=np.array([[0.5, 0.2, 3.0]], np.float32))
    transform, _head = body_transforms(tracks, HEADER, "p")
    assert transform.header == HEADER
    assert transform.child_frame_id == "body_p7"
    out_of_chest, to_the_left, to_the_head = axes(transform).T
    np.testing.assert_allclose(out_of_chest, (0, 0, -1), atol=1e-6)
    np.testing.assert_allclose(to_the_head, (0, -1, 0), atol=1e-6)
    # The person's left is on the right of the image.
    np.testing.assert_allclose(to_the_left, (1, 0, 0), atol=1e-6)
    place = transform.transform.translation
    assert (place.x, place.y, place.z) == pytest.approx((0.5, 0.28, 3.0))


def test_a_head_rotated_to_its_left(make_tracks):
    """REP-155: under the body's frame; x out of the face, z towards the scalp. 30 degrees in the
    neck and 20 in the head add up to 50 about the body's z."""
    tracks = make_tracks(ids=(7,))
    turns, joints = tracks.people.rotations[0], tracks.people.joints_m[0]
    turns[:] = np.eye(3)
    turns[0] = np.diag([1.0, -1.0, -1.0])  # upright, facing the camera
    # In the body model's axes y is up, so a positive rotation about y is to the left.
    turns[12] = Rotation.from_euler("y", 30, degrees=True).as_matrix()
    turns[15] = Rotation.from_euler("y", 20, degrees=True).as_matrix()
    joints[0], joints[1], joints[2] = (0, 0, 2), (0.1, 0.08, 2), (-0.1, 0.08, 2)
    joints[15] = (0.02, -0.5, 1.9)
    _body, head = body_transforms(tracks, HEADER, "p")
    assert head.header == Header(stamp=HEADER.stamp, frame_id="body_p7")
    assert head.child_frame_id == "head_p7"
    out_of_face, _, to_the_scalp = axes(head).T
    turn = np.radians(50)
    np.testing.assert_allclose(out_of_face, (np.cos(turn), np.sin(turn), 0), atol=1e-6)
    np.testing.assert_allclose(to_the_scalp, (0, 0, 1), atol=1e-6)
    place = head.transform.translation
    assert (place.x, place.y, place.z) == pytest.approx((0.1, 0.02, 0.58))


def test_tentative_people_have_no_frame_predicted_people_keep_theirs(make_tracks):
    tracks = make_tracks(ids=(7, 8, 9))
    tracks.state[:] = [TrackState.TENTATIVE, TrackState.OCCLUDED, TrackState.TRACKED]
    frames = [t.child_frame_id for t in body_transforms(tracks, HEADER, "left_")]
    assert frames == ["body_left_8", "head_left_8", "body_left_9", "head_left_9"]


def test_missing_packages_are_named_with_their_apt_package(monkeypatch):
    found = {"tf2_msgs"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name in found or None)
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    said = "rep155 needs the ROS package hri_msgs, .* apt install ros-jazzy-hri-msgs"
    with pytest.raises(ValueError, match=said):
        MeshParameters(rep155=True)
    MeshParameters(publish_tf=True)
    found.clear()
    with pytest.raises(ValueError, match=r"publish_tf needs the ROS package tf2_msgs"):
        MeshParameters(publish_tf=True)


def test_a_prefix_that_no_topic_name_can_hold_is_refused():
    with pytest.raises(ValueError, match=r"body_id_prefix must match .*, got '7'"):
        MeshParameters(body_id_prefix="7")
