"""The Kalman filters against the textbook and against simulated people."""

import dataclasses

import numpy as np
import pytest

from icl_mesh.geometry.camera import Camera
from icl_mesh.tracking import kalman as motion

CAMERA = Camera(580.0, 580.0, 319.5, 239.5, 640, 480)


def test_depth_is_less_certain_than_direction() -> None:
    errors = np.array([0.1, 0.02])
    covariance = motion.measurement_covariance(np.array([[0.0, 0, 5.0], [3.0, 0, 4.0]]), errors)
    lateral = motion.LATERAL_ERROR * 5
    expected = np.diag([lateral**2, lateral**2, (0.1 * 5) ** 2])
    np.testing.assert_allclose(covariance[0], expected, atol=1e-12)
    ray, across = np.array([0.6, 0.0, 0.8]), np.array([0.8, 0.0, -0.6])
    assert ray @ covariance[1] @ ray == pytest.approx((0.02 * 5) ** 2)
    assert across @ covariance[1] @ across == pytest.approx(lateral**2)


def test_filter_is_the_textbooks(make_people) -> None:
    """One track against the formulas of the Kalman filter, written out."""
    seconds = 0.1
    filters = motion.predict(motion.start(make_people([[0.3, -0.1, 4.0]], CAMERA)), seconds)
    seen = make_people([[0.4, -0.1, 4.2]], CAMERA)
    measured = seen.position_m.astype(float)
    corrected = motion.correct(filters, seen)
    h = np.hstack((np.eye(3), np.zeros((3, 3))))
    error = np.array([motion.DEPTH_ERROR])
    p, r = filters.covariance[0], motion.measurement_covariance(filters.position, error)[0]
    gain = p @ h.T @ np.linalg.inv(h @ p @ h.T + r)
    mean = filters.mean[0] + gain @ (measured[0] - h @ filters.mean[0])
    np.testing.assert_allclose(corrected.mean[0], mean, atol=1e-9)
    np.testing.assert_allclose(corrected.covariance[0], (np.eye(6) - gain @ h) @ p, atol=1e-9)


def test_a_measured_depth_counts_for_more(make_people) -> None:
    """The same step of half a metre: followed at once where a depth image gave it."""
    first, second = make_people([[0, 0, 4]], CAMERA), make_people([[0, 0, 4.5]], CAMERA)
    by_size = motion.correct(motion.predict(motion.start(first), 0.1), second)
    measured = [
        dataclasses.replace(people, distance_from_depth=np.ones(1, bool))
        for people in (first, second)
    ]
    by_depth = motion.correct(motion.predict(motion.start(measured[0]), 0.1), measured[1])
    assert by_size.position[0, 2] < by_depth.position[0, 2] < 4.5
    assert by_depth.position_covariance[0, 2, 2] < by_size.position_covariance[0, 2, 2]


@pytest.mark.parametrize(
    ("camera", "measured", "share"),
    [
        (CAMERA, False, motion.SHARED_ERROR),
        (CAMERA, True, motion.MEASURED_SHARED_ERROR),
        (Camera.assumed(640, 480), False, motion.ASSUMED_SHARED_ERROR),
    ],
)
def test_no_number_of_images_averages_the_shared_error_out(
    make_people, camera, measured, share
) -> None:
    people = make_people([[0.5, 0, 4]], camera)
    people = dataclasses.replace(people, distance_from_depth=np.full(1, measured))
    filters = motion.start(people)
    for _ in range(300):
        filters = motion.correct(motion.predict(filters, 0.1), people)
    ray = people.position_m[0].astype(float)
    distance = np.linalg.norm(ray)
    ray /= distance
    total = motion.total_covariance(filters, motion.shared_errors(people))[0]
    own = ray @ filters.position_covariance[0] @ ray
    assert ray @ total @ ray == pytest.approx(own + (share * distance) ** 2, rel=1e-6)
    np.testing.assert_allclose(total, total.T, atol=1e-12)
    assert (np.linalg.eigvalsh(total) > 0).all()


def test_the_filters_own_covariance_is_that_of_its_errors(make_people) -> None:
    """200 people whose motion and measurements have the statistics that the filter assumes: the
    squared Mahalanobis distance of the truth (six numbers) is 6 on average."""
    generator, count, step = np.random.default_rng(4), 200, 0.1
    position = np.tile([0.3, 0.1, 9.0], (count, 1)) + generator.normal(0, 0.3, (count, 3))
    velocity = generator.normal(0, motion.FIRST_SPEED, (count, 3))
    filters = None
    for _ in range(15):
        errors = motion.measurement_covariance(position, np.full(count, motion.DEPTH_ERROR))
        noise = np.linalg.cholesky(errors) @ generator.normal(size=(count, 3, 1))
        seen = make_people(position + noise[..., 0], CAMERA, embedding=np.ones((count, 64)))
        filters = motion.start(seen) if filters is None else motion.correct(filters, seen)
        last = (filters, position.copy(), velocity.copy())
        push = generator.normal(0, motion.ACCELERATION, (count, 3))
        position = position + velocity * step + push * step**2 / 2
        velocity = velocity + push * step
        filters = motion.predict(filters, step)
    filters, position, velocity = last
    off = np.concatenate((position, velocity), axis=1) - filters.mean
    squared = (off * np.linalg.solve(filters.covariance, off[..., None])[..., 0]).sum(axis=1)
    # the mean of 200 has a deviation of 0.25; errors that follow the measured distance add a little
    assert 5.0 < squared.mean() < 7.5
