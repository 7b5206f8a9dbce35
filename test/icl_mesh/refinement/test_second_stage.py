"""The second stage inside the estimator, with a keypoint network that answers as told."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from icl_mesh import Camera, Estimator
from icl_mesh.body import BodyModel
from icl_mesh.decode.reader import FirstPeople
from icl_mesh.engine.keypoints import KeypointEngine
from icl_mesh.geometry.view import View
from icl_mesh.network import build_network
from icl_mesh.network.refinement import Refinement
from icl_mesh.refinement import Budget, SecondStage

CAMERA = Camera(580.0, 580.0, 319.5, 239.5, 640, 480)
SIZE = 256
IMAGE = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)


class Answer:
    """Keypoints in the middle of every crop, and how many crops were seen."""

    def __init__(self) -> None:
        self.crops = 0

    def __call__(self, crops: torch.Tensor) -> torch.Tensor:
        self.crops += len(crops)
        assert crops.isfinite().all()
        maps = torch.zeros(len(crops), 86, 64, 64)
        maps[:, 0, 32, 32] = 0.9
        maps[:, 1:18, 32, 32] = 0.8
        return maps


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = build_network("mobilenet_v2", head_width=0.25)
    network.refinement = Refinement()
    network.refinement.gate.copy_(torch.tensor([10.0, 0, 0, 0, 0, 0, 0, -4.0]))
    return network.eval()


@pytest.fixture
def answer() -> Answer:
    return Answer()


@pytest.fixture
def stage(network, answer) -> SecondStage:
    return SecondStage(network, KeypointEngine("torch:f32", torch.device("cpu"), answer))


@pytest.fixture
def estimator(network, body: BodyModel, stage) -> Estimator:
    estimator = Estimator(network, body, input_size=SIZE, threshold=0.05, device="cpu")
    estimator.second_stage = stage
    return estimator


def people_at(centers: np.ndarray, side: float) -> FirstPeople:
    """N people, their 41 points on a box around their centres in square coordinates."""
    rng = np.random.default_rng(1)
    points = rng.uniform(-0.5, 0.5, (len(centers), 41, 2))
    points[:, 24], points[:, 25] = -0.5, 0.5
    square = (centers[:, None] + side * points).astype(np.float32)
    return FirstPeople(square, np.full(len(centers), 0.5), np.ones((len(centers), 64), np.float32))


def evidence(stage: SecondStage, people: FirstPeople, budget: Budget | None = None):
    view = View.of(CAMERA, SIZE)
    with torch.inference_mode():
        maps = stage._network.inference_maps(torch.zeros(1, 3, SIZE, SIZE))
    return stage(IMAGE, view, maps, people, budget)


def test_keypoints_of_a_crop_come_back_to_their_person(stage) -> None:
    centers = np.array([[-0.4, -0.1], [0.5, 0.2]])
    seen = evidence(stage, people_at(centers, 0.4))
    # To half a cell of the maps, which is 1/128 of the crop's side of 1.2 * 0.4.
    expected = np.broadcast_to(centers[:, None], (2, 17, 2))
    np.testing.assert_allclose(seen.keypoints, expected, atol=0.5 * 1.2 * 0.4 / 64 + 2 / SIZE)
    np.testing.assert_allclose(seen.weight, 1 / (1 + np.exp(-4.0)), rtol=1e-5)
    assert seen.refined.all()
    assert not seen.duplicate.any()


def test_a_person_detected_twice_is_one(stage) -> None:
    people = people_at(np.array([[0.1, 0.1], [0.1, 0.1], [-0.6, 0.1]]), 0.4)
    people.square[1] = people.square[0]
    people.score[1] = 0.6
    assert evidence(stage, people).duplicate.tolist() == [True, False, False]


@pytest.mark.parametrize("side", [1e-9, 1e-3, 0.4, 30.0])
@pytest.mark.parametrize("center", [0.0, 1.5, -40.0])
def test_crops_anywhere_and_of_any_size(stage, side, center) -> None:
    seen = evidence(stage, people_at(np.array([[center, center]]), side))
    assert np.isfinite(seen.keypoints).all()
    assert np.isfinite(seen.score).all()


def test_64_people_and_nobody(stage, answer) -> None:
    assert len(evidence(stage, people_at(np.zeros((64, 2)), 0.5)).score) == 64
    assert answer.crops == 64
    assert len(evidence(stage, people_at(np.zeros((0, 2)), 0.5)).score) == 0


def test_a_budget_refines_one_and_the_others_carry_on(stage, answer) -> None:
    budget, people = Budget(0.0), people_at(np.array([[-0.4, 0.0], [0.4, 0.0]]), 0.4)
    people.score[1] = 0.6
    first = evidence(stage, people, budget)
    assert first.refined.tolist() == [False, True]
    np.testing.assert_array_equal(first.weight[0], 0)
    assert first.score[0] == 0.5
    second = evidence(stage, people, budget)
    assert answer.crops == 2
    assert second.refined.tolist() == [True, True]
    # The person of the first image keeps its keypoints, with less weight.
    np.testing.assert_allclose(second.keypoints[1], first.keypoints[1], atol=1e-5)
    np.testing.assert_allclose(second.weight[1], 0.8 * first.weight[1], rtol=1e-5)
    assert second.score[1] == first.score[1]


def test_kept_people_are_sorted_by_their_new_score(stage) -> None:
    people = people_at(np.array([[-0.6, 0.0], [0.0, 0.0], [0.6, 0.0]]), 0.3)
    people.score[:] = 0.2, 0.9, 0.5
    seen = evidence(stage, people)._replace(score=np.array([0.3, 0.1, 0.6]))
    assert seen.kept(0.2, 0.2).tolist() == [2, 0]
    unrefined = seen._replace(refined=np.array([True, False, True]))
    assert unrefined.kept(0.2, 0.05).tolist() == [2, 0, 1]


def test_the_estimator_refines(estimator, answer) -> None:
    people = estimator(IMAGE, CAMERA)
    assert answer.crops > 0
    assert people.refined.all()
    assert (np.diff(people.score) <= 0).all()
    assert np.isfinite(people.joints_m).all()


def test_without_refinement_it_is_the_first_stage(estimator, network, body, answer) -> None:
    plain = Estimator(network, body, input_size=SIZE, threshold=0.05, device="cpu")
    before, after = plain(IMAGE, CAMERA), estimator(IMAGE, CAMERA, refine=False)
    assert answer.crops == 0
    assert not after.refined.any()
    np.testing.assert_array_equal(before.joints_m, after.joints_m)
    np.testing.assert_array_equal(before.score, after.score)


def test_refined_people_lie_on_their_keypoints(estimator) -> None:
    """All keypoints in the middle of the crop: people get smaller in the image than they were."""
    before, after = estimator(IMAGE, CAMERA, refine=False), estimator(IMAGE, CAMERA)
    assert np.ptp(after.joints_px, axis=1).mean() < 0.9 * np.ptp(before.joints_px, axis=1).mean()


def test_a_person_whose_crop_shows_somebody_else_keeps_the_first_pose(stage) -> None:
    """Both crops have the same middle; the second person's pose lies beside its middle."""
    people = people_at(np.array([[0.1, 0.1], [0.1, 0.1]]), 0.4)
    people.square[0, 26:] = 0.1  # the first person's points are where the keypoints are
    alone = evidence(stage, FirstPeople(*(rows[1:] for rows in people)))
    both = evidence(stage, people)
    assert both.weight[0].min() > 0
    assert both.weight[1].max() == 0
    assert both.score[1] == pytest.approx(0.5 * alone.score[0], rel=1e-6)
    assert both.refined.all()
    assert not both.duplicate.any()
