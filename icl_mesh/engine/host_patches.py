"""network.patches on the CPU, for engines that are not PyTorch.

With numpy: a patch is a few blocks of memory, and slices take a fifth of the time of PyTorch's
gathering by index.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from icl_mesh.network import InferenceMaps
from icl_mesh.network.branches import CENTER_HINTS, JOINT_HINTS, SMPL_REACH
from icl_mesh.network.patches import PATCH_CELLS, PATCH_FEATURES

Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.int64]


def cut_on_host(maps: InferenceMaps, image: Indices, cell: Indices) -> tuple[Floats, ...]:
    """Patches around cells (x, y) [N, 2] of the images [N], as the ONNX model of the second step
    takes them: features [N, 23, 23, C], center_hints [N, 65, 11, 11], joint_hints [N, 88, 11,
    11], inside [N, 1, 11, 11]."""
    features = maps.features.permute(0, 2, 3, 1).numpy()
    paths = [
        (maps.center_heatmap.numpy(), maps.center_instance.numpy()),
        (maps.joint_heatmaps.numpy(), maps.joint_instance.numpy()),
    ]
    count, cells, places = len(cell), paths[0][0].shape[2:], features.shape[1:3]

    def empty(channels: int) -> Floats:
        return np.zeros((count, channels, PATCH_CELLS, PATCH_CELLS), np.float32)

    near = np.zeros((count, PATCH_FEATURES, PATCH_FEATURES, features.shape[3]), np.float32)
    hints, inside = [empty(CENTER_HINTS), empty(JOINT_HINTS)], empty(1)
    for row, (picture, (x, y)) in enumerate(zip(image.tolist(), cell.tolist(), strict=True)):
        (from_y, to_y), (from_x, to_x) = (
            _overlap(middle - SMPL_REACH, PATCH_CELLS, side)
            for middle, side in zip((y, x), cells, strict=True)
        )
        inside[row, 0, to_y, to_x] = 1
        for told, (heatmaps, instance) in zip(hints, paths, strict=True):
            first = heatmaps.shape[1]
            told[row, :first, to_y, to_x] = heatmaps[picture, :, from_y, from_x]
            told[row, first:, to_y, to_x] = instance[picture, :, from_y, from_x]
        (from_y, to_y), (from_x, to_x) = (
            _overlap(2 * (middle - SMPL_REACH) - 1, PATCH_FEATURES, side)
            for middle, side in zip((y, x), places, strict=True)
        )
        near[row, to_y, to_x] = features[picture, from_y, from_x]
    return near, *hints, inside


def _overlap(first: int, length: int, side: int) -> tuple[slice, slice]:
    """What a patch from `first` on has in common with a map: where in the map, where in itself."""
    start, stop = max(first, 0), min(first + length, side)
    return slice(start, stop), slice(start - first, stop - first)
