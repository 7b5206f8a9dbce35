"""Losses against hand computations and written-out loops."""

import math

import pytest
import roma
import torch

from icl_mesh_training.losses import contrastive
from icl_mesh_training.losses import terms as losses


def test_contrastive_loss_of_a_hand_made_case() -> None:
    # Image 0: two people with orthogonal centres; image 1: one person; so one pair, 1 + cos = 1.
    center = torch.zeros(3, 64)
    center[0, 0], center[1, 1], center[2, 2] = 1, 5, 2
    joint = torch.zeros(3, 24, 64)
    joint[0, :, 0] = 1  # all agree: 0
    joint[1, :, 1] = -1  # all oppose: 2
    joint[2, :12, 2], joint[2, 12:, 3] = 1, 1  # half agree, half are orthogonal: 0.5
    labelled = torch.ones(3, 24, dtype=torch.bool)
    push, pull = contrastive.contrastive_loss(center, joint, labelled, torch.tensor([0, 0, 1]))
    assert push.item() == pytest.approx(1.0)
    assert pull.item() == pytest.approx(((0 + 2) / 2 + 0.5) / 2)


def test_contrastive_loss_equals_the_loops_of_the_definition() -> None:
    torch.manual_seed(0)
    image_index = torch.tensor([0, 0, 0, 2, 2, 3])
    center, joint = torch.randn(6, 64), torch.randn(6, 24, 64)
    labelled = torch.rand(6, 24) > 0.4
    labelled[4] = False  # a person without a labelled joint
    cosine = torch.nn.functional.cosine_similarity
    pushes, pulls = [], []
    for image in (0, 2, 3):
        people = [n for n in range(6) if image_index[n] == image]
        pairs = [(n, m) for n in people for m in people if n < m]
        if pairs:
            pushes.append(
                sum(1 + cosine(center[n], center[m], dim=0) for n, m in pairs) / len(pairs)
            )
        each = [
            torch.stack(
                [1 - cosine(center[n], joint[n, k], dim=0) for k in range(24) if labelled[n, k]]
            ).mean()
            for n in people
            if labelled[n].any()
        ]
        pulls.append(sum(each) / len(each))
    push, pull = contrastive.contrastive_loss(center, joint, labelled, image_index)
    assert push.item() == pytest.approx(float(sum(pushes) / 2), abs=1e-6)
    assert pull.item() == pytest.approx(float(sum(pulls) / 3), abs=1e-6)


def test_contrastive_loss_of_nobody_is_a_zero_with_gradient() -> None:
    center = torch.zeros(0, 64, requires_grad=True)
    push, pull = contrastive.contrastive_loss(
        center, torch.zeros(0, 24, 64), torch.zeros(0, 24, dtype=torch.bool), torch.zeros(0).long()
    )
    (push + pull).backward()
    assert push.item() == pull.item() == 0
    assert center.grad is not None


def test_focal_loss_of_single_cells() -> None:
    predicted, target = torch.full((1, 1, 1, 2), 0.25), torch.tensor([[[[1.0, 0.5]]]])
    expected = -(0.75**2 * math.log(0.25) + 0.5**4 * 0.25**2 * math.log(0.75))
    assert losses.focal_loss(predicted, target).item() == pytest.approx(expected, rel=1e-5)


def test_focal_loss_ignores_an_unlabelled_channel() -> None:
    predicted = torch.full((2, 3, 4, 4), 0.9, requires_grad=True)
    target = torch.zeros(2, 3, 4, 4)
    weight = torch.ones(2, 3, 1, 1)
    weight[0, 1] = 0
    losses.focal_loss(predicted, target, weight).backward()
    assert predicted.grad[0, 1].abs().max() == 0
    assert predicted.grad[1, 1].abs().min() > 0


def test_alignment_undoes_a_similarity() -> None:
    torch.manual_seed(1)
    target = torch.randn(4, 24, 3)
    rotation = roma.random_rotmat(4)
    source = 0.3 * torch.einsum("nij,nkj->nki", rotation, target) + torch.randn(4, 1, 3)
    aligned = losses.procrustes_align(source, target)
    torch.testing.assert_close(aligned, target, atol=1e-5, rtol=0)
    every = torch.ones(4, 24, dtype=torch.bool)
    assert losses.procrustes_joint_loss(source, target, every).item() < 1e-5


def test_joint_loss_is_metres_between_hip_centred_joints() -> None:
    target = torch.randn(2, 24, 3)
    moved = target + torch.tensor([5.0, 0, 0])
    every = torch.ones(2, 24, dtype=torch.bool)
    assert losses.joint_loss(moved, target, every).item() < 1e-5
    moved[:, 20] += torch.tensor([0, 0.24, 0])
    assert losses.joint_loss(moved, target, every).item() == pytest.approx(0.01, abs=1e-5)


def test_keypoint_loss_counts_a_limb_error_once() -> None:
    # Ankle and foot are off by the same vector: the foot is right relative to its ankle.
    target = torch.zeros(1, 24, 2)
    predicted = target.clone()
    predicted[0, [7, 10], 0] = 0.24
    joint = torch.ones(1, 24, dtype=torch.bool)
    loss = losses.keypoint_loss(predicted, target, joint, torch.tensor([0.5]))
    assert loss.item() == pytest.approx(0.01, abs=2e-4)


def test_shape_loss_without_label_is_the_prior() -> None:
    betas = torch.full((1, 10), 2.0)
    known = torch.tensor([False])
    assert losses.shape_loss(betas, betas, known).item() == pytest.approx(4 / 20)
    assert losses.shape_loss(betas, betas, ~known).item() == pytest.approx(0, abs=1e-5)


def test_unlabelled_3d_joints_and_people_do_not_count() -> None:
    torch.manual_seed(2)
    target = torch.randn(3, 24, 3)
    predicted = target.clone()
    labelled = torch.ones(3, 24, dtype=torch.bool)
    labelled[0, 20:], predicted[0, 20:] = False, 9.0
    labelled[1], predicted[1] = False, 9.0
    predicted[2, 5, 0] += 0.24
    assert losses.joint_loss(predicted, target, labelled).item() == pytest.approx(0.005, abs=1e-5)
    predicted[2] = 2 * target[2] + 1
    assert losses.procrustes_joint_loss(predicted, target, labelled).item() < 1e-5
    labelled[2, 2] = False  # without both hips nothing is hip-centred: only person 0 is left
    assert losses.joint_loss(predicted, target, labelled).item() < 1e-5


def test_joints_are_pushed_from_other_peoples_centres_alone() -> None:
    # Person 0's centre is along axis 0, and so is every joint of person 1: 1 + cos = 2. Person 1's
    # centre, axis 1, is orthogonal to person 0's joints: 1. Person 2 is alone in image 1.
    center, joint = torch.zeros(3, 64), torch.zeros(3, 24, 64)
    center[0, 0] = center[1, 1] = center[2, 0] = 3
    joint[0, :, 2] = joint[1, :, 0] = joint[2, :, 0] = 1
    labelled = torch.ones(3, 24, dtype=torch.bool)
    labelled[1, 12:] = False  # fewer joints of person 1: 12 of the 36 values are 2
    image_index = torch.tensor([0, 0, 1])
    value = contrastive.cross_person_push(center, joint, labelled, image_index)
    assert value.item() == pytest.approx((24 * 1 + 12 * 2) / 36)


def test_infonce_is_the_cross_entropy_of_choosing_ones_own_centre() -> None:
    torch.manual_seed(3)
    center, joint = torch.randn(4, 64), torch.randn(4, 24, 64)
    labelled = torch.rand(4, 24) > 0.3
    image_index = torch.tensor([0, 0, 0, 1])
    normal = torch.nn.functional.normalize
    images = []
    for people in ([0, 1, 2], [3]):
        logits = normal(joint[people], dim=-1) @ normal(center[people], dim=-1).T / 0.2
        each = [
            torch.nn.functional.cross_entropy(
                logits[n][labelled[p]], torch.full((int(labelled[p].sum()),), n)
            )
            for n, p in enumerate(people)
        ]
        images.append(torch.stack(each).mean())
    value = contrastive.infonce_loss(center, joint, labelled, image_index, 0.2)
    assert value.item() == pytest.approx(torch.stack(images).mean().item(), rel=1e-5)
    assert images[1].item() == pytest.approx(0, abs=1e-6)  # alone, there is nothing to choose


@pytest.mark.parametrize("loss", ["push", "infonce"])
def test_optional_contrastive_terms_pass_gradients_and_take_nobody(loss: str) -> None:
    def value(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        center = torch.randn(count, 64, requires_grad=True)
        arguments = (
            center,
            torch.randn(count, 24, 64),
            torch.ones(count, 24, dtype=torch.bool),
            torch.zeros(count).long(),
        )
        if loss == "push":
            return contrastive.cross_person_push(*arguments), center
        return contrastive.infonce_loss(*arguments, 0.1), center

    for count in (0, 1, 3):
        result, center = value(count)
        result.backward()
        assert center.grad is not None and torch.isfinite(center.grad).all()
        assert torch.isfinite(result)
        assert (result.item() > 1e-3) == (count == 3)
