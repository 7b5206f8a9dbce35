"""The instance-aware contrastive loss and its extensions, vectorised over people.

Shapes: N people (all images of a batch together), 24 joints. With no people every loss is an exact
zero that keeps the graph.
"""

from __future__ import annotations

import torch
from torch.nn import functional


def contrastive_loss(
    center: torch.Tensor,
    joint: torch.Tensor,
    joint_labelled: torch.Tensor,
    image_index: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Instance-aware contrastive loss (the paper's eq. 2; supplementary, section 3).

    center [N, 64] and joint [N, 24, 64]: features sampled at true centres and joints, both
    already projected (P_C, P_J). joint_labelled bool [N, 24]. image_index int [N]: the image of
    each person.

    Returns (push, pull), scalars:
      push: per image of two people or more, the mean over pairs of ``1 + cos(c_n, c_m)``; the
        mean over such images.
      pull: per image, the mean over its people of the mean over their labelled joints of
        ``1 - cos(c_n, j_nk)``; the mean over images. People without a labelled joint do not count.
    """
    center = functional.normalize(center.float(), dim=-1)
    joint = functional.normalize(joint.float(), dim=-1)
    image_index = image_index.long()
    images = int(image_index.max()) + 1 if len(image_index) else 0

    same_image = image_index[:, None] == image_index[None, :]
    pair = torch.triu(same_image, diagonal=1)
    push = _mean_of_image_means(
        (1 + center @ center.T)[pair], image_index[pair.nonzero()[:, 0]], images
    )

    labelled = joint_labelled.to(center.dtype)
    count = labelled.sum(dim=1)
    agreement = torch.einsum("nc,njc->nj", center, joint)
    person = ((1 - agreement) * labelled).sum(dim=1) / count.clamp(min=1)
    seen = count > 0
    pull = _mean_of_image_means(person[seen], image_index[seen], images)
    # Without pairs or labels the sums above do not depend on the features: keep the graph.
    anchor = 0 * (center.sum() + joint.sum())
    return push + anchor, pull + anchor


def cross_person_push(
    center: torch.Tensor,
    joint: torch.Tensor,
    joint_labelled: torch.Tensor,
    image_index: torch.Tensor,
) -> torch.Tensor:
    """Push of a person's joints away from other people's centres. Not in the paper.

    Arguments as in contrastive_loss. Per image of two people or more: the mean of
    ``1 + cos(c_n, j_mk)`` over ordered pairs (n, m) and the labelled joints k of m. Returns the
    mean over such images.
    """
    center = functional.normalize(center.float(), dim=-1)
    joint = functional.normalize(joint.float(), dim=-1)
    images = int(image_index.max()) + 1 if len(image_index) else 0
    other = image_index[:, None] == image_index[None, :]
    other &= ~torch.eye(len(center), dtype=torch.bool, device=center.device)
    pushed = other[:, :, None] & joint_labelled[None]
    agreement = torch.einsum("nc,mkc->nmk", center, joint)
    values = _mean_of_image_means(
        (1 + agreement)[pushed], image_index[pushed.nonzero()[:, 0]], images
    )
    return values + 0 * (center.sum() + joint.sum())


def infonce_loss(
    center: torch.Tensor,
    joint: torch.Tensor,
    joint_labelled: torch.Tensor,
    image_index: torch.Tensor,
    temperature: float,
) -> torch.Tensor:
    """InfoNCE form of the contrastive loss (van den Oord et al. 2018, eq. 4). Not in the paper.

    Arguments as in contrastive_loss. Each labelled joint is classified among the centres of its
    image: cross entropy of ``cos(c_m, j_nk) / temperature`` over m. Mean over the joints of a
    person, the people of an image, the images. It replaces push and pull.
    """
    center = functional.normalize(center.float(), dim=-1)
    joint = functional.normalize(joint.float(), dim=-1)
    images = int(image_index.max()) + 1 if len(image_index) else 0
    logits = torch.einsum("mc,nkc->nkm", center, joint) / temperature
    same = image_index[:, None] == image_index[None, :]
    logits = logits.masked_fill(~same[:, None, :], -torch.inf)
    own = logits.diagonal(dim1=0, dim2=2).T  # [N, K]
    labelled = joint_labelled.to(center.dtype)
    count = labelled.sum(dim=1)
    person = ((logits.logsumexp(dim=2) - own) * labelled).sum(dim=1) / count.clamp(min=1)
    seen = count > 0
    loss = _mean_of_image_means(person[seen], image_index[seen], images)
    return loss + 0 * (center.sum() + joint.sum())


def _mean_of_image_means(
    values: torch.Tensor, image_index: torch.Tensor, images: int
) -> torch.Tensor:
    """Mean over the images that occur in image_index of the mean of their values."""
    total = values.new_zeros(images).index_add(0, image_index, values)
    count = values.new_zeros(images).index_add(0, image_index, torch.ones_like(values))
    return (total / count.clamp(min=1)).sum() / (count > 0).sum().clamp(min=1)
