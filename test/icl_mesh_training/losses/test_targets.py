"""Targets against hand computations and CenterNet's written-out rule."""

import math

import numpy as np
import pytest
import torch

from icl_mesh_training.data.batch import Batch
from icl_mesh_training.losses.targets import (
    body_centers,
    gaussian_maps,
    gaussian_radius,
    make_targets,
    push_apart,
)
from icl_mesh_training.scenes.render.labels import BY_OBJECT, BY_PERSON, BY_SELF, OUTSIDE, VISIBLE


def batch_of(joints: torch.Tensor, state: torch.Tensor, image_index: list[int]) -> Batch:
    """A batch in which only 2-D labels matter."""
    count, images = len(joints), max(image_index) + 1
    return Batch(
        images=torch.zeros(images, 64, 64, 3, dtype=torch.uint8),
        image_index=torch.tensor(image_index),
        joints_2d=joints,
        joint_state=state,
        visible_share=torch.ones(count),
        betas=torch.zeros(count, 10),
        rotations=torch.eye(3).expand(count, 24, 3, 3),
        joints_3d=torch.zeros(count, 24, 3),
        weak_camera=torch.ones(count, 3),
        inverse_focal=torch.zeros(count),
        principal=torch.zeros(count, 2),
        has_pose=torch.ones(count, dtype=torch.bool),
        has_shape=torch.ones(count, dtype=torch.bool),
        has_joints_3d=torch.ones(count, dtype=torch.bool),
        has_camera=torch.ones(count, dtype=torch.bool),
        joint_labelled=torch.ones(count, 24, dtype=torch.bool),
    )


def test_center_is_the_mean_of_visible_torso_joints() -> None:
    joints = torch.rand(1, 24, 2)
    state = torch.full((1, 24), VISIBLE)
    state[0, [0, 1, 2]] = BY_PERSON
    expected = joints[0, [12, 16, 17]].mean(0)
    torch.testing.assert_close(body_centers(joints, state)[0], expected)


def test_center_without_torso_is_the_mean_of_what_is_seen() -> None:
    joints = torch.rand(1, 24, 2)
    state = torch.full((1, 24), OUTSIDE)
    state[0, [4, 7]] = torch.tensor([VISIBLE, BY_SELF])
    torch.testing.assert_close(body_centers(joints, state)[0], joints[0, [4, 7]].mean(0))


def test_radius_is_centernets() -> None:
    def reference(height: float, width: float, overlap: float = 0.7) -> float:
        radii = []
        for a, b, c in (
            (1, height + width, width * height * (1 - overlap) / (1 + overlap)),
            (4, 2 * (height + width), (1 - overlap) * width * height),
            (4 * overlap, -2 * overlap * (height + width), (overlap - 1) * width * height),
        ):
            radii.append((b + math.sqrt(b * b - 4 * a * c)) / 2)
        return min(radii)

    boxes = torch.tensor([[10.0, 10.0], [5.0, 30.0], [1.0, 1.0], [60.0, 48.0]])
    expected = [reference(h, w) for w, h in boxes.tolist()]
    np.testing.assert_allclose(gaussian_radius(boxes), expected, rtol=1e-4)
    assert gaussian_radius(torch.zeros(1, 2)).item() == 0


def test_overlapping_centers_are_pushed_apart_by_a_fifth_of_the_missing_distance() -> None:
    # d = 3, r1 + r2 + 1 = 8, missing 5: each moves by 1 along x. The third is in another image.
    center = torch.tensor([[10.0, 7.0], [13.0, 7.0], [12.0, 7.0]])
    moved = push_apart(center, torch.tensor([3.0, 4.0, 9.0]), torch.tensor([0, 0, 1]))
    torch.testing.assert_close(moved, torch.tensor([[9.0, 7.0], [14.0, 7.0], [12.0, 7.0]]))


def test_distant_and_coinciding_centers_stay_finite() -> None:
    center = torch.tensor([[1.0, 1.0], [40.0, 1.0], [1.0, 1.0]])
    moved = push_apart(center, torch.ones(3), torch.zeros(3, dtype=torch.long))
    torch.testing.assert_close(moved, center)


def test_peaks_are_exactly_one_at_their_cells_x_and_y_kept_apart() -> None:
    cells = torch.tensor([[0, 0], [5, 2]])
    maps = gaussian_maps(cells, torch.ones(2), torch.tensor([0, 1]), 3, 8)
    assert maps[0, 0, 0] == 1  # the first cell is an ordinary cell
    assert maps[1, 2, 5] == 1
    assert maps[1, 2, 6] == pytest.approx(math.exp(-0.5))
    assert maps[1, 5, 2] < 0.1
    assert maps[2].max() == 0


def test_only_visible_joints_become_positives() -> None:
    joints = torch.zeros(1, 24, 2)
    joints[0, :, 0] = torch.linspace(-0.9, 0.9, 24)
    state = torch.full((1, 24), VISIBLE, dtype=torch.uint8)
    state[0, 3], state[0, 4], state[0, 5] = BY_PERSON, BY_OBJECT, BY_SELF
    targets = make_targets(batch_of(joints, state, [0]), 16)
    peaks = targets.joint_heatmaps[0].amax((1, 2))
    assert (peaks == 1).tolist() == [j not in (3, 4, 5) for j in range(24)]
    assert targets.center_heatmap.max() == 1


def test_a_hidden_person_is_neither_demanded_nor_forbidden() -> None:
    joints = torch.rand(2, 24, 2) * 0.2
    joints[1] -= 0.6
    state = torch.full((2, 24), VISIBLE, dtype=torch.uint8)
    batch = batch_of(joints, state, [0, 0])
    batch.visible_share[1] = 0.01
    targets = make_targets(batch, 32)
    assert targets.kept.tolist() == [True, False]
    assert (targets.center_heatmap == 1).sum() == 1
    hidden = ((targets.center[1] + 1) / 2 * 32).floor().long()
    assert targets.center_weight[0, 0, hidden[1], hidden[0]] == 0
    assert targets.center_weight.mean() > 0.9


def test_a_person_outside_the_square_leaves_no_trace_in_it() -> None:
    joints = torch.full((1, 24, 2), 3.0)
    batch = batch_of(joints, torch.full((1, 24), OUTSIDE, dtype=torch.uint8), [0])
    targets = make_targets(batch, 32)
    assert not targets.kept.any()
    assert targets.center_heatmap.max() == targets.joint_heatmaps.max() == 0
    assert targets.center_weight.min() == targets.joint_weight.min() == 1


def test_an_image_without_people() -> None:
    batch = batch_of(torch.zeros(1, 24, 2), torch.zeros(1, 24, dtype=torch.uint8), [0])
    targets = make_targets(batch.select(torch.zeros(1, dtype=torch.bool)), 16)
    assert targets.center_heatmap.shape == (1, 1, 16, 16)
    assert targets.center_heatmap.max() == targets.joint_heatmaps.max() == 0


def test_an_unlabelled_joint_is_no_negative() -> None:
    # Image 0: person 0 in the left half lacks the head, person 1 in the right half has it;
    # image 1: no person has labelled hips.
    joints = torch.rand(3, 24, 2) * 0.5 - 0.25
    joints[0, :, 0] -= 0.6
    joints[1, :, 0] += 0.6
    state = torch.full((3, 24), VISIBLE, dtype=torch.uint8)
    batch = batch_of(joints, state, [0, 0, 1])
    batch.joint_labelled[0, 15] = False
    batch.joint_labelled[2, [1, 2]] = False
    targets = make_targets(batch, 32)
    weight = targets.joint_weight
    assert (targets.joint_heatmaps[0, 15] == 1).sum() == 1
    assert targets.joint_heatmaps[1, 1].max() == 0
    assert weight[1, 1].max() == weight[1, 2].max() == 0
    assert weight[1, [0, *range(3, 24)]].min() == 1
    x, y = ((joints[0].mean(0) + 1) / 2 * 32).long().tolist()
    assert weight[0, 15, y, x] == 0
    assert weight[0, 15, :, 16:].min() == 1
    assert weight[0, :15].min() == weight[0, 16:].min() == 1


def test_labelled_joints_alone_place_a_person() -> None:
    joints = torch.rand(1, 24, 2) * 0.4
    joints[0, 12:] = 77.0  # no labels: any number
    state = torch.full((1, 24), VISIBLE, dtype=torch.uint8)
    batch = batch_of(joints, state, [0])
    batch.joint_labelled[0, 12:] = False
    targets = make_targets(batch, 128)
    assert targets.kept.item()
    torch.testing.assert_close(targets.center[0], joints[0, :3].mean(0), atol=1e-5, rtol=0)
    assert targets.size.item() <= 0.4


def test_people_without_labels_are_a_region_of_which_nothing_is_known() -> None:
    joints = torch.empty(1, 24, 2)
    joints[0, ::2], joints[0, 1::2] = torch.tensor([-0.5, -0.5]), torch.tensor([0.25, 0.5])
    batch = batch_of(joints, torch.full((1, 24), VISIBLE, dtype=torch.uint8), [0])
    batch.joint_labelled[:] = False
    targets = make_targets(batch, 16)
    assert not targets.kept.any()
    assert targets.center_heatmap.max() == targets.joint_weight.max() == 0
    assert targets.center_weight[0, 0, 4:12, 4:10].max() == 0
    assert targets.center_weight[0, 0].sum() == 16 * 16 - 8 * 6
