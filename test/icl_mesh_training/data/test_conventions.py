"""The tables: joints, visibility, losses."""

import re
from pathlib import Path

import numpy as np
import pytest

from icl_mesh.body.layout import JOINT_NAMES
from icl_mesh_training.data.augmentation import MIRRORED_JOINTS
from icl_mesh_training.data.catalogue import DATASETS
from icl_mesh_training.data.conventions import CONVENTIONS, Convention
from icl_mesh_training.data.visibility import UNLABELLED, VISIBILITY_RULES
from icl_mesh_training.losses.objective import PAPER_WEIGHTS
from icl_mesh_training.scenes.render.labels import BY_OBJECT, VISIBLE

# Supplementary, Table 2: pose, shape, 3d, pa3d, 2d.
TABLE_2 = {
    "h36m": "11111",
    "mpi_inf_3dhp": "  111",
    "muco": "  111",
    "mpii": "11111",
    "lsp": "11111",
    "coco": "11111",
    "crowdpose": "    1",
}
LOSSES = ("pose", "shape", "joints_3d", "joints_3d_aligned", "joints_2d")


@pytest.mark.parametrize("name", TABLE_2)
def test_losses_of_a_training_set_are_those_of_table_2(name: str) -> None:
    expected = {loss for loss, mark in zip(LOSSES, TABLE_2[name], strict=True) if mark == "1"}
    assert DATASETS[name].losses == expected
    assert expected <= set(PAPER_WEIGHTS)


def test_training_draws_from_the_data_sets_of_table_2_alone() -> None:
    shares = {name: info.share for name, info in DATASETS.items() if info.share}
    assert set(shares) == set(TABLE_2)
    assert sum(shares.values()) == pytest.approx(1.0)


def test_the_documents_table_is_the_codes() -> None:
    text = (Path(__file__).parents[3] / "docs" / "datasets.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| `(\w+)` \|(.*)\| ([\w.]+) \|$", text, re.MULTILINE)
    assert [name for _, name, _, _ in rows] == list(DATASETS)
    for title, name, marks, share in rows:
        losses = {
            loss for loss, mark in zip(LOSSES, marks.split("|"), strict=True) if mark.strip() == "1"
        }
        assert (title, losses) == (DATASETS[name].title, DATASETS[name].losses)
        assert DATASETS[name].share == (0.0 if share == "evaluation" else float(share))


@pytest.mark.parametrize("name", CONVENTIONS)
def test_a_joint_is_the_mean_of_its_points(name: str) -> None:
    matrix = CONVENTIONS[name].matrix
    assert set(np.round(matrix.sum(axis=1), 9)) <= {0.0, 1.0}
    # The faults of the public release: hips that no data set labels.
    for joint in ("left_hip", "right_hip", "left_ankle", "right_wrist", "pelvis"):
        assert matrix[JOINT_NAMES.index(joint)].sum() == pytest.approx(1)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_left_stays_left(name: str) -> None:
    """Exchanging sides among the points exchanges the joints' sides, and nothing else."""
    convention = CONVENTIONS[name]
    side = {"left": "right", "right": "left"}
    names = [
        "_".join([side.get(first, first), *rest])
        for first, *rest in (point.split("_") for point in convention.names)
    ]
    order = [convention.names.index(point) for point in names]
    mirrored = convention.matrix[:, order]
    np.testing.assert_array_equal(mirrored, convention.matrix[list(MIRRORED_JOINTS)])


def test_a_point_that_is_forgotten_is_refused() -> None:
    with pytest.raises(ValueError, match="either mapped or unmapped"):
        Convention(("left_hip", "right_hip", "tail"), {"pelvis": ("left_hip", "right_hip")})


@pytest.mark.parametrize(
    ("name", "flags", "expected"),
    [
        ("coco", [0, 1, 2], [UNLABELLED, BY_OBJECT, VISIBLE]),
        ("crowdpose", [0, 1, 2], [UNLABELLED, BY_OBJECT, VISIBLE]),
        ("ochuman", [0, 1, 2], [UNLABELLED, BY_OBJECT, VISIBLE]),
        ("h36m", [0, 0.3, 1], [UNLABELLED, VISIBLE, VISIBLE]),
        ("mpi_inf_3dhp", [0, 0.3, 1], [UNLABELLED, VISIBLE, VISIBLE]),
        ("mpii", [0, 1, 1], [UNLABELLED, VISIBLE, VISIBLE]),
        ("lsp", [0, 1, 1], [VISIBLE, BY_OBJECT, BY_OBJECT]),
        ("lspet", [0, 1, 1], [UNLABELLED, VISIBLE, VISIBLE]),
        ("muco", [1, 1, 1], [VISIBLE, VISIBLE, VISIBLE]),
        ("3dpw", [1, 1, 1], [VISIBLE, VISIBLE, VISIBLE]),
        ("panoptic", [-1, 0.05, 1], [UNLABELLED, UNLABELLED, VISIBLE]),
    ],
)
def test_visibility(name: str, flags: list[float], expected: list[int]) -> None:
    assert VISIBILITY_RULES[name](np.array(flags)).tolist() == expected


def test_a_mean_is_as_hidden_as_its_worst_point() -> None:
    convention = CONVENTIONS["coco17"]
    points = np.arange(34, dtype=float).reshape(1, 17, 2)
    state = np.zeros((1, 17), np.uint8)
    left, right = convention.names.index("left_hip"), convention.names.index("right_hip")
    joints, joint_state = convention.to_smpl(points, state)
    np.testing.assert_array_equal(joints[0, 0], (points[0, left] + points[0, right]) / 2)
    state[0, left] = BY_OBJECT
    assert convention.to_smpl(points, state)[1][0, :3].tolist() == [BY_OBJECT, BY_OBJECT, VISIBLE]
    state[0, left] = UNLABELLED
    joints, joint_state = convention.to_smpl(points, state)
    assert joint_state[0, :3].tolist() == [UNLABELLED, UNLABELLED, VISIBLE]
    assert np.isnan(joints[0, :2]).all()
