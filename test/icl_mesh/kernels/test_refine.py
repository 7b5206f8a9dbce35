"""Bodies fitted to keypoints by Reader.refine: as with PyTorch (oracle_refine), and where the truth
is known, there."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from kernel_cases import READER_RULES, geometry
from oracle_refine import Bodies, Problem, Projector, angle, refine, rotations_of

from icl_mesh import kernels
from icl_mesh.body import BodyModel
from icl_mesh.body.kinematics import Poser
from icl_mesh.body.rig import KEYPOINT_BONE, KEYPOINT_JOINT, KeypointRig
from icl_mesh.geometry.camera import SquareCamera
from icl_mesh.kernels import levels

BODY = BodyModel.load()
#: That of kernel_cases.geometry, but for the focal length.
SQUARE = SquareCamera(1.575, 1.575, 0.0, 0.0)
PROJECTOR = Projector(BODY, SQUARE)
RULES = {"sigma": 0.03, "robust": 0.1, "iterations": 10}
SIDE = 36
LEFT_ARM_KEYPOINTS, LEFT_ARM_JOINTS = [7, 9], [16, 18]
BUILT = [
    level
    for level in levels.supported_levels()
    if importlib.util.find_spec(f"icl_mesh.kernels._{level}")
]


class People(NamedTuple):
    rotations: np.ndarray  # [N, 24, 3, 3]
    betas: np.ndarray  # [N, 10]
    weak: np.ndarray  # [N, 3]

    def bodies(self) -> Bodies:
        return Bodies.of(*self)

    def keypoints(self) -> np.ndarray:
        """[N, 17, 2] in the square."""
        return PROJECTOR.keypoints(self.bodies()).numpy().astype(np.float32)


def someone(count: int, seed: int = 0, bent: float = 0.4) -> People:
    """Random people, upright or not, some metres away."""
    rng = np.random.default_rng(seed)
    turns = bent * rng.normal(size=(count, 24, 3))
    turns[:, 0] = rng.normal(size=(count, 3))
    scale = rng.uniform(0.3, 0.8, (count, 1))
    weak = np.hstack((scale, rng.uniform(-0.5, 0.5, (count, 2)))).astype(np.float32)
    return People(rotations_of(turns), rng.normal(size=(count, 10)).astype(np.float32), weak)


def beside(people: People, seed: int = 1, bent: float = 0.15) -> People:
    """Those people, a bit moved."""
    rng = np.random.default_rng(seed)
    count = len(people.betas)
    turns = rotations_of(bent * rng.normal(size=(count, 24, 3)))
    turns[:, 22:] = np.eye(3)
    weak = people.weak.copy()
    weak[:, 0] *= np.exp(rng.normal(0, 0.05, count)).astype(np.float32)
    weak[:, 1:] += rng.normal(0, 0.05, (count, 2)).astype(np.float32)
    betas = people.betas + rng.normal(0, 0.5, (count, 10)).astype(np.float32)
    return People(people.rotations @ turns, betas, weak)


def prior(strength: float = 1.0) -> np.ndarray:
    return strength * np.diag([10.0] * 66 + [20.0] * 3 + [1.0] * 10).astype(np.float32)


def correlated_prior() -> np.ndarray:
    mixed = np.linalg.qr(np.random.default_rng(2).normal(size=(79, 79)))[0]
    correlation = 0.7 * np.eye(79) + 0.3 * mixed @ np.diag(np.linspace(0.1, 3, 79)) @ mixed.T
    scale = np.sqrt(np.diag(prior()).astype(float))
    return (scale[:, None] * correlation * scale).astype(np.float32)


def fitted_reader(
    people: People, precision: np.ndarray | None, k: ModuleType, **rules: Any
) -> kernels.Reader:
    """A reader that holds these people, as if it had read them from maps."""
    rest, directions, parents = Poser(BODY).skeleton_tables
    count = len(people.betas)
    reader = k.Reader(
        rules=k.Rules(**READER_RULES),
        body=k.Body(
            rest=rest.reshape(24, 3),
            rest_directions=np.ascontiguousarray(directions).reshape(10, 24, 3),
            parents=parents,
            keypoint_joint=KEYPOINT_JOINT,
            keypoint_bone=KEYPOINT_BONE,
            keypoint_offset=np.ascontiguousarray(KeypointRig(BODY).offsets),
        ),
        center_projector=np.full((3, 64, 64), np.nan, np.float32),
        joint_projector=np.full((3, 64, 64), np.nan, np.float32),
        lifter=None,
        keypoint_fit=None
        if precision is None
        else k.KeypointFit(precision=precision, **RULES | rules),
    )
    heat = np.zeros((1, 1, SIDE, SIDE), np.float32)
    for n in range(count):
        heat[0, 0, 2 + 4 * (n // 8), 2 + 4 * (n % 8)] = 0.9
    reader.set_view(geometry(k), None)
    reader.read_from(
        center_heatmap=heat,
        joint_heatmaps=np.zeros((1, 24, SIDE, SIDE), np.float32),
        camera=np.zeros((1, 3, SIDE, SIDE), np.float32),
        center_instance=np.ones((1, 64, SIDE, SIDE), np.float32),
        joint_instance=np.ones((1, 64, SIDE, SIDE), np.float32),
    )
    assert reader.find(0.5) == count
    upright = np.concatenate((np.tile([1, 0, 0, 0, 1, 0], 22), np.zeros(10)))
    assert reader.fit(np.tile(upright, (count, 1)).astype(np.float32)) == count
    for name, values in people._asdict().items():
        reader.views()[name][:count] = values
    return reader


def refined(
    people: People,
    points: np.ndarray,
    weight: np.ndarray,
    precision: np.ndarray,
    k: ModuleType = kernels.compiled,
    **rules: Any,
) -> People:
    reader = fitted_reader(people, precision, k, **rules)
    reader.refine(points, weight)
    views = reader.views()
    return People(*(views[name][: len(people.betas)].copy() for name in People._fields))


def seen(count: int) -> np.ndarray:
    return np.ones((count, 17), np.float32)


def errors_m(people: People, points: np.ndarray) -> np.ndarray:
    """Of the keypoints in the image [N, 17], m of the body."""
    return np.linalg.norm(people.keypoints() - points, axis=2) / people.weak[:, :1]


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
        np.testing.assert_allclose(mine.weak[n], other[2], atol=1e-3)
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
    wrong[:, 10] += truth.weak[:, :1]  # 1.4 m beside
    mine = refined(start, wrong, seen(8), prior(0.1))
    others = np.delete(np.arange(17), 10)
    assert errors_m(mine, points)[:, others].max() < 0.02


# --- what is no good ---


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
    start.weak[1, 0], start.betas[2, 3] = 0, np.nan
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
