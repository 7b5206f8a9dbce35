"""The tracker's compiled kernels: against published colours and hand computations, scipy, and numpy
(oracle_tracking)."""

from __future__ import annotations

import dataclasses

import numpy as np
import oracle_tracking
import pytest
from scipy.spatial.distance import mahalanobis

from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.lens import Lens
from icl_mesh.tracking import assignment
from icl_mesh.tracking import kalman as motion
from icl_mesh.tracking.appearance import AppearanceFeatures, appearance_features
from icl_mesh.tracking.assignment import Candidates, Weights
from icl_mesh.tracking.tracker import Tracker

PINHOLE = Camera(580.0, 570.0, 319.5, 239.5, 640, 480)
WIDE = dataclasses.replace(PINHOLE, lens=Lens("plumb_bob", (-0.2, 0.05, 0.0, 0.0)))


def some_people(make_people, count, seed, camera=PINHOLE):
    """All over the image and beyond it, with embeddings and confidences at random."""
    rng = np.random.default_rng(seed)
    places = rng.uniform((-3, -2, 0.5), (3, 2, 9), (count, 3))
    embedding = rng.normal(size=(count, 64))
    embedding /= np.maximum(np.linalg.norm(embedding, axis=1, keepdims=True), 1e-9)
    people = make_people(places, camera, embedding=embedding)
    return people.exchanged(
        {
            "joint_confidence": rng.random((count, 24), dtype=np.float32),
            "distance_from_depth": rng.random(count) < 0.5,
        }
    )


def some_filters(people, seed):
    """After two images, with velocities and covariances of all kinds."""
    rng = np.random.default_rng(seed)
    filters = motion.predict(motion.start(people), 0.2)
    moved = people.exchanged({"joints_m": people.joints_m + np.float32(rng.normal(0, 0.1))})
    return motion.correct(filters, moved)


@pytest.mark.parametrize("tracks", [0, 1, 8, 200])
def test_kalman_filters(make_people, tracks):
    """Two images of people at all places, with velocities and measured distances."""
    people = some_people(make_people, tracks, seed=tracks)
    rng = np.random.default_rng(tracks)
    seen = people.exchanged(
        {"joints_m": people.joints_m + rng.normal(0, 0.2, people.joints_m.shape).astype(np.float32)}
    )
    filters = some_filters(people, seed=tracks)
    for seconds in (0.0, 0.033, 2.0):
        predicted = motion.predict(filters, seconds)
        found = motion.correct(predicted, seen)
        by_numpy = oracle_tracking.predict(filters, seconds)
        for one, other in zip(predicted, by_numpy, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
        for one, other in zip(found, oracle_tracking.correct(by_numpy, seen), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)


def test_the_cost_of_a_pair_by_hand(make_people):
    """A track at rest, unseen for half a second, and a person half a metre beside it."""
    before = make_people([[0.0, 0.0, 4.0]], PINHOLE, embedding=np.eye(64)[:1])
    now = make_people([[0.5, 0.0, 4.0]], PINHOLE, embedding=[[0.6, 0.8, *[0.0] * 62]])
    covariance = np.diag([0.04, 0.05, 0.3, 1, 1, 1])[None]
    filters = motion.Motion(np.array([[0.0, 0, 4, 0, 0, 0]]), covariance)
    features = [
        AppearanceFeatures(
            np.full((1, 3, 3), lightness, np.float32), np.array([[0.2, 0.4, 0.6]], np.float32)
        )
        for lightness in (50, 60)
    ]
    candidates = Candidates(filters, before, features[0], np.array([0.5]))
    cost, distance = assignment.pair_costs(candidates, now, features[1], Weights(0.25, 2.0))

    measured, far = np.array([0.5, 0.0, 4.0]), np.sqrt(0.25 + 16)
    ray = measured / far
    lateral, depth = (0.02 * far) ** 2, (0.1 * far) ** 2
    error = lateral * np.eye(3) + (depth - lateral) * np.outer(ray, ray)
    inverse = np.linalg.inv(covariance[0, :3, :3] + error)
    wanted = mahalanobis(measured, [0, 0, 4.0], inverse) ** 2
    np.testing.assert_allclose(distance, [[wanted]], rtol=1e-6)
    box = np.maximum(
        *(np.hypot(*(one.bbox_px[0, 2:] - one.bbox_px[0, :2])) for one in (before, now))
    )
    parts = {
        "space": wanted / 30,
        "image": 0.5 * (580 * 0.5 / 4) / box,
        "embedding": 0.25 * 0.5 * (1 - 0.6) / 2,  # its weight is halved
        # 10 in each of L*, a*, b*; weights are 0.4 on average, of which 0.3 suffice
        "color": 2.0 * np.sqrt(300) / 40,
    }
    np.testing.assert_allclose(cost, [[sum(parts.values())]], rtol=1e-5)


@pytest.mark.parametrize("camera", [PINHOLE, WIDE], ids=["pinhole", "lens"])
@pytest.mark.parametrize(("tracks", "people"), [(0, 3), (3, 0), (1, 1), (7, 9), (30, 8)])
def test_costs_of_pairs(make_people, tracks, people, camera):
    rng = np.random.default_rng(0)
    before = some_people(make_people, tracks, 4, camera)
    now = some_people(make_people, people, 5, camera)
    shared = min(tracks, people)  # possible pairs: near their last positions
    now.joints_m[:shared] = before.joints_m[:shared] + np.float32(0.1)
    features = [
        AppearanceFeatures(
            rng.uniform(-60, 60, (count, 3, 3)).astype(np.float32),
            rng.random((count, 3), dtype=np.float32) * (rng.random((count, 1)) < 0.8),
        )
        for count in (tracks, people)
    ]
    features = [AppearanceFeatures(color, weight.astype(np.float32)) for color, weight in features]
    candidates = Candidates(some_filters(before, 6), before, features[0], rng.uniform(0, 2, tracks))
    arguments = candidates, now, features[1], Weights(0.3, 1.5)
    cost, distance = assignment.pair_costs(*arguments)
    expected_cost, expected_distance = oracle_tracking.pair_costs(*arguments)
    assert cost.shape == distance.shape == (tracks, people)
    np.testing.assert_allclose(distance, expected_distance, rtol=1e-9)
    np.testing.assert_allclose(cost, expected_cost, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("backwards", [False, True])
def test_looks(make_people, backwards):
    people = some_people(make_people, 12, 7)
    image = np.random.default_rng(8).integers(0, 256, (480, 640, 3), np.uint8)
    image[:, :200] //= 32  # nearly black, where the curve is a line
    found = appearance_features(image[..., ::-1] if backwards else image, people)
    expected = oracle_tracking.appearance_features(image, people, backwards=backwards)
    # L*a*b* spans hundreds; OpenCV's own curve is a table of splines
    np.testing.assert_allclose(found.color, expected.color, atol=2e-3)
    np.testing.assert_allclose(found.weight, expected.weight, atol=1e-6)
    assert (found.weight > 0).mean() > 0.5


def test_the_tracks_of_a_crowd_are_the_same(make_people, monkeypatch):
    """People who come, go and cross, in a noisy image: the same ids, states and positions."""

    def walk():
        rng, tracker, seen = np.random.default_rng(10), Tracker(max_age_s=0.5), []
        image = rng.integers(0, 256, (480, 640, 3), np.uint8)
        start = rng.uniform((-2, -0.3, 3), (2, 0.3, 8), (9, 3))
        speed = rng.normal(0, 0.8, (9, 3)) * (1, 0, 1)
        embedding = rng.normal(size=(9, 64))
        embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
        for frame in range(60):
            here = rng.permutation(9)[: rng.integers(4, 10)]
            places = (start + speed * 0.05 * frame)[here] * rng.normal(1, 0.03, (len(here), 1))
            people = make_people(places, PINHOLE, embedding=embedding[here])
            seen.append(tracker.update(people, 0.05 * frame, appearance_features(image, people)))
        return seen

    compiled = walk()
    monkeypatch.setattr(assignment, "pair_costs", oracle_tracking.pair_costs)
    monkeypatch.setattr(motion, "predict", oracle_tracking.predict)
    monkeypatch.setattr(motion, "correct", oracle_tracking.correct)
    for ours, plain in zip(compiled, walk(), strict=True):
        np.testing.assert_array_equal(ours.people.track_id, plain.people.track_id)
        np.testing.assert_array_equal(ours.state, plain.state)
        np.testing.assert_allclose(ours.position_m, plain.position_m, rtol=1e-6)
        np.testing.assert_allclose(
            ours.position_covariance, plain.position_covariance, rtol=1e-5, atol=1e-9
        )
        np.testing.assert_allclose(ours.velocity_m_s, plain.velocity_m_s, rtol=1e-5, atol=1e-7)
    assert any(not tracks.detected.all() for tracks in compiled)  # somebody was predicted


def test_an_image_of_another_size_is_not_read_beyond_its_end(make_people):
    people = some_people(make_people, 3, 9)
    with pytest.raises(IndexError):
        appearance_features(np.zeros((24, 32, 3), np.uint8), people)
