"""Compares a HumanArray, deserialised by rclpy, with its people."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header

from icl_mesh.geometry.camera import Camera
from icl_mesh.people import People
from icl_mesh.tracking.tracker import Tracker
from icl_mesh_ros.msg import BodyModel, Human, HumanArray
from icl_mesh_ros.outputs.messages import body_model_message, serialized_humans

HEADER = Header(stamp=Time(sec=12, nanosec=34), frame_id="camera_optical_frame")


def transported(message):
    return deserialize_message(serialize_message(message), type(message))


def human_array(tracks, header, **options):
    return deserialize_message(serialized_humans(tracks, header, **options), HumanArray)


def test_every_field_arrives(make_tracks):
    tracks = make_tracks(occluded=True)
    people = tracks.people
    message = human_array(tracks, HEADER, with_vertices=True)
    assert isinstance(message, HumanArray)
    assert message.header == HEADER
    assert (message.image_width, message.image_height) == (640, 480)
    assert message.body_model == people.body.name
    assert message.weights_version == "tests-0123456789ab"
    assert [human.id for human in message.humans] == [7, 9]
    assert [human.tracking_state for human in message.humans] == [Human.TRACKED, Human.OCCLUDED]
    for i, human in enumerate(message.humans):
        assert human.score == pytest.approx(people.score[i])
        np.testing.assert_array_equal(human.bbox_px, people.bbox_px[i])
        np.testing.assert_array_equal(human.center_px, people.center_px[i])
        p, v = human.position, human.velocity
        np.testing.assert_allclose([p.x, p.y, p.z], tracks.position_m[i], atol=1e-6)
        np.testing.assert_allclose([v.x, v.y, v.z], tracks.velocity_m_s[i], atol=1e-6)
        covariance = human.position_covariance.reshape(3, 3)
        np.testing.assert_allclose(covariance, np.diag([0.01, 0.02, 0.09]), atol=1e-7)
        np.testing.assert_array_equal(human.betas, people.betas[i])
        np.testing.assert_array_equal(human.joints.reshape(24, 3), people.joints_m[i])
        np.testing.assert_array_equal(human.joints_px.reshape(24, 2), people.joints_px[i])
        np.testing.assert_array_equal(human.joint_confidence, people.joint_confidence[i])
        np.testing.assert_array_equal(human.camera, people.weak_camera[i])
        np.testing.assert_array_equal(np.reshape(human.vertices, (-1, 3)), people.vertices_m[i])
        # The pose by another library; the quaternion is the rotation of joint 0.
        matrices = Rotation.from_rotvec(human.pose.reshape(24, 3)).as_matrix()
        np.testing.assert_allclose(matrices, people.rotations[i], atol=1e-5)
        q = human.orientation
        np.testing.assert_allclose(
            Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix(), people.rotations[i, 0], atol=1e-5
        )
        assert human.distance_source == Human.CAMERA_INFO


def test_every_number_is_finite_for_any_stream(body, make_tracks):
    """People near the camera and far away, equal and backward stamps, occlusion, smoothing."""
    rng = np.random.default_rng(8)
    tracker, checked = Tracker(min_hits=1, smoothing_s=0.3), 0
    stamps = [0.0, 0.0, 0.1, 0.05, 0.2, 0.3, 5.0, 5.1, 1.0, 1.1, 1.1, 1.2]
    for stamp in stamps:
        people = make_tracks(ids=(1, 2)).people.select(rng.permutation(2)[: rng.integers(0, 3)])
        scale = rng.choice([0.02, 1.0, 30.0], size=(len(people), 1, 1))
        moved = (people.joints_m * scale).astype(np.float32)
        people = dataclasses.replace(people, joints_m=moved, track_id=None)
        message = human_array(tracker.update(people, stamp), HEADER)
        for human in message.humans:
            p, v, q = human.position, human.velocity, human.orientation
            numbers = [p.x, p.y, p.z, v.x, v.y, v.z, q.x, q.y, q.z, q.w]
            for name in ("position_covariance", "joints", "joints_px", "pose", "betas", "bbox_px"):
                numbers += list(getattr(human, name))
            assert np.isfinite(numbers).all()
            covariance = np.reshape(human.position_covariance, (3, 3))
            assert (np.linalg.eigvalsh(covariance) > 0).all()
            checked += 1
    assert checked > len(stamps) // 2


def test_vertices_only_on_request(make_tracks):
    message = human_array(make_tracks(), HEADER)
    assert [len(human.vertices) for human in message.humans] == [0, 0]
    tracks = make_tracks()
    bare = dataclasses.replace(tracks, people=dataclasses.replace(tracks.people, vertices_m=None))
    with pytest.raises(ValueError, match="run the estimator with vertices=True"):
        human_array(bare, HEADER, with_vertices=True)


def test_an_assumed_focal_length_is_marked(make_tracks):
    camera = Camera.assumed(640, 480)
    humans = human_array(make_tracks(camera=camera), HEADER).humans
    assert {human.distance_source for human in humans} == {Human.ASSUMED_FOCAL}


def test_a_measured_distance_is_marked_person_by_person(make_tracks):
    tracks = make_tracks()
    tracks.people.distance_from_depth[:] = [False, True]
    sources = [human.distance_source for human in human_array(tracks, HEADER).humans]
    assert sources == [Human.CAMERA_INFO, Human.DEPTH]


def test_nobody(body):
    people = People.empty(Camera.assumed(64, 48), body, "tests")
    message = human_array(Tracker().update(people, 1.0), HEADER)
    assert len(message.humans) == 0
    assert (message.header, message.image_width) == (HEADER, 64)


def test_body_model_defines_joints_and_vertices(body):
    message = transported(body_model_message(body, "version"))
    assert isinstance(message, BodyModel)
    assert (message.name, message.weights_version) == (body.name, "version")
    assert message.joint_names[0] == "pelvis"
    assert list(message.parents[:4]) == [-1, 0, 0, 0]  # SMPL: pelvis, left hip, right hip, spine
    assert len(message.joint_names) == len(message.parents) == 24
    np.testing.assert_array_equal(np.reshape(message.faces, (-1, 3)), body.faces)
    assert message.vertex_count == max(message.faces) + 1
