"""The loss terms of the paper, vectorised over people; for embeddings see contrastive.

Shapes: N people (all images of a batch together), J = 24 joints. Every function returns a scalar;
without people it is an exact zero that keeps the graph, so that empty batches train the maps.
"""

from __future__ import annotations

import roma
import torch

#: Weights of the beta components in the shape loss: the first components carry most of the shape.
SHAPE_WEIGHTS = (1.0, 0.64, 0.32, 0.32, 0.16, 0.16, 0.16, 0.16, 0.16, 0.16)

#: 2-D joints compared relative to another joint, {joint: reference}: feet to the ankle of their
#: side, hands to the wrist, the head to the neck, so that an error of the limb counts once.
RELATIVE_JOINTS = {10: 7, 11: 8, 22: 20, 23: 21, 15: 12}


def masked_mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean of values where mask; zero (with a gradient path) where the mask is empty."""
    weight = mask.to(values.dtype)
    return (values * weight).sum() / weight.sum().clamp(min=1)


def focal_loss(
    predicted: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
) -> torch.Tensor:
    """CornerNet's penalty-reduced focal loss (Law and Deng 2018, eq. 1; alpha 2, beta 4).

    predicted, target [B, C, H, W] in [0, 1], peaks of the target exactly 1. weight broadcasts to
    them and is 0 where labels are unknown (an unlabelled joint must not become a negative). Summed
    per channel over the batch, divided by that channel's positives, then averaged over channels.
    """
    predicted = predicted.float().clamp(1e-4, 1 - 1e-4)
    positive = target.ge(1).float()
    negative = (1 - positive) * (1 - target) ** 4
    if weight is not None:
        positive, negative = positive * weight, negative * weight
    loss = -(
        positive * (1 - predicted) ** 2 * predicted.log()
        + negative * predicted**2 * (1 - predicted).log()
    )
    count = positive.sum(dim=(0, 2, 3))
    return (loss.sum(dim=(0, 2, 3)) / count.clamp(min=1)).mean()


def pose_loss(predicted: torch.Tensor, target: torch.Tensor, person: torch.Tensor) -> torch.Tensor:
    """L2 (Frobenius) distance of rotation matrices [N, J, 3, 3], mean over joints and people.

    person bool [N]: people with pose labels.
    """
    squared = (predicted - target).square().sum(dim=(-1, -2))
    return masked_mean((squared + 1e-8).sqrt().mean(dim=1), person)


def shape_loss(predicted: torch.Tensor, target: torch.Tensor, person: torch.Tensor) -> torch.Tensor:
    """Weighted L2 of betas [N, 10], over 20; mean(beta^2) / 20 for people without shape labels."""
    weights = predicted.new_tensor(SHAPE_WEIGHTS)
    labelled = (((predicted - target) * weights).square().sum(dim=1) + 1e-8).sqrt() / 20
    prior = predicted.square().mean(dim=1) / 20
    return masked_mean(torch.where(person, labelled, prior), torch.ones_like(person))


def joint_loss(predicted: torch.Tensor, target: torch.Tensor, joint: torch.Tensor) -> torch.Tensor:
    """MPJPE in metres of hip-centred joints [N, J, 3] (hips are joints 1 and 2).

    joint bool [N, J]: joints with 3-D labels. People without both hips do not count: the centre of
    the hips is the only root that all data sets label.
    """
    joint = joint & joint[:, 1:3].all(dim=1, keepdim=True)
    predicted = predicted - predicted[:, 1:3].mean(dim=1, keepdim=True)
    target = target - target[:, 1:3].mean(dim=1, keepdim=True)
    return _mean_of_people(distance(predicted, target), joint)


def _mean_of_people(values: torch.Tensor, joint: torch.Tensor) -> torch.Tensor:
    """Mean over people who have any of the mean over their joints, values [N, J]."""
    weight = joint.to(values.dtype)
    count = weight.sum(dim=1)
    return masked_mean((values * weight).sum(dim=1) / count.clamp(min=1), count > 0)


def procrustes_joint_loss(
    predicted: torch.Tensor, target: torch.Tensor, joint: torch.Tensor
) -> torch.Tensor:
    """Joint error in metres after similarity alignment of the prediction (PA-MPJPE) [N, J, 3].

    joint bool [N, J]: joints with 3-D labels; people with fewer than four do not count, since any
    three points can be aligned to almost nothing.

    Rotation and scale of the alignment are constants: the gradient flows through the aligned
    prediction, not through the singular value decomposition, which explodes for flat poses.
    """
    joint = joint & (joint.sum(dim=1, keepdim=True) >= 4)
    if not len(predicted):
        return predicted.sum()
    aligned = procrustes_align(predicted, target, joint)
    return _mean_of_people(distance(aligned, target), joint)


def procrustes_align(
    predicted: torch.Tensor, target: torch.Tensor, joint: torch.Tensor | None = None
) -> torch.Tensor:
    """predicted [N, K, 3] moved onto target by the best rotation, scale and translation.

    joint bool [N, K]: points that the alignment uses, all if None.
    """
    weight = torch.ones_like(target[..., :1]) if joint is None else joint[..., None].to(target)
    total = weight.sum(dim=1, keepdim=True).clamp(min=1)
    source = predicted - (predicted * weight).sum(dim=1, keepdim=True) / total
    center = (target * weight).sum(dim=1, keepdim=True) / total
    with torch.no_grad():
        offset = (target - center) * weight
        covariance = torch.einsum("nki,nkj->nij", offset, source)
        rotation = roma.special_procrustes(covariance)
        rotated = torch.einsum("nij,nkj->nki", rotation, source)
        spread = (source.square() * weight).sum(dim=(1, 2)).clamp(min=1e-8)
        scale = (rotated * offset).sum(dim=(1, 2)) / spread
    return scale[:, None, None] * torch.einsum("nij,nkj->nki", rotation, source) + center


def keypoint_loss(
    predicted: torch.Tensor, target: torch.Tensor, joint: torch.Tensor, size: torch.Tensor
) -> torch.Tensor:
    """2-D joint error in square coordinates [N, J, 2]; extremities relative to their parent.

    joint bool [N, J]: joints that count. size [N]: each person's extent in square coordinates. The
    error is divided by twice the extent, so that small people count as much as large ones.
    """
    moved, reference = list(RELATIVE_JOINTS), list(RELATIVE_JOINTS.values())
    # Limit the weight of gross errors early in training.
    error = (predicted - target).clamp(-2, 2)
    relative = error.clone()
    both = joint[:, moved] & joint[:, reference]
    relative[:, moved] = torch.where(
        both[..., None], error[:, moved] - error[:, reference], error[:, moved]
    )
    weight = (0.5 / size.clamp(min=1e-3)).clamp(0.25, 4)
    return masked_mean((relative.square().sum(-1) + 1e-8).sqrt() * weight[:, None], joint)


def camera_loss(
    predicted: torch.Tensor, target: torch.Tensor, person: torch.Tensor
) -> torch.Tensor:
    """Error of weak-perspective cameras (s, tx, ty) [N, 3]: |log s| error plus translation error.

    Not in the paper: rendered scenes have each person's true distance, whereas 2-D joints constrain
    it only through body size.
    """
    scale = (predicted[:, 0].clamp(min=1e-4).log() - target[:, 0].clamp(min=1e-4).log()).abs()
    return masked_mean(scale + distance(predicted[:, 1:], target[:, 1:]).clamp(max=2), person)


def distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Euclidean distance along the last axis, with a bounded gradient at zero."""
    return ((a - b).square().sum(dim=-1) + 1e-12).sqrt()
