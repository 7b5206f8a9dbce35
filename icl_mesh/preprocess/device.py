"""Letterbox and normalisation on a GPU, with the weights of src/letterbox.cpp.

The image is copied to the GPU as bytes. Resampling is separable: two products with weight matrices.
They are mostly zero, but a dense product takes a GPU less time than a kernel launch.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.geometry.view import View
from icl_mesh.preprocess.channel_order import as_stored
from icl_mesh.preprocess.tones import TONES


def preprocess_on_device(image: npt.NDArray[np.uint8], view: View) -> torch.Tensor:
    """RGB [H, W, 3] -> [1, 3, S, S], float32, on the view's device, which also reorders the
    channels of BGR views."""
    stored, is_reversed = as_stored(image)
    pixels = torch.from_numpy(np.ascontiguousarray(stored)).to(view.device).permute(2, 0, 1)
    pixels = pixels.flip(0) if is_reversed else pixels
    numbers = pixels.to(torch.float32, memory_format=torch.contiguous_format)
    rows, columns = view.resampling
    scale, shift, padding = _tones(view.device)
    size, (width, height, left, top) = view.letterbox.size, view.window
    planes = torch.empty((1, 3, size, size), device=view.device).copy_(padding)
    means = rows @ numbers @ columns
    planes[0, :, top : top + height, left : left + width] = means.mul_(scale).add_(shift)
    return planes


@functools.cache
def _tones(device: torch.device) -> torch.Tensor:
    """TONES as [3, 3, 1, 1] on a device."""
    with torch.inference_mode(False):  # they outlive the call
        return torch.tensor(TONES, device=device)[..., None, None]
