"""Unit tests of the ROS adapter: they need ROS messages, but neither spin nor use DDS."""

from __future__ import annotations

import importlib.util

import pytest

#: The generated messages exist in a built and sourced workspace only.
WORKSPACE = all(
    importlib.util.find_spec(name) is not None for name in ("rclpy", "icl_mesh_ros")
) and (importlib.util.find_spec("icl_mesh_ros.msg") is not None)

collect_ignore_glob = [] if WORKSPACE else ["*"]


def pytest_report_header() -> str | None:
    if WORKSPACE:
        return None
    return (
        "test/icl_mesh_ros: left out, no built workspace is sourced (scripts/setup; . scripts/env)"
    )


@pytest.fixture(scope="session")
def body():
    from icl_mesh.body import BodyModel

    return BodyModel.load("default")


@pytest.fixture
def make_tracks(body):
    """Two people, 2 and 3 m away, with meshes and ids; the second is occluded on request."""
    import numpy as np
    import torch
    from scipy.spatial.transform import Rotation

    from icl_mesh.geometry.camera import Camera
    from icl_mesh.people import People
    from icl_mesh.tracking.tracker import Tracks, TrackState

    def make(ids=(7, 9), occluded=False, camera=None):
        rng = np.random.default_rng(3)
        n = len(ids)
        camera = camera or Camera(500.0, 510.0, 319.5, 239.5, 640, 480)
        turns = Rotation.from_rotvec(rng.normal(size=(24 * 8, 3))).as_matrix()[: 24 * n]
        rotations = turns.reshape(n, 24, 3, 3).astype(np.float32)
        betas = rng.normal(size=(n, 10)).astype(np.float32)
        mesh = body(torch.from_numpy(betas), torch.from_numpy(rotations))
        shift = np.array([[0.5 * i, 0.0, 2.0 + i] for i in range(n)], np.float32).reshape(n, 3)
        joints = mesh.joints.numpy() + shift.reshape(n, 1, 3)
        people = People(
            score=rng.random(n, dtype=np.float32),
            center_px=rng.random((n, 2), dtype=np.float32),
            bbox_px=rng.random((n, 4), dtype=np.float32),
            betas=betas,
            rotations=rotations,
            translation_m=shift,
            joints_m=joints,
            joints_px=camera.project(joints).astype(np.float32),
            joint_confidence=rng.random((n, 24), dtype=np.float32),
            joint_visible=np.ones((n, 24), dtype=bool),
            weak_camera=rng.random((n, 3), dtype=np.float32),
            embedding=np.zeros((n, 64), dtype=np.float32),
            camera=camera,
            body=body,
            weights_version="tests-0123456789ab",
            vertices_m=mesh.vertices.numpy() + shift.reshape(n, 1, 3),
            track_id=np.array(ids, dtype=np.int64),
        )
        state = np.full(n, TrackState.TRACKED, dtype=np.uint8)
        if occluded:
            state[-1] = TrackState.OCCLUDED
        covariance = np.tile(np.diag([0.01, 0.02, 0.09]).astype(np.float32), (n, 1, 1))
        return Tracks(people, state, joints[:, 0], covariance, 0.1 * shift)

    return make
