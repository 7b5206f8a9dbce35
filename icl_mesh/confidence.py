"""How surely a joint is seen, and is this person's own: what a planner needs under occlusion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from icl_mesh.network import IclMeshNetwork

#: A joint counts as visible from this confidence on.
VISIBLE_CONFIDENCE = 0.25
#: (x, y) from a cell to the 3x3 cells around it [9, 2].
_AROUND = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), axis=-1).reshape(-1, 2)


def joint_confidence(
    joint_heatmaps: torch.Tensor,
    joint_instance: torch.Tensor,
    center_embedding: torch.Tensor,
    joints_square: npt.NDArray[np.floating[Any]],
    inside: npt.NDArray[np.bool_],
    *,
    network: IclMeshNetwork,
) -> torch.Tensor:
    """Joint heatmap at the projected joint, times agreement of joint and centre embeddings.

    joint_heatmaps [J, H, W] (probabilities) and joint_instance [C, H, W]: one image's maps.
    center_embedding [N, C]: P_C of each person's centre, unit length. joints_square [N, J, 2]:
    projected joints in square coordinates. inside [N, J]: those on the image itself, not on
    the padding. network gives P_J.
    Returns [N, J] in [0, 1], on the maps' device; 0 for joints outside the image. The agreement
    is the cosine of P_C and P_J, negative values counted as 0: the contrastive loss pulls own
    joints towards 1 and pushes other people away from it. A projection is easily one cell off, so
    the best product of the 3x3 cells around it counts.
    """
    joints, size = joint_heatmaps.shape[0], joint_heatmaps.shape[-1]
    # Which cells to read is found on the host, where the joints are: no wait for the device.
    middle = np.floor((joints_square.astype(np.float32) + 1) / 2 * size)
    around = np.clip(middle, 0, size - 1).astype(np.int64)[:, :, None] + _AROUND
    x, y = np.moveaxis(np.clip(around, 0, size - 1), -1, 0)
    flat = y * size + x  # [N, J, 9]
    # Each cell is projected once, whoever asks for it, and compared with all people at once.
    asked = np.zeros(size * size, dtype=np.bool_)
    asked[flat] = True
    row = (np.cumsum(asked) - 1)[flat]
    person = np.arange(len(flat))[:, None, None]
    cells, at_joint, at_person, seen = (
        torch.from_numpy(index).to(joint_heatmaps.device)
        for index in (
            np.flatnonzero(asked),
            np.arange(joints)[:, None] * size * size + flat,
            row * len(flat) + person,
            inside,
        )
    )
    own = network.project_joint(joint_instance.flatten(1).index_select(1, cells).T)
    agreement = (F.normalize(own, dim=1) @ center_embedding.T).take(at_person)
    products = joint_heatmaps.take(at_joint) * agreement.clamp(0, 1)
    return products.amax(dim=2).masked_fill_(~seen, 0)
