"""network.patches on the CPU, for engines that are not PyTorch.

By a compiled kernel (src/patches.cpp), or with numpy: a patch is a few blocks of memory, and slices
take a fifth of the time of PyTorch's gathering by index.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from icl_mesh import native
from icl_mesh.network import InferenceMaps
from icl_mesh.network.branches import CENTER_HINTS, JOINT_HINTS, SMPL_REACH
from icl_mesh.network.patches import PATCH_CELLS, PATCH_FEATURES

Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.int64]
_ARGUMENTS = (*[native.INT] * 5, *[native.POINTER] * 5, native.INT, *[native.POINTER] * 6)


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
    PatchCutter(maps, image, cell, patches)(0, len(cell))
    return patches


class PatchCutter:
    """Cuts patches around cells (x, y) [N, 2] of the images [N] into the memory of empty_patches,
    for some people at a time.

    What a call needs is looked up once: per person, that would take as long as the cutting.
    """

    def __init__(
        self, maps: InferenceMaps, image: Indices, cell: Indices, patches: tuple[Floats, ...]
    ) -> None:
        """Raises IndexError for an image that is not there."""
        self._patches = patches
        self._center = maps.center_heatmap.numpy(), maps.center_instance.numpy()
        self._joint = maps.joint_heatmaps.numpy(), maps.joint_instance.numpy()
        self._features = maps.features.permute(0, 2, 3, 1).numpy()
        self._image, self._cell = (np.ascontiguousarray(one, np.int64) for one in (image, cell))
        batch, pictures = len(self._features), self._image.tolist()
        if not all(0 <= one < batch for one in pictures):
            raise IndexError(f"images {pictures} of a batch of {batch}")
        self._call = native.kernel("icl_cut_patches", *_ARGUMENTS)
        if self._call is None:
            return
        height, width, channels = self._features.shape[1:]
        joints, instance = self._joint[0].shape[1], self._joint[1].shape[1]
        # Whatever is not laid out as the kernel needs it is copied, and the copy kept alive.
        arrays = (*self._center, *self._joint, self._features)
        self._kept = [np.ascontiguousarray(one) for one in arrays]
        self._maps = (
            *(height // 2, width // 2, joints, instance, channels),
            *[native.address(one) for one in self._kept],
        )
        self._places = [native.address(one, np.int64) for one in (self._image, self._cell)]
        self._addresses = [native.address(one) for one in patches]

    def __call__(self, first: int, count: int) -> None:
        """The patches of people first, first + 1, ..., from the start of that memory on."""
        if self._call is None:
            people = slice(first, first + count)
            self._with_numpy(self._image[people], self._cell[people])
            return
        image, cell = self._places
        number = self._image.itemsize
        places = image + first * number, cell + 2 * first * number
        self._call(*self._maps, count, *places, *self._addresses)

    def _with_numpy(self, image: Indices, cell: Indices) -> None:
        near, *hints, inside = self._patches
        for one in self._patches:
            one[:] = 0
        cells, places = self._center[0].shape[2:], self._features.shape[1:3]
        for row, (picture, (x, y)) in enumerate(zip(image.tolist(), cell.tolist(), strict=True)):
            (from_y, to_y), (from_x, to_x) = (
                _overlap(middle - SMPL_REACH, PATCH_CELLS, side)
                for middle, side in zip((y, x), cells, strict=True)
            )
            inside[row, 0, to_y, to_x] = 1
            for told, (heatmaps, instance) in zip(hints, (self._center, self._joint), strict=True):
                first = heatmaps.shape[1]
                told[row, :first, to_y, to_x] = heatmaps[picture, :, from_y, from_x]
                told[row, first:, to_y, to_x] = instance[picture, :, from_y, from_x]
            (from_y, to_y), (from_x, to_x) = (
                _overlap(2 * (middle - SMPL_REACH) - 1, PATCH_FEATURES, side)
                for middle, side in zip((y, x), places, strict=True)
            )
            near[row, to_y, to_x] = self._features[picture, from_y, from_x]


def _overlap(first: int, length: int, side: int) -> tuple[slice, slice]:
    """What a patch from `first` on has in common with a map: where in the map, where in itself."""
    start, stop = max(first, 0), min(first + length, side)
    return slice(start, stop), slice(start - first, stop - first)
