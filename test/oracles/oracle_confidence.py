"""Joint confidences with numpy and PyTorch: what the compiled kernel is tested against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

if TYPE_CHECKING:
    from icl_mesh.network import IclMeshNetwork

#: (x, y) from a cell to the 3x3 cells around it [9, 2].
_AROUND = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), axis=-1).reshape(-1, 2)


def joint_confidence(
    joint_heatmaps: torch.Tensor,
    joint_instance: torch.Tensor,
    center_embedding: npt.NDArray[np.float32],
    joints_square: npt.NDArray[np.floating[Any]],
    inside: npt.NDArray[np.bool_],
    *,
    network: IclMeshNetwork,
) -> npt.NDArray[np.float32]:
    """Joint heatmap at the projected joint, times agreement of joint and centre embeddings.

    joint_heatmaps [J, H, W] (probabilities) and joint_instance [C, H, W]: one image's maps.
    center_embedding [N, C]: P_C of each person's centre, unit length. joints_square [N, J, 2]:
    projected joints in square coordinates. inside [N, J]: those on the image itself, not on
    the padding. network gives P_J.
    Returns [N, J] in [0, 1]; 0 for joints outside the image. The agreement is the cosine of
    P_C and P_J, negative values counted as 0: the contrastive loss pulls own joints towards 1
    and pushes other people away from it. A projection is easily one cell off, so the best
    product of the 3x3 cells around it counts.
    """
    joints, size = joint_heatmaps.shape[0], joint_heatmaps.shape[-1]
    middle = np.floor((joints_square.astype(np.float32) + 1) / 2 * size)
    around = np.clip(middle, 0, size - 1).astype(np.int64)[:, :, None] + _AROUND
    x, y = np.moveaxis(np.clip(around, 0, size - 1), -1, 0)
    flat = y * size + x  # [N, J, 9]
    # Each cell is projected once, and compared with all people.
    asked = np.zeros(size * size, dtype=np.bool_)
    asked[flat] = True
    cells = torch.from_numpy(np.flatnonzero(asked)).to(joint_instance.device)
    own = network.project_joint(joint_instance.flatten(1).index_select(1, cells).T).cpu().numpy()
    # By PyTorch: after a product of this size, numpy's OpenBLAS threads spin for about 25 ms and
    # block cores.
    cosines = torch.from_numpy(unit(own)) @ torch.from_numpy(center_embedding).T
    agreement = cosines.clamp_(0, 1).numpy()  # [cells, N]
    at_joint = torch.from_numpy(np.arange(joints)[:, None] * size * size + flat)
    seen = joint_heatmaps.take(at_joint.to(joint_heatmaps.device)).cpu().numpy()
    row, person = (np.cumsum(asked) - 1)[flat], np.arange(len(flat))[:, None, None]
    confidence = (seen * agreement[row, person]).max(axis=2)
    return np.where(inside, confidence, np.float32(0))


def unit(embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Embeddings [M, C] at length one; a zero stays zero."""
    length = np.sqrt(np.einsum("mc,mc->m", embeddings, embeddings))
    return embeddings / np.maximum(length, 1e-12)[:, None]
