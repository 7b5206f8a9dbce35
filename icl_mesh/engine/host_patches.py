"""network.patches on the CPU, for engines that are not PyTorch.

With numpy: patches are a few small blocks of memory, and PyTorch's threads, which its gathering of
them would wake, wait for each other where the engine's threads or another program have the cores.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from icl_mesh.network import InferenceMaps
from icl_mesh.network.branches import SMPL_REACH
from icl_mesh.network.patches import PATCH_CELLS, PATCH_FEATURES

Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.int64]


def cut_on_host(maps: InferenceMaps, image: Indices, cell: Indices) -> tuple[Floats, ...]:
    """Patches around cells (x, y) [N, 2] of the images [N], as the ONNX model of the second step
    takes them: features [N, 23, 23, C], hints [N, 153, 11, 11], inside [N, 1, 11, 11]."""
    features = maps.features.permute(0, 2, 3, 1).numpy()
    told = (maps.center_heatmap, maps.joint_heatmaps, maps.center_instance, maps.joint_instance)
    hints = [one.numpy() for one in told]
    ends = np.cumsum([one.shape[1] for one in hints])
    cells, places = hints[0].shape[2:], features.shape[1:3]
    count = len(cell)
    near = np.zeros((count, PATCH_FEATURES, PATCH_FEATURES, features.shape[3]), np.float32)
    known = np.zeros((count, ends[-1], PATCH_CELLS, PATCH_CELLS), np.float32)
    inside = np.zeros((count, 1, PATCH_CELLS, PATCH_CELLS), np.float32)
    for row, (picture, (x, y)) in enumerate(zip(image.tolist(), cell.tolist(), strict=True)):
        (from_y, to_y), (from_x, to_x) = (
            _overlap(middle - SMPL_REACH, PATCH_CELLS, side)
            for middle, side in zip((y, x), cells, strict=True)
        )
        inside[row, 0, to_y, to_x] = 1
        for one, end in zip(hints, ends, strict=True):
            part = one[picture, :, from_y, from_x]
            known[row, end - len(part) : end, to_y, to_x] = part
        (from_y, to_y), (from_x, to_x) = (
            _overlap(2 * (middle - SMPL_REACH) - 1, PATCH_FEATURES, side)
            for middle, side in zip((y, x), places, strict=True)
        )
        near[row, to_y, to_x] = features[picture, from_y, from_x]
    return near, known, inside


def _overlap(first: int, length: int, side: int) -> tuple[slice, slice]:
    """What a patch from `first` on has in common with a map: where in the map, where in itself."""
    start, stop = max(first, 0), min(first + length, side)
    return slice(start, stop), slice(start - first, stop - first)
