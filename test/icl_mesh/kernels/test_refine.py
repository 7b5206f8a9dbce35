"""Bodies fitted to keypoints by Reader.refine: as with PyTorch (oracle_refine), and where the truth
is known, there."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest
import torch
from oracle_refine import Bodies, Problem, angle, refine, rotations_of
from refine_cases import (
    PROJECTOR,
    RULES,
    SQUARE,
    People,
    beside,
    correlated_prior,
    errors_m,
    fitted_reader,
    prior,
    refined,
    seen,
    someone,
)

from icl_mesh import kernels
from icl_mesh.kernels import levels

LEFT_ARM_KEYPOINTS, LEFT_ARM_JOINTS = [7, 9], [16, 18]
BUILT = [
    level
    for level in levels.supported_levels()
    if importlib.util.find_spec(f"icl_mesh.kernels._{level}")
]


# --- against PyTorch ---


def problems(people: People, points: np.ndarray, weight: np.ndarray, **rules: Any) -> list[Problem]:
    precision = torch.from_numpy(correlated_prior()).double()
    given = RULES | rules
    return [
        Problem(
            PROJECTOR,
            Bodies(*(one[n : n + 1] for one in people.bodies())),
            torch.from_numpy(points[n : n + 1]).double(),
            torch.from_numpy(weight[n : n + 1]).double(),
            precision,
            **given,
        )
        for n in range(len(people.betas))
    ]


def evidence(people: People, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Of those people: inexact, some keypoints unseen, one far off."""
    rng = np.random.default_rng(seed)
    points, weight = people.keypoints(), rng.random((len(people.betas), 17), np.float32)
    points += 0.01 * rng.normal(size=points.shape).astype(np.float32)
    weight[rng.random(weight.shape) < 0.2] = 0
    points[:, 9] += 0.3
    return points, weight


@pytest.mark.parametrize("iterations", [1, 10])
def test_people_are_fitted_as_with_pytorch(iterations: int) -> None:
    """One iteration is one solution with autograd's Jacobian."""
    truth = someone(8)
    start = beside(truth)
    points, weight = evidence(truth)
    mine = refined(start, points, weight, correlated_prior(), iterations=iterations)
    for n, problem in enumerate(problems(start, points, weight, iterations=iterations)):
        other = [one.numpy()[0] for one in refine(problem)]
        assert angle(mine.rotations[n], other[0]).max() < 1e-3
        np.testing.assert_allclose(mine.betas[n], other[1], atol=1e-3)
        np.testing.assert_allclose(mine.weak_camera[n], other[2], atol=1e-3)
        moved = angle(start.rotations[n], other[0]).max()
        assert moved > 0.05, "nothing to compare"


@pytest.mark.parametrize("level", BUILT)
def test_all_levels_fit_alike(level: str) -> None:
    truth = someone(8)
    start = beside(truth)
    given = (start, *evidence(truth), correlated_prior())
    plain, mine = (refined(*given, levels.load_level(name)) for name in ("baseline", level))
    for name, one, other in zip(People._fields, plain, mine, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-3, err_msg=name)


def test_a_fit_never_ends_worse_than_it_started() -> None:
    """By its own cost, on evidence that is no body."""
    start = someone(64)
    rng = np.random.default_rng(5)
    points, weight = rng.uniform(-1, 1, (64, 17, 2)), rng.random((64, 17), np.float32)
    points = points.astype(np.float32)
    precision = prior(1e-3)
    mine = refined(start, points, weight, precision)
    for n, problem in enumerate(problems(start, points, weight)):
        none = torch.zeros(1, 79, dtype=torch.float64)
        end = Bodies(*(one[n : n + 1] for one in mine.bodies()))
        free = problem._replace(precision=torch.zeros(79, 79, dtype=torch.float64))
        first, last = (free.cost(one, none, RULES["robust"]) for one in (problem.start, end))
        assert last <= first * (1 + 1e-5)
        assert np.isfinite(mine.rotations[n]).all()


# --- where the truth is known ---


def test_exact_keypoints_are_met() -> None:
    truth = someone(16)
    start = beside(truth)
    points = truth.keypoints()
    assert np.median(errors_m(start, points)) > 0.05
    mine = refined(start, points, seen(16), prior(1e-2))
    assert errors_m(mine, points).max() < 0.01
    products = mine.rotations @ mine.rotations.swapaxes(2, 3)
    np.testing.assert_allclose(products - np.eye(3), 0 * products, atol=1e-5)


def test_the_truth_is_a_fixed_point() -> None:
    truth = someone(8)
    mine = refined(truth, truth.keypoints(), seen(8), prior())
    assert angle(mine.rotations, truth.rotations).max() < 1e-3


def test_a_strong_prior_holds_people_where_they_were() -> None:
    truth = someone(8)
    start = beside(truth)
    mine = refined(start, truth.keypoints(), seen(8), prior(1e5))
    assert angle(mine.rotations, start.rotations).max() < 0.01
    np.testing.assert_allclose(mine.betas, start.betas, atol=0.02)


def test_a_limb_that_nobody_saw_stays_by_the_prior() -> None:
    truth = someone(8)
    start = beside(truth)
    weight = seen(8)
    weight[:, LEFT_ARM_KEYPOINTS] = 0
    points = truth.keypoints()
    mine = refined(start, points, weight, prior())
    arm = [mine.rotations[:, LEFT_ARM_JOINTS], start.rotations[:, LEFT_ARM_JOINTS]]
    assert angle(*arm).max() < 1e-6
    rest = angle(mine.rotations, start.rotations)[:, [17, 19]]
    assert np.median(rest) > 0.02
    points[:, LEFT_ARM_KEYPOINTS] = 7  # whatever is said there
    again = refined(start, points, weight, prior())
    np.testing.assert_array_equal(again.rotations, mine.rotations)


def test_a_correlated_prior_moves_an_unseen_limb_along() -> None:
    """Both elbows (18, 19) bend alike: the seen one takes the other with it."""
    start = someone(4)
    turned = start.rotations.copy()
    turned[:, 19] = turned[:, 19] @ rotations_of(np.array([0.0, 0.5, 0.0]))
    points = start._replace(rotations=turned).keypoints()
    precision = prior()
    left, right = np.arange(3 * 18, 3 * 19), np.arange(3 * 19, 3 * 20)
    precision[left, left] = precision[right, right] = 1000
    precision[left, right] = precision[right, left] = -990
    weight = seen(4)
    weight[:, LEFT_ARM_KEYPOINTS] = 0
    mine = refined(start, points, weight, precision)
    moved = angle(mine.rotations, start.rotations)
    assert (moved[:, 19] > 0.05).all()
    np.testing.assert_allclose(moved[:, 18], moved[:, 19], rtol=0.05)


def test_an_outlier_hardly_matters() -> None:
    truth = someone(8)
    start = beside(truth)
    points = truth.keypoints()
    wrong = points.copy()
    wrong[:, 10] += truth.weak_camera[:, :1]  # 1.4 m beside
    mine = refined(start, wrong, seen(8), prior(0.1))
    others = np.delete(np.arange(17), 10)
    assert errors_m(mine, points)[:, others].max() < 0.02


def test_a_refined_person_is_placed_where_it_was_fitted() -> None:
    truth = someone(5)
    points = truth.keypoints()
    reader = fitted_reader(beside(truth), prior(1e-2), kernels.compiled)
    reader.refine(points, seen(5))
    reader.place()
    assert reader.broken() == []
    rows = {name: view[:5] for name, view in reader.views().items()}
    mine = People(*(rows[name] for name in People._fields)).bodies()
    joints, keypoints = PROJECTOR.points(mine)
    from_root = rows["joints"] - rows["joints"][:, :1]
    np.testing.assert_allclose(from_root, joints.numpy(), atol=1e-5)
    both = PROJECTOR.square(torch.cat((joints, keypoints), 1), mine.weak).numpy()
    np.testing.assert_allclose(rows["square"], both, atol=1e-5)
    np.testing.assert_allclose(rows["depth"], SQUARE.focal / rows["weak_camera"][:, 0], rtol=1e-5)
