"""The One-Euro filters: the paper's pseudo-code, continuous rotation, lag."""

import dataclasses
import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from icl_mesh.geometry.camera import Camera
from icl_mesh.tracking import one_euro as smoothing

CAMERA = Camera(580.0, 580.0, 319.5, 239.5, 640, 480)
STILL_S, FRAME_S = 0.3, 0.1


def paper(values, rate, min_cutoff, beta, derivative_cutoff=1.0):
    """Algorithm 1 of Casiez et al. 2012, written out for numbers."""

    def alpha(cutoff):
        tau = 1 / (2 * math.pi * cutoff)
        return 1 / (1 + tau * rate)

    out, slope = [values[0]], 0.0
    for value in values[1:]:
        a = alpha(derivative_cutoff)
        slope = a * (value - out[-1]) * rate + (1 - a) * slope
        a = alpha(min_cutoff + beta * abs(slope))
        out.append(a * value + (1 - a) * out[-1])
    return np.array(out)


@pytest.fixture
def person(make_people):
    """(distance, yaw) -> one person straight ahead, rotated about the vertical."""
    ahead = make_people([[0.0, 0.0, 3.0]], CAMERA)

    def make(distance=3.0, yaw=0.0):
        joints = ahead.joints_m + np.array([0, 0, distance - 3.0], np.float32)
        turn = Rotation.from_rotvec([0, yaw, 0]).as_matrix() @ np.diag([1.0, -1.0, -1.0])
        rotations = ahead.rotations.copy()
        rotations[0, 0] = turn
        return dataclasses.replace(ahead, joints_m=joints, rotations=rotations)

    return make


def run(people, still_s=STILL_S, seconds=FRAME_S):
    state, states = smoothing.start(people[0]), []
    for k, row in enumerate(people):
        if k:
            state = smoothing.update(state, row, np.array([seconds]), still_s)
        states.append(state)
    return states


def test_distance_is_filtered_as_in_the_paper(person) -> None:
    distances = 4 + np.sin(np.arange(60) / 6) + np.random.default_rng(0).normal(0, 0.1, 60)
    states = run([person(d) for d in distances])
    own = np.exp([s.log_distance[0] for s in states])
    cutoff = 1 / (2 * math.pi * STILL_S)
    expected = paper(np.log(distances), 1 / FRAME_S, cutoff, smoothing.DISTANCE_SLOPE)
    np.testing.assert_allclose(own, np.exp(expected), atol=1e-5)


def test_continuous_rotation_never_wraps(person) -> None:
    """Two full turns a second and a half: as rotation vectors they jump by 2 pi, filtered ones
    would spin the other way. On the manifold the filtered yaw lags by a bounded time."""
    speed = 4 * math.pi / 1.5
    yaws = speed * FRAME_S * np.arange(60)
    states = run([person(yaw=yaw) for yaw in yaws])
    steps = []
    for k, (yaw, state) in enumerate(zip(yaws, states, strict=True)):
        matrix = state.rotations[0, 0]
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(matrix) == pytest.approx(1)
        true = Rotation.from_rotvec([0, yaw, 0]).as_matrix() @ np.diag([1.0, -1.0, -1.0])
        off = Rotation.from_matrix(true @ matrix.T).as_rotvec()
        if k > 15:
            assert off[0] == pytest.approx(0, abs=1e-6)  # about the vertical only
            assert 0 <= off[1] < 0.2 * speed  # behind, by less than 0.2 s
            before = states[k - 1].rotations[0, 0]
            steps.append(Rotation.from_matrix(matrix @ before.T).as_rotvec()[1])
    np.testing.assert_allclose(steps, speed * FRAME_S, rtol=1e-3)  # without reversal


def test_a_rotation_by_pi_in_one_step(person) -> None:
    states = run([person()] * 3 + [person(yaw=math.pi)] * 40)
    matrix = states[-1].rotations[0, 0]
    assert np.isfinite(matrix).all()
    np.testing.assert_allclose(matrix, person(yaw=math.pi).rotations[0, 0], atol=1e-3)


@pytest.mark.parametrize("still_s", [0.1, 0.4, 2.0])
@pytest.mark.parametrize("speed", [0.05, 0.3, 1.0])
def test_walking_people_lag_by_less_than_the_time_constant(person, still_s, speed) -> None:
    """Away from the camera at constant log speed; the time constant is the bound."""
    seconds = FRAME_S * np.arange(150)
    log = np.log(2.0) + speed * seconds
    states = run([person(math.exp(v)) for v in log], still_s)
    lag = (log[-1] - states[-1].log_distance[0]) / speed
    # the cutoff at this speed or a higher one: the paper takes speeds against the filtered value
    cutoff = 1 / (2 * math.pi * still_s) + smoothing.DISTANCE_SLOPE * speed
    assert 0 < lag <= 1 / (2 * math.pi * cutoff) < still_s


@pytest.mark.slow
def test_noise_of_standing_people_is_reduced_as_in_theory(person, monkeypatch) -> None:
    """White noise through y += a (x - y) keeps a / (2 - a) of its variance."""
    monkeypatch.setattr(smoothing, "DISTANCE_SLOPE", 0.0)
    noise = np.random.default_rng(1).normal(0, 0.05, 4000)
    states = run([person(3 * math.exp(n)) for n in noise])
    share = FRAME_S / (FRAME_S + STILL_S)
    variance = np.var([s.log_distance[0] for s in states[100:]])
    assert variance == pytest.approx(0.05**2 * share / (2 - share), rel=0.15)


def test_equal_stamps_change_nothing_and_no_smoothing_changes_all(person) -> None:
    state = smoothing.start(person())
    moved = person(4.0, yaw=0.5)
    same = smoothing.update(state, moved, np.array([0.0]), STILL_S)
    for before, after in zip(state, same, strict=True):
        np.testing.assert_allclose(after, before, atol=1e-12)
    plain = smoothing.update(state, moved, np.array([0.1]), 0.0)
    assert np.exp(plain.log_distance[0]) == pytest.approx(4.0, rel=1e-6)
    np.testing.assert_array_equal(plain.rotations[0], moved.rotations[0].astype(float))


def test_nobody(make_people) -> None:
    nobody = make_people([], CAMERA)
    state = smoothing.update(smoothing.start(nobody), nobody, np.zeros(0), STILL_S)
    assert len(smoothing.applied(nobody, state)) == 0
