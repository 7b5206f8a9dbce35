"""Whose keypoint it is."""

import numpy as np
import pytest

from icl_mesh.refinement.gate import Identities, gate_inputs, own_probability


def two_people() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First poses of two people a unit apart, all keypoints at one point; extents; embeddings."""
    first = np.zeros((2, 17, 2))
    first[1, :, 0] = 1.0
    return first, np.array([0.5, 0.5]), np.eye(2, 64)


def test_a_keypoint_of_ones_own() -> None:
    first, extent, people = two_people()
    keypoints = first + [0.1, 0.0]
    seen = Identities(people, np.repeat(people[:, None], 17, axis=1))
    inputs = gate_inputs(keypoints, np.full((2, 17), 0.8), first, extent, seen)
    np.testing.assert_allclose(inputs, np.broadcast_to([0.8, 1.0, 0.0, 0.0], (2, 17, 4)))


def test_a_keypoint_of_somebody_else() -> None:
    """At the other person's first pose, with the other person's embedding."""
    first, extent, people = two_people()
    seen = Identities(people, np.repeat(people[::-1, None], 17, axis=1))
    inputs = gate_inputs(first[::-1], np.full((2, 17), 0.8), first, extent, seen)
    # The cosine of the other exceeds by 1; the other's pose is nearer by the cap.
    np.testing.assert_allclose(inputs, np.broadcast_to([0.8, 0.0, 1.0, 1.0], (2, 17, 4)))


def test_one_person_is_never_somebody_else() -> None:
    first = np.zeros((1, 17, 2))
    alone = Identities(np.eye(1, 64), -np.ones((1, 17, 64)) / 8)
    inputs = gate_inputs(first + 3.0, np.ones((1, 17)), first, np.ones(1), alone)
    assert np.abs(inputs[..., 2:]).max() == 0
    np.testing.assert_allclose(inputs[..., 1], -0.125)


def test_nobody() -> None:
    none = np.zeros((0, 17, 2))
    seen = Identities(np.zeros((0, 64)), np.zeros((0, 17, 64)))
    assert gate_inputs(none, none[..., 0], none, np.zeros(0), seen).shape == (0, 17, 4)


@pytest.mark.parametrize(("bias", "probability"), [(0.0, 0.5), (np.log(3.0), 0.75)])
def test_the_regression_is_logistic(bias: float, probability: float) -> None:
    gate = np.array([2.0, -1.0, 0.0, 0.0, bias])
    inputs = np.array([[[1.0, 2.0, 5.0, 5.0]]])
    np.testing.assert_allclose(own_probability(inputs, gate), [[probability]])
