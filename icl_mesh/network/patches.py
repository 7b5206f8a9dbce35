"""What lies around cells of the maps: all that the SMPL branch needs for the people there.

The branch is the costliest of the network, and its answer is wanted at people's cells alone.
Letters: B images, N cells of all images together, C channels, h x w map cells.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from icl_mesh.network.constants import SMPL_REACH

#: Cells along a patch, and features: cell i's stem reads the features 2 i - 1 to 2 i + 1.
PATCH_CELLS = 2 * SMPL_REACH + 1
PATCH_FEATURES = 2 * PATCH_CELLS + 1


class InferenceMaps(NamedTuple):
    """What the network finds without its SMPL branch, and what that branch reads; float32.

    features [B, C, S/4, S/4]: the backbone's map with its coordinate channels. The other fields are
    those of :class:`icl_mesh.network.NetworkMaps`, h = w = S / 8.
    """

    center_heatmap: torch.Tensor
    joint_heatmaps: torch.Tensor
    camera: torch.Tensor
    center_instance: torch.Tensor
    joint_instance: torch.Tensor
    features: torch.Tensor


class Patches(NamedTuple):
    """What SmplBranch.on_patches takes: features [N, C, 23, 23]; center_hints [N, 65, 11, 11],
    joint_hints [N, 88, 11, 11]: heatmaps, then instance map; inside [N, 1, 11, 11]: 1 at cells of
    the map, 0 beyond it, as all else is there."""

    features: torch.Tensor
    center_hints: torch.Tensor
    joint_hints: torch.Tensor
    inside: torch.Tensor


def cut_patches(maps: InferenceMaps, image: torch.Tensor, cell: torch.Tensor) -> Patches:
    """Patches around cells (x, y) int64 [N, 2] of the images int64 [N], zero beyond the maps."""
    first = cell - SMPL_REACH
    image = image[:, None, None]
    y, x, inside = _places(first, PATCH_CELLS, maps.center_heatmap)
    hints = [
        torch.cat([_read(one, image, y, x) for one in path], dim=3) * inside
        for path in (
            (maps.center_heatmap, maps.center_instance),
            (maps.joint_heatmaps, maps.joint_instance),
        )
    ]
    y, x, inside_features = _places(2 * first - 1, PATCH_FEATURES, maps.features)
    features = _read(maps.features, image, y, x) * inside_features
    return Patches(*(one.permute(0, 3, 1, 2) for one in (features, *hints, inside)))


def _places(
    first: torch.Tensor, side: int, maps: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The side x side cells of maps [B, C, h, w] from cells first (x, y) [N, 2] on: rows y
    [N, side, 1], columns x [N, 1, side], and [N, side, side, 1]: 1 inside the map, 0 beyond it.

    Beyond the map y and x are those of its border: no padded copy of a whole map is made, to be
    read from at few places.
    """
    height, width = maps.shape[2:]
    steps = torch.arange(side, device=maps.device)
    x, y = first[:, :1, None] + steps, first[:, 1:, None] + steps[:, None]
    near_x, near_y = x.clamp(0, width - 1), y.clamp(0, height - 1)
    inside = (x == near_x) & (y == near_y)
    return near_y, near_x, inside.to(maps.dtype)[..., None]


def _read(
    maps: torch.Tensor, image: torch.Tensor, y: torch.Tensor, x: torch.Tensor
) -> torch.Tensor:
    """Channels of maps [B, C, h, w] at places [N, side, side] -> [N, side, side, C]."""
    return maps.permute(0, 2, 3, 1)[image, y, x]
