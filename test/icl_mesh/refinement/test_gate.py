"""Whose keypoint it is."""

import numpy as np
import pytest

from icl_mesh.refinement.gate import Seen, gate_inputs, half_side, own_probability


def two_people() -> Seen:
    """First poses a unit apart, each at one point in a box of side one; keypoints on their own."""
    first = np.zeros((2, 17, 2))
    first[1, :, 0] = 1.0
    boxes = np.concatenate((first[:, 0] - 0.5, first[:, 0] + 0.5), axis=1)
    people = np.eye(2, 64)
    pixels = np.repeat(people[:, None], 17, axis=1)
    score = np.array([0.9, 0.5])
    return Seen(first, np.full((2, 17), 0.8), first, boxes, score, people, pixels)


def expect(seen: Seen, *rows: list[float]) -> None:
    inputs = gate_inputs(seen)
    np.testing.assert_allclose(inputs, np.broadcast_to(np.array(rows)[:, None], inputs.shape))


def test_a_keypoint_of_ones_own() -> None:
    seen = two_people()
    own = [0.8, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    expect(seen._replace(keypoints=seen.first + [0.0, 0.1]), own, own)


def test_a_keypoint_of_somebody_else() -> None:
    """At the other person's first pose, with the other person's embedding: the cosine of the other
    exceeds by 1, the other's pose is nearer by the cap. Only the person with the lower score is in
    the box of one with a higher score."""
    seen = two_people()
    swapped = seen._replace(keypoints=seen.first[::-1], pixels=seen.pixels[::-1])
    expect(swapped, [0.8, 0, 1, 1, 0, 0, 0], [0.8, 0, 1, 1, 1, 0.8, 1])


def test_one_person_is_never_somebody_else() -> None:
    one = Seen(*(values[:1] for values in two_people()))
    lonely = one._replace(keypoints=one.first + 3.0, pixels=-np.ones((1, 17, 64)) / 8)
    expect(lonely, [0.8, -0.125, 0, 0, 0, 0, 0])


def test_nobody() -> None:
    assert gate_inputs(Seen(*(values[:0] for values in two_people()))).shape == (0, 17, 7)


def test_boxes_without_a_side() -> None:
    assert half_side(np.array([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 2.0, 1.0]])).tolist() == [1e-6, 1]


@pytest.mark.parametrize(("bias", "probability"), [(0.0, 0.5), (np.log(3.0), 0.75)])
def test_the_regression_is_logistic(bias: float, probability: float) -> None:
    gate = np.array([2.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, bias])
    inputs = np.array([[[1.0, 2.0, 5.0, 5.0, 5.0, 5.0, 5.0]]])
    np.testing.assert_allclose(own_probability(inputs, gate), [[probability]])
