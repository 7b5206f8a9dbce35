"""Cells of a map from square coordinates, and sampling of their channels.

Cells are (x, y), like all image coordinates of this package.
"""

from __future__ import annotations

import torch


def cell_from_square(xy: torch.Tensor, size: int) -> torch.Tensor:
    """Square coordinates [..., 2] in [-1, 1] -> cells (x, y) int64 [..., 2] of a size x size map.

    ``floor((x + 1) / 2 * size)``, clamped to the map: points outside get the nearest border cell.
    Cell (0, 0) never means "absent".
    """
    # At least float32: bf16 cannot count 64 cells.
    cells = torch.floor((xy.to(torch.promote_types(xy.dtype, torch.float32)) + 1) / 2 * size)
    return cells.clamp(0, size - 1).long()


def sample_at(maps: torch.Tensor, image_index: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
    """Channels of maps [B, C, h, w] at M cells -> [M, C], differentiable in the maps.

    image_index int64 [M]: index in the batch. cell int64: either [M, 2] cells (x, y), as from
    :func:`cell_from_square`, or [M] flat indices ``y * w + x``, as from a top-k over flattened
    maps. Several cells per person, such as [N, J, 2] joints, are flattened to M.
    """
    if cell.dim() == 2 and cell.shape[1] == 2:
        cell = cell[:, 1] * maps.shape[3] + cell[:, 0]
    if image_index.dim() != 1 or cell.shape != image_index.shape:
        raise ValueError(
            "sample_at needs image_index [M] and cells (x, y) [M, 2] or flat [M], got shapes "
            f"{tuple(image_index.shape)} and {tuple(cell.shape)}"
        )
    return maps.flatten(2)[image_index, :, cell]
