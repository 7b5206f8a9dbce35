"""Evidence, people and rules that Reader.refine cannot use, and any number of people."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from refine_cases import RULES, People, beside, fitted_reader, prior, refined, seen, someone

from icl_mesh import kernels


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_evidence_that_is_no_number_is_none(value: float) -> None:
    truth = someone(3)
    start = beside(truth)
    weight = seen(3)
    weight[:, 4] = 0
    wanted = refined(start, truth.keypoints(), weight, prior())
    points = truth.keypoints()
    points[:, 4, 1] = value
    in_points = refined(start, points, seen(3), prior())
    weight[:, 4] = value if value != 1e30 else -1
    in_weight = refined(start, truth.keypoints(), weight, prior())
    for name, *others in zip(People._fields, wanted, in_points, in_weight, strict=True):
        for other in others:
            np.testing.assert_array_equal(other, others[0], err_msg=name)


@pytest.mark.parametrize("weight", [0.0, -1.0, np.nan, np.inf, 3e38])
def test_nothing_to_fit_to_changes_nothing(weight: float) -> None:
    """3e38: equations that no float32 holds."""
    start = someone(3)
    points = beside(start).keypoints()
    mine = refined(start, points, np.full((3, 17), weight, np.float32), prior())
    for one, other in zip(mine, start, strict=True):
        np.testing.assert_array_equal(one, other)


def test_broken_people_stay_broken_and_leave_the_others_alone() -> None:
    start = someone(4)
    points = beside(start).keypoints()
    alone = refined(start, points, seen(4), prior())
    start.weak_camera[1, 0], start.betas[2, 3] = 0, np.nan
    mine = refined(start, points, seen(4), prior())
    for one, other, first in zip(mine, alone, start, strict=True):
        np.testing.assert_array_equal(one[[0, 3]], other[[0, 3]])
        np.testing.assert_array_equal(one[[1, 2]], first[[1, 2]])


@pytest.mark.parametrize("count", [0, 1, 64])
def test_so_many_people_are_fitted_one_by_one(count: int) -> None:
    truth = someone(count)
    start = beside(truth)
    points = truth.keypoints()
    mine = refined(start, points, seen(count), prior())
    for n in range(0, count, 21):
        one = People(*(array[n : n + 1] for array in start))
        alone = refined(one, points[n : n + 1], seen(1), prior())
        np.testing.assert_array_equal(alone.rotations[0], mine.rotations[n])


def test_refine_says_what_it_lacks() -> None:
    start = someone(2)
    given = (start.keypoints(), seen(2))
    with pytest.raises(ValueError, match="refine needs a reader with a keypoint_fit"):
        fitted_reader(start, None, kernels.compiled).refine(*given)
    reader = fitted_reader(start, prior(), kernels.compiled)
    with pytest.raises(ValueError, match="weight must have 2 rows, got 3"):
        reader.refine(given[0], seen(3))
    reader.place()
    with pytest.raises(ValueError, match="fit comes first"):
        reader.refine(*given)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sigma": 0.0}, "sigma must be above 0"),
        ({"sigma": float("nan")}, "sigma must be above 0"),
        ({"robust": -1.0}, "robust must be above 0"),
        ({"iterations": 0}, "iterations must be 1 or more"),
        ({"precision": np.full((79, 79), np.nan, np.float32)}, "precision must be finite"),
        ({"precision": np.triu(np.ones((79, 79), np.float32))}, "precision must be symmetric"),
        ({"precision": -np.eye(79, dtype=np.float32)}, "precision must be .*positive definite"),
        ({"precision": np.zeros((79, 79), np.float32)}, "precision must be .*positive definite"),
    ],
)
def test_rules_that_cannot_be_are_named(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kernels.KeypointFit(**{"precision": prior(), **RULES, **changed})
