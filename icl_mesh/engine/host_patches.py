"""network.patches by a compiled kernel (src/patches.cpp), for engines other than PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh import kernels
from icl_mesh.network import InferenceMaps
from icl_mesh.network.branches import CENTER_HINTS, JOINT_HINTS
from icl_mesh.network.patches import PATCH_CELLS, PATCH_FEATURES

Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.int64]


def empty_patches(count: int, channels: int) -> tuple[Floats, ...]:
    """Memory for the patches of N = count people, features having C = channels: the inputs of the
    second step's ONNX model. features [N, 23, 23, C], center_hints [N, 65, 11, 11], joint_hints
    [N, 88, 11, 11], inside [N, 1, 11, 11], float32."""
    maps = [
        np.empty((count, hints, PATCH_CELLS, PATCH_CELLS), np.float32)
        for hints in (CENTER_HINTS, JOINT_HINTS, 1)
    ]
    return np.empty((count, PATCH_FEATURES, PATCH_FEATURES, channels), np.float32), *maps


def cut_on_host(maps: InferenceMaps, image: Indices, cell: Indices) -> tuple[Floats, ...]:
    """Patches around cells (x, y) [N, 2] of the images [N], as in empty_patches."""
    patches = empty_patches(len(cell), maps.features.shape[1])
    patch_cutter(maps, image, cell, patches)(0, len(cell))
    return patches


def patch_cutter(
    maps: InferenceMaps, image: Indices, cell: Indices, patches: tuple[Floats, ...]
) -> kernels.PatchCutter:
    """Cuts patches around cells (x, y) [N, 2] of the images [N] (indices into the batch).

    A call (first, count) writes those of `count` people, from row `first` on, to the start of
    patches (empty_patches). Raises ValueError for an index outside the batch.
    """
    near, center_hints, joint_hints, inside = patches
    return kernels.PatchCutter(
        center_heatmap=_contiguous(maps.center_heatmap),
        center_instance=_contiguous(maps.center_instance),
        joint_heatmaps=_contiguous(maps.joint_heatmaps),
        joint_instance=_contiguous(maps.joint_instance),
        features=_contiguous(maps.features.permute(0, 2, 3, 1)),
        image=np.ascontiguousarray(image, np.int64),
        cell=np.ascontiguousarray(cell, np.int64),
        near=near,
        center_hints=center_hints,
        joint_hints=joint_hints,
        inside=inside,
    )


def _contiguous(maps: torch.Tensor) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(maps.numpy(), np.float32)
