"""A keypoint belongs to one person."""

import numpy as np

from icl_mesh.refinement.assignment import duplicates, lost_keypoints

RNG = np.random.default_rng(0)
POSE = RNG.uniform(-0.5, 0.5, (17, 2))
EXTENT = np.array([0.5, 0.5])


def test_the_person_in_front_keeps_the_keypoints() -> None:
    """Both crops show the first person."""
    first = np.stack((POSE, POSE + [0.4, 0.0]))
    keypoints = np.stack((POSE + 0.01, POSE + 0.02))
    lost = lost_keypoints(keypoints, first, EXTENT)
    assert not lost[0].any()
    assert lost[1].all()
    assert not duplicates(keypoints, first, EXTENT, np.array([0.9, 0.5])).any()


def test_each_keeps_what_is_nearer() -> None:
    """Seen in both crops: the upper half is the first person's, the lower one the second's."""
    first = np.stack((POSE, POSE + [0.4, 0.0]))
    both = np.where(np.arange(17)[:, None] < 8, first[0], first[1])
    lost = lost_keypoints(np.stack((both, both)), first, EXTENT)
    assert lost[0].tolist() == [False] * 8 + [True] * 9
    assert (lost[1] == ~lost[0]).all()


def test_a_person_detected_twice() -> None:
    first = np.stack((POSE, POSE + [0.05, 0.0]))
    keypoints = np.stack((POSE, POSE + 0.01))
    assert duplicates(keypoints, first, EXTENT, np.array([0.5, 0.9])).tolist() == [True, False]
    assert duplicates(keypoints, first, EXTENT, np.array([0.7, 0.7])).tolist() == [False, True]


def test_neighbours_are_two() -> None:
    first = np.stack((POSE, POSE + [0.3, 0.0]))
    assert not duplicates(first, first, EXTENT, np.array([0.5, 0.9])).any()
    assert not lost_keypoints(first, first, EXTENT).any()


def test_nobody_and_one() -> None:
    none = np.zeros((0, 17, 2))
    assert lost_keypoints(none, none, np.zeros(0)).shape == (0, 17)
    assert duplicates(none, none, np.zeros(0), np.zeros(0)).shape == (0,)
    assert not lost_keypoints(POSE[None], POSE[None], EXTENT[:1]).any()


def test_a_person_detected_twice_with_mirrored_legs() -> None:
    """Crops show the same; of the first poses the trunk agrees, and the limbs do not."""
    first = np.stack((POSE, POSE.copy()))
    first[1, [9, 10, 13, 14, 15, 16]] += 0.4
    keypoints = np.stack((POSE, POSE))
    assert duplicates(keypoints, first, EXTENT, np.array([0.9, 0.5])).tolist() == [False, True]
