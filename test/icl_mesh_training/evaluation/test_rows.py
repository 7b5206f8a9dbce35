"""Bins, facing directions, calibration and PCK at two distances, by hand-made people."""

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from icl_mesh.body import BodyModel
from icl_mesh.geometry.camera import Camera
from icl_mesh.people import People
from icl_mesh_training.evaluation.facing import swapped_sides, turned_away
from icl_mesh_training.evaluation.metrics import calibration_error
from icl_mesh_training.evaluation.rows import Row, bins_of, errors_of
from icl_mesh_training.evaluation.scoring import Scores
from icl_mesh_training.evaluation.truth import Truth, truth_of_coco
from icl_mesh_training.scenes.render.labels import BY_PERSON, VISIBLE

RIGHT_HIP, LEFT_SHOULDER = 2, 16


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load()


def rest(body: BodyModel) -> np.ndarray:
    joints = body.joints(*_neutral())
    return joints.numpy().astype(float)


def _neutral() -> Any:
    import torch

    return torch.zeros(1, 10), torch.eye(3).expand(1, 24, 3, 3)


def test_turned_by_more_than_a_right_angle(body: BodyModel) -> None:
    true, labelled = rest(body), np.ones((1, 24), bool)
    for degrees, turned in ((0, 0), (80, 0), (-80, 0), (100, 1), (180, 1), (260, 1)):
        about = Rotation.from_euler("y", degrees, degrees=True).as_matrix()
        assert turned_away(true @ about.T, true, labelled).tolist() == [turned], degrees
    # A nod, a bow and somebody upside down who faces the same way are not turned about.
    nod = Rotation.from_euler("x", 80, degrees=True).as_matrix()
    assert turned_away(true @ nod.T, true, labelled).tolist() == [0]
    labelled[0, LEFT_SHOULDER] = False
    assert np.isnan(turned_away(true, true, labelled)).all()


def test_sides_that_are_apart_can_be_swapped() -> None:
    true = np.zeros((2, 17, 2))
    true[:, [5, 11], 0] = [60, 55]  # left sides; the right ones are at 0
    labelled, torso = np.ones((2, 17), bool), np.array([100.0, 100.0])
    near = true.copy()
    near[1] *= -1
    assert swapped_sides(near, true, labelled, torso) == (2, 4)
    labelled[1, 6] = False  # the shoulders of the second person
    assert swapped_sides(near, true, labelled, torso) == (1, 3)
    true[1, 11, 0] = 9  # the hips are less than a tenth of the torso apart
    assert swapped_sides(near, true, labelled, torso) == (0, 2)


def test_calibration_is_the_mean_difference_in_bins() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.05, 0.15, 1.0])
    right = np.array([True, True, True, False, False, True, True])
    # In the last bin 4 of 5 are right at a mean of 0.96; then 0.05 for 0 and 0.15 for 1.
    expected = (5 * (0.96 - 0.8) + 0.05 + 0.85) / 7
    assert calibration_error(confidence, right) == pytest.approx(expected)
    assert calibration_error(np.full(4, 0.75), np.array([True, True, True, False])) == 0
    assert calibration_error(np.zeros(0), np.zeros(0, bool)) is None


def test_bins_by_what_is_outside_the_image() -> None:
    rows = [
        Row(0.0, 0.0, True, mpjpe=50, turned=0),
        Row(0.0, 0.3, True, mpjpe=100, turned=1),
        Row(0.0, 0.49, False),
        Row(0.0, 1.0, False),
    ]
    assert bins_of(rows, "outside") == [
        {"outside": [0.0, 0.1], "people": 1, "recall": 1, "mpjpe_mm": 50, "front_back": 0},
        {"outside": [0.25, 0.5], "people": 2, "recall": 0.5, "mpjpe_mm": 100, "front_back": 1},
        {"outside": [0.75, 1.0], "people": 1, "recall": 0},
    ]
    assert [row["people"] for row in bins_of(rows, "hidden")] == [4]
    assert errors_of(rows)["front_back"] == 0.5
    assert bins_of([Row(np.nan, np.nan, True)], "outside") == []


def one_person(body: BodyModel, joints_px: np.ndarray, confidence: np.ndarray) -> People:
    people = People.empty(Camera.assumed(1280, 720), body, "one")
    people.score = np.ones(1, np.float32)
    people.joints_px = joints_px[None].astype(np.float32)
    people.joints_m = (rest(body) + [0, 0, 4]).astype(np.float32)
    people.joint_confidence = confidence[None].astype(np.float32)
    return people


def test_scenes_are_calibrated_by_visible_joints_in_their_place(body: BodyModel) -> None:
    true = rest(body)[0, :, :2] * 300 + 360
    torso = np.linalg.norm(true[LEFT_SHOULDER] - true[RIGHT_HIP])
    moved = true.copy()
    moved[20] += [0.21 * torso, 0]
    moved[21] += [0.19 * torso, 0]
    occlusion = np.full((1, 24), VISIBLE, np.uint8)
    occlusion[0, 7] = BY_PERSON
    truth = Truth(
        points_px=true[None],
        labelled=np.ones((1, 24), bool),
        demanded=np.ones(1, bool),
        box_px=np.array([[0.0, 0.0, 720.0, 720.0]]),
        joints_m=rest(body) + [0, 0, 4],
        labelled_3d=np.ones((1, 24), bool),
        occlusion=occlusion,
        outside_share=np.array([0.2]),
    )
    scores = Scores()
    scores.add(one_person(body, moved, np.ones(24)), truth)
    result = scores.result()
    assert result["calibration_error"] == pytest.approx(2 / 24)  # a joint away, one hidden
    assert result["front_back"] == 0
    assert [row["outside"] for row in result["bins_outside"]] == [[0.1, 0.25]]
    assert "bins" not in result


def test_photos_count_labelled_keypoints(body: BodyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    true = np.zeros((17, 2))
    true[5], true[6], true[11], true[12] = (160, 100), (100, 100), (160, 180), (100, 180)
    true[[0, 1, 2, 3, 4]] = [130, 60]
    true[[7, 9]], true[[8, 10]], true[[13, 15]], true[[14, 16]] = (
        *((180, 150), (80, 150)),
        *((160, 260), (100, 260)),
    )
    flags = np.full(17, 2)
    flags[15] = 0  # the left ankle has no label
    labels = np.concatenate((true, flags[:, None]), axis=1).ravel().tolist()
    annotation = {"keypoints": labels, "bbox": [70, 50, 120, 220], "area": 9000.0}
    found = true.copy()
    torso = 100.0  # both diagonals are (60, 80)
    found[7] += [0.15 * torso, 0]
    found[9] += [0.25 * torso, 0]
    found[15] += [500, 0]
    found[[11, 12]] = found[[12, 11]]  # the hips are swapped: both are 60 px away
    person = one_person(body, np.zeros((24, 2)), np.full(24, 0.9))
    monkeypatch.setattr(People, "keypoints_px", lambda self, _: found[None][: len(self)])
    scores = Scores()
    scores.add(person, truth_of_coco([annotation, {**annotation, "keypoints": [0] * 51}]))
    missed = np.concatenate((true + [400, 0], flags[:, None]), axis=1).ravel().tolist()
    nobody = People.empty(person.camera, body, "none")
    scores.add(nobody, truth_of_coco([{**annotation, "keypoints": missed}]))
    result = scores.result()
    assert result["pck_found"] == pytest.approx(13 / 16)
    assert result["pck_01_found"] == pytest.approx(12 / 16)
    assert result["pck"] == pytest.approx(13 / 32)
    assert result["pck_01"] == pytest.approx(12 / 32)
    assert result["left_right"] == 0.5
    # 11 labelled limb joints, of which the left wrist and both hips are wrong.
    assert result["calibration_error"] == pytest.approx(0.9 - 8 / 11)
    assert "front_back" not in result
