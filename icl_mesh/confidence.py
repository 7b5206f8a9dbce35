"""How surely a joint is seen, and is this person's own: what a planner needs under occlusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from icl_mesh.network.sampling import cell_from_square

if TYPE_CHECKING:
    from icl_mesh.network import IclMeshNetwork

#: A joint counts as visible from this confidence on.
VISIBLE_CONFIDENCE = 0.25


def joint_confidence(
    joint_heatmaps: torch.Tensor,
    joint_instance: torch.Tensor,
    center_embedding: torch.Tensor,
    joints_square: torch.Tensor,
    inside: torch.Tensor,
    *,
    network: IclMeshNetwork,
) -> torch.Tensor:
    """Joint heatmap at the projected joint, times agreement of joint and centre embeddings.

    joint_heatmaps [J, H, W] (probabilities) and joint_instance [C, H, W]: one image's maps.
    center_embedding [N, C]: P_C of each person's centre, unit length. joints_square [N, J, 2]:
    projected joints in square coordinates. inside bool [N, J]: those on the image itself, not on
    the padding. network gives P_J.
    Returns [N, J] in [0, 1]; 0 for joints outside the image. The agreement is the cosine of
    P_C and P_J, negative values counted as 0: the contrastive loss pulls own joints towards 1
    and pushes other people away from it. A projection is easily one cell off, so the best
    product of the 3x3 cells around it counts.
    """
    size = joint_heatmaps.shape[-1]
    cell = cell_from_square(joints_square, size)
    steps = torch.arange(-1, 2, device=cell.device)
    around = cell[:, :, None] + torch.cartesian_prod(steps, steps)  # [N, J, 9, 2]
    x, y = around.clamp(0, size - 1).unbind(-1)
    flat = y * size + x

    person = torch.arange(len(cell), device=cell.device)[:, None, None]
    joint = torch.arange(joint_heatmaps.shape[0], device=cell.device)[None, :, None]
    seen = joint_heatmaps.flatten(1)[joint, flat]  # [N, J, 9]
    # Each cell is projected once, whoever asks for it, and compared with all people at once.
    cells, where = _cells(flat, size * size)
    own = network.project_joint(joint_instance.flatten(1).index_select(1, cells).T)
    agreement = (F.normalize(own, dim=1) @ center_embedding.T)[where, person]
    confidence = (seen * agreement.clamp(0, 1)).amax(dim=2)
    return torch.where(inside, confidence, torch.zeros_like(confidence))


def _cells(flat: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The different ones among flat cells, and where in them each one is."""
    if flat.is_cuda:  # all: finding the different ones would wait for the device
        return torch.arange(count, device=flat.device), flat
    return torch.unique(flat, return_inverse=True)
