"""Metrics against hand computations."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from icl_mesh_training.evaluation.metrics import (
    Detection,
    area_under_curve,
    count_detections,
    match_people,
    mpjpe,
    pa_mpjpe,
    pck,
    point_iou,
    pve,
    torso_lengths,
)

SQUARE = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10]])


def test_iou_of_shifted_squares() -> None:
    # Boxes grow by a tenth of 10 on every side: 12 x 12, shifted by 6: 6 * 12 / (2 * 144 - 72).
    iou = point_iou(SQUARE[None] + [6, 0], SQUARE[None], np.ones((1, 4), bool))
    assert iou.item() == pytest.approx(72 / 216)


def test_matching_is_one_to_one() -> None:
    true = np.stack((SQUARE, SQUARE + 40))
    predicted = np.stack((SQUARE + 39, SQUARE + 1, SQUARE + 2, SQUARE + 200))
    rows, columns = match_people(predicted, true, np.ones((2, 4), bool))
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 1), (1, 0)]


def test_people_who_do_not_count_excuse_a_prediction() -> None:
    true = np.stack((SQUARE, SQUARE + 40))
    predicted = np.stack((SQUARE + 40, SQUARE + 200))
    detection = Detection()
    demanded = np.array([True, False])
    count_detections(detection, predicted, true, np.ones((2, 4), bool), demanded)
    assert (detection.found, detection.missed, detection.false) == (0, 1, 1)


def test_predictions_mostly_inside_a_crowd_are_ignored() -> None:
    """Shares by hand: all, six tenths, four tenths, none of a box of 10 x 10."""
    crowd = np.array([[0.0, 0, 100, 10], [0, 30, 1, 1]])
    predicted = np.stack([SQUARE + [20 * i, shift] for i, shift in enumerate((0, 4, 6, 50))])
    detection, nobody = Detection(), np.zeros((0, 4, 2))
    arguments = nobody, np.zeros((0, 4), bool), np.zeros(0, bool)
    count_detections(detection, predicted, *arguments, crowds=crowd)
    assert (detection.crowd, detection.false) == (2, 2)
    boxes = [[20 * i, shift, 10, 10] for i, shift in enumerate((0, 4, 6, 50))]
    mask = pytest.importorskip("pycocotools.mask")
    overlap = mask.iou(np.array(boxes, float), crowd, [1, 1]).max(axis=1)
    np.testing.assert_allclose(overlap, [1, 0.6, 0.4, 0])  # COCO's own, with iscrowd
    count_detections(detection, predicted, *arguments)
    assert (detection.crowd, detection.false) == (2, 6)


def test_joint_errors_are_millimetres() -> None:
    true = np.random.default_rng(0).normal(size=(3, 24, 3))
    moved = true + [0, 0, 7.0]
    assert mpjpe(moved, true).max() == pytest.approx(0, abs=1e-9)
    moved[:, 5] += [0.024, 0, 0]
    np.testing.assert_allclose(mpjpe(moved, true), 1.0)
    turned = 1.3 * true @ Rotation.random(random_state=1).as_matrix().T + 2
    assert mpjpe(turned, true).min() > 100
    assert pa_mpjpe(turned, true).max() == pytest.approx(0, abs=1e-6)


def test_pck_scales_with_the_torso() -> None:
    true = np.zeros((1, 17, 2))
    true[0, [5, 6]] = [[30.0, 0], [0, 0]]  # shoulders
    true[0, [11, 12]] = [[30.0, 40], [0, 40]]  # hips: both diagonals are 50
    labelled = np.ones((1, 17), bool)
    box = np.array([[0, 0, 30, 100.0]])
    assert torso_lengths(true, labelled, box) == pytest.approx(50)
    predicted = true.copy()
    predicted[0, 0] += [9.9, 0]
    predicted[0, 1] += [10.1, 0]
    assert pck(predicted, true, labelled, np.array([50.0]), 0.2) == (16, 17)
    labelled[0, [11, 12]] = False
    assert torso_lengths(true, labelled, box) == pytest.approx(40)


def test_f1_of_counts() -> None:
    detection = Detection(found=6, missed=2, false=4)
    assert detection.recall == 0.75
    assert detection.precision == 0.6
    assert detection.f1 == pytest.approx(2 * 0.75 * 0.6 / 1.35)


def test_unlabelled_joints_do_not_count_and_hips_stand_in_for_the_pelvis() -> None:
    true = np.random.default_rng(1).normal(size=(2, 24, 3))
    predicted = true + [0.5, 0, 0]
    labelled = np.ones((2, 24), bool)
    labelled[:, [0, 7]] = False
    predicted[:, 0] += 9
    predicted[:, 7] += 9
    predicted[1, 20] += [0, 0.022, 0]
    true[:, 7] = np.nan
    np.testing.assert_allclose(mpjpe(predicted, true, labelled), [0, 1], atol=1e-9)
    assert pa_mpjpe(predicted, true, labelled)[0] == pytest.approx(0, abs=1e-6)


def test_vertex_error_is_relative_to_the_pelvis() -> None:
    true = np.random.default_rng(2).normal(size=(1, 50, 3))
    root = np.array([[0.0, 0, 3]])
    moved = true + [0, 1, 0]
    assert pve(moved, root + [0, 1, 0], true, root) == pytest.approx(0, abs=1e-9)
    assert pve(moved, root, true, root) == pytest.approx(1000)


def test_area_under_the_curve_counts_ordered_pairs() -> None:
    # Positives 3 and 1 against negatives 2 and 1: won 2, lost 1 of 2 x 2, tied 1.
    score, positive = np.array([3.0, 1, 2, 1]), np.array([True, True, False, False])
    assert area_under_curve(score, positive) == pytest.approx((2 + 0.5) / 4)
    assert area_under_curve(score, np.ones(4, bool)) is None
