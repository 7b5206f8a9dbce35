"""The threshold by cross-validation: each fold's from the others, counted as `evaluate` counts."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from icl_mesh.body import BodyModel
from icl_mesh.geometry.camera import Camera
from icl_mesh.people import People
from icl_mesh_training.evaluation.evaluate import evaluate_photos
from icl_mesh_training.evaluation.threshold import GRID, choose, count_at_thresholds, cross_validate
from icl_mesh_training.evaluation.truth import truth_of_coco


def points(left: float) -> np.ndarray:
    """17 keypoints in a box of 80 x 160."""
    return np.stack((left + 5.0 * np.arange(17), 10.0 * np.arange(17)), axis=1)


def annotation(number: int, left: float) -> dict[str, object]:
    labels = np.concatenate((points(left), np.full((17, 1), 2)), axis=1).ravel().tolist()
    box = [left, 0, 80, 160]
    return {"id": number, "image_id": number, "category_id": 1, "keypoints": labels, "bbox": box}


def column(*steps: tuple[float, tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Counts of one image at each threshold: those of the last step at or below it."""
    return [next(c for start, c in reversed(steps) if threshold >= start) for threshold in GRID]


def test_each_fold_takes_the_least_threshold_of_the_others() -> None:
    # Four images with a false person of score 0.29 beside a true one, and one with three of 0.69.
    easy = column((0, (1, 0, 1)), (0.3, (1, 0, 0)), (0.9, (0, 1, 0)))
    hard = column((0, (1, 0, 3)), (0.7, (1, 0, 0)), (0.9, (0, 1, 0)))
    result = choose(np.array([easy, easy, hard, easy, easy]), 0.85, folds=5)
    thresholds = [row["threshold"] for row in result["folds"]]
    assert sorted(thresholds) == [0.3, 0.7, 0.7, 0.7, 0.7]
    of_hard = result["folds"][thresholds.index(0.3)]  # chosen without the hard image, held out
    assert (of_hard["precision"], of_hard["recall"], of_hard["people"]) == (0.25, 1, 1)
    assert result["threshold"] == 0.7
    assert result["all"] == {"people": 5, "recall": 1, "precision": 1}
    assert result["held_out"] == {"people": 5, "recall": 1, "precision": 5 / 8}
    again = choose(np.array([easy, easy, hard, easy, easy]), 0.85, folds=5)
    assert again == result


def test_a_precision_that_nothing_reaches() -> None:
    never = column((0, (1, 0, 3)), (0.4, (1, 0, 1)), (0.8, (0, 1, 0)))
    with pytest.raises(ValueError, match=r"precision of 0\.85 .* highest is 0\.500, at 0\.4: ask"):
        choose(np.array([never] * 4), 0.85, folds=2)


def test_counts_are_those_of_evaluate() -> None:
    """A better-placed person with a low score takes over the match, as when all are counted."""
    truth = truth_of_coco([annotation(1, 0), annotation(2, 300)])
    found = np.stack((points(30), points(0), points(600), points(300)))
    score = np.array([0.8, 0.5, 0.4, 0.2])
    counts = dict(zip(GRID, count_at_thresholds(found, score, truth).tolist(), strict=True))
    assert counts[0.9] == [0, 2, 0]
    assert counts[0.8] == [1, 1, 0]
    assert counts[0.5] == [1, 1, 1]
    assert counts[0.4] == [1, 1, 2]
    assert counts[0.2] == counts[0.05] == [2, 0, 2]


class Scored:
    """Stands in for an estimator: in image n a true person of a score, and a false one of 0.3."""

    def __init__(self, second_stage: bool) -> None:
        self.body, self.threshold, self.refined_threshold = BodyModel.load(), 0.36, 0.36
        self.second_stage = object() if second_stage else None

    def __call__(self, image: np.ndarray) -> People:
        people = People.empty(Camera.assumed(image.shape[1], image.shape[0]), self.body, "scored")
        score = np.array([0.5, 0.3], np.float32)
        least = self.threshold if self.second_stage is None else self.refined_threshold
        people.score = score[score >= least]
        people.joint_confidence = np.zeros((len(people.score), 24), np.float32)
        return people


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    given = np.stack((points(0), points(400)))
    monkeypatch.setattr(People, "keypoints_px", lambda self, _: given[: len(self)])
    (tmp_path / "images").mkdir()
    records = []
    for number in range(4):
        Image.new("RGB", (600, 200)).save(tmp_path / "images" / f"{number}.jpg")
        records.append({"id": number, "file_name": f"{number}.jpg", "width": 600, "height": 200})
    content = {"images": records, "annotations": [annotation(n, 0) for n in range(4)]}
    (tmp_path / "person_keypoints.json").write_text(json.dumps(content))
    return tmp_path


@pytest.mark.parametrize("second_stage", [False, True])
def test_photos_give_their_threshold(folder: Path, second_stage: bool) -> None:
    estimator = Scored(second_stage)
    result = cross_validate(estimator, [folder, folder], 0.9, folds=4)  # type: ignore[arg-type]
    assert result["threshold"] == 0.31
    assert result["held_out"] == {"people": 8, "recall": 1, "precision": 1}
    # The first stage proposes to the second as it does at work.
    assert estimator.threshold == (0.36 if second_stage else GRID[0])
    estimator.threshold = estimator.refined_threshold = 0.05
    low = evaluate_photos(estimator, folder)  # type: ignore[arg-type]
    half = cross_validate(estimator, [folder], low["precision"], folds=2)  # type: ignore[arg-type]
    assert half["threshold"] == GRID[0] and half["all"]["precision"] == low["precision"] == 0.5


def test_more_folds_than_photos(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"between 2 and the number of photos, 4; got 5"):
        cross_validate(Scored(False), [folder], 0.9, folds=5)  # type: ignore[arg-type]
