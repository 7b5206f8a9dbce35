"""Filters of the tracker: positions, covariance, smoothed bodies."""

import numpy as np

from icl_mesh.geometry.camera import Camera
from icl_mesh.tracking.tracker import Tracker, TrackState

CAMERA = Camera(580.0, 580.0, 319.5, 239.5, 640, 480)


def test_noise_is_smoothed_and_estimated(make_people) -> None:
    """Standing still with 5 % depth noise: the filter is closer, within its own deviation."""
    tracker = Tracker()
    generator = np.random.default_rng(1)
    raw, filtered, deviation = [], [], []
    for k in range(100):
        position = np.array([0.5, 0.2, 4.0]) * (1 + generator.normal(0, 0.05))
        tracks = tracker.update(make_people([position], CAMERA), 0.1 * k)
        raw.append(position[2])
        filtered.append(tracks.position_m[0, 2])
        deviation.append(np.sqrt(tracks.position_covariance[0, 2, 2]))
    assert np.std(filtered[10:]) < 0.8 * np.std(raw[10:])
    inside = np.abs(np.array(filtered) - 4.0) < 2 * np.array(deviation)
    assert inside.mean() > 0.9
    assert (np.linalg.eigvalsh(tracks.position_covariance) > 0).all()


def covariance_volume(tracks) -> float:
    return float(np.linalg.det(tracks.position_covariance[-1].astype(float)))


def test_the_covariance_stays_positive_and_grows_during_occlusion(make_people) -> None:
    tracker, volumes = Tracker(max_age_s=3.0), []
    for k in range(12):
        tracks = tracker.update(make_people([[0.2, 0, 3]], CAMERA), 0.1 * k)
    volumes.append(covariance_volume(tracks))
    for k in range(12, 40):
        tracks = tracker.update(make_people([], CAMERA), 0.1 * k)
        assert tracks.state.tolist() == [TrackState.OCCLUDED]
        covariance = tracks.position_covariance[0]
        np.testing.assert_array_equal(covariance, covariance.T)
        assert (np.linalg.eigvalsh(covariance) > 0).all()
        volumes.append(covariance_volume(tracks))
    assert (np.diff(volumes) > 0).all()
    again = tracker.update(make_people([[0.2, 0, 3]], CAMERA), 4.0)
    assert again.people.track_id.tolist() == [1]
    assert covariance_volume(again) < volumes[-1]


def test_smoothing_moves_the_body_and_leaves_the_observations(make_people, body) -> None:
    tracker, generator = Tracker(smoothing_s=0.3), np.random.default_rng(2)
    raw, out = [], []
    for k in range(40):
        scale = 1 + generator.normal(0, 0.05)
        people = make_people([np.array([0.4, 0.1, 4.0]) * scale], CAMERA, vertices=True)
        tracks = tracker.update(people, 0.1 * k)
        raw.append(people.position_m[0])
        out.append(tracks.people.position_m[0])
        for name in ("score", "center_px", "bbox_px", "joint_confidence", "weak_camera"):
            np.testing.assert_array_equal(getattr(tracks.people, name), getattr(people, name))
    assert np.std(out[10:], axis=0)[2] < 0.6 * np.std(raw[10:], axis=0)[2]
    # on the line of sight of this image, and the whole body with its pelvis
    np.testing.assert_allclose(np.cross(out[-1], raw[-1]), 0, atol=1e-5)
    shift = out[-1] - raw[-1]
    np.testing.assert_allclose(tracks.people.joints_m[0], people.joints_m[0] + shift, atol=1e-4)
    np.testing.assert_allclose(tracks.people.vertices_m[0], people.vertices_m[0] + shift, atol=1e-4)
    np.testing.assert_allclose(
        tracks.people.joints_px[0], CAMERA.project(tracks.people.joints_m[0]), atol=0.01
    )
    # an occluded person has the smoothed body
    hidden = tracker.update(make_people([], CAMERA, vertices=True), 4.0)
    assert hidden.state.tolist() == [TrackState.OCCLUDED]
    np.testing.assert_allclose(
        hidden.people.joints_m[0] - hidden.people.joints_m[0, 0],
        tracks.people.joints_m[0] - tracks.people.joints_m[0, 0],
        atol=1e-4,
    )
    tracker.smoothing_s = 0.0
    people = make_people([[0.4, 0.1, 5.0]], CAMERA)
    tracks = tracker.update(people, 4.1)
    np.testing.assert_array_equal(tracks.people.joints_m[0], people.joints_m[0])
