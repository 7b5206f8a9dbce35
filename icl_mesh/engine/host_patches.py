"""network.patches on the CPU, for engines that are not PyTorch, by a compiled kernel
(src/patches.cpp): a patch is a few blocks of memory."""

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
    """Memory for the patches of so many people, of features with so many channels C, as the ONNX
    model of the second step takes them: features [N, 23, 23, C], center_hints [N, 65, 11, 11],
    joint_hints [N, 88, 11, 11], inside [N, 1, 11, 11]."""
    hints = [
        np.empty((count, told, PATCH_CELLS, PATCH_CELLS), np.float32)
        for told in (CENTER_HINTS, JOINT_HINTS, 1)
    ]
    return np.empty((count, PATCH_FEATURES, PATCH_FEATURES, channels), np.float32), *hints


def cut_on_host(maps: InferenceMaps, image: Indices, cell: Indices) -> tuple[Floats, ...]:
    """Patches around cells (x, y) [N, 2] of the images [N], as in empty_patches."""
    patches = empty_patches(len(cell), maps.features.shape[1])
    patch_cutter(maps, image, cell, patches)(0, len(cell))
    return patches


def patch_cutter(
    maps: InferenceMaps, image: Indices, cell: Indices, patches: tuple[Floats, ...]
) -> kernels.PatchCutter:
    """Cuts patches around cells (x, y) [N, 2] of the images [N] into the memory of empty_patches:
    called with (first, count), those of people first, first + 1, ..., from its start on.

    What a call needs is looked up once: per person, that would take as long as the cutting.
    Raises ValueError for an image that is not there.
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
