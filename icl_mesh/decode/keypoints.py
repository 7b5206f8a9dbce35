"""From the second stage's maps to keypoints, as MoveNet's published graph does it.

Letters: N crops, K = 17 keypoints of COCO, H x W cells of a map; a cell is 4 x 4 crop pixels.
"""

from __future__ import annotations

import torch

from icl_mesh.engine.threads import torch_threads
from icl_mesh.network.movenet import KEYPOINTS
from icl_mesh.network.single_person import CELL, KeypointMaps

#: Cells that are added to a distance before a probability is divided by it (the published graph).
_NEAR = 1.8


def decode_keypoints(maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Maps [N, 86, H, W] -> keypoints [N, K, 2], (x, y) in crop pixels, and scores [N, K], 0 to 1.

    As published: the most probable centre, divided by its distance from the middle; the keypoints
    regressed there; for each the most probable cell, divided by its distance from the regressed
    keypoint; the place within that cell. Pixel centres are integers: the crop spans [-0.5, 255.5].
    """
    with torch.inference_mode(), torch_threads(1):
        return _decoded(maps)


def _decoded(maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    center, heat, offsets, refinements = KeypointMaps.of(maps.float())
    count, _, height, width = center.shape
    if count == 0:
        return maps.new_zeros(0, KEYPOINTS, 2), maps.new_zeros(0, KEYPOINTS)
    y = torch.arange(height, device=maps.device, dtype=torch.float32)[:, None]
    x = torch.arange(width, device=maps.device, dtype=torch.float32)
    middle = torch.hypot(y - height / 2, x - width / 2)
    best = (center[:, 0] / (middle + _NEAR)).flatten(1).argmax(1)  # [N]
    at = offsets.flatten(3).take_along_dim(best[:, None, None, None], dim=3)[..., 0]  # [N, K, 2]
    at = at + torch.stack((best // width, best % width), dim=-1)[:, None]
    distance = torch.hypot(y - at[..., 0, None, None], x - at[..., 1, None, None])  # [N, K, H, W]
    cell = (heat / (distance + _NEAR)).flatten(2).argmax(2)  # [N, K]
    scores = heat.flatten(2).take_along_dim(cell[..., None], dim=2)[..., 0]
    within = refinements.flatten(3).take_along_dim(cell[..., None, None], dim=3)[..., 0]
    yx = torch.stack((cell // width, cell % width), dim=-1) + within
    return yx.flip(-1) * CELL - 0.5, scores
