"""Letterbox and normalisation on a GPU, with the weights of src/letterbox.cpp.

The image is copied to the GPU as bytes. Resampling is separable: two products with weight matrices.
They are mostly zero, but a dense product takes a GPU less time than a kernel launch.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.geometry.letterbox import PAD_VALUE, Letterbox
from icl_mesh.preprocess.channel_order import as_stored


class DeviceLetterbox:
    """The letterbox of one image size on one device. :func:`on_device` caches instances."""

    def __init__(
        self,
        letterbox: Letterbox,
        device: torch.device,
        scale: tuple[float, ...],
        shift: tuple[float, ...],
    ) -> None:
        """scale, shift [3]: per channel, value = byte * scale + shift."""
        with torch.inference_mode(False):  # the constants outlive the call
            width, height = letterbox.inner_size
            self._rows = _weights(letterbox.height, height).to(device)
            self._columns = _weights(letterbox.width, width).T.contiguous().to(device)
            self._scale, self._shift, padding = (
                torch.tensor(values, dtype=torch.float32, device=device)[:, None, None]
                for values in (scale, shift, np.multiply(PAD_VALUE, scale) + shift)
            )
            self._empty = padding.expand(1, 3, letterbox.size, letterbox.size).contiguous()
        x, y = letterbox.offset.tolist()
        self._window = slice(y, y + height), slice(x, x + width)
        self._device = device

    def __call__(self, image: npt.NDArray[np.uint8]) -> torch.Tensor:
        """RGB [H, W, 3] -> [1, 3, S, S], float32. The device reorders the channels of BGR views."""
        stored, is_reversed = as_stored(image)
        pixels = torch.from_numpy(np.ascontiguousarray(stored)).to(self._device).permute(2, 0, 1)
        pixels = pixels.flip(0) if is_reversed else pixels
        numbers = pixels.to(torch.float32, memory_format=torch.contiguous_format)
        means = self._rows @ numbers @ self._columns
        planes = self._empty.clone()
        rows, columns = self._window
        planes[0, :, rows, columns] = means.mul_(self._scale).add_(self._shift)
        return planes


@functools.lru_cache(maxsize=8)
def on_device(
    letterbox: Letterbox,
    device: torch.device,
    scale: tuple[float, ...],
    shift: tuple[float, ...],
) -> DeviceLetterbox:
    """A cached DeviceLetterbox."""
    return DeviceLetterbox(letterbox, device, scale, shift)


def _weights(before: int, after: int) -> torch.Tensor:
    """Resampling weights along an axis: float32 [after, before].

    Shrinking: the share of the new pixel that an old one covers (cv2.INTER_AREA). Growing: linear
    between the two nearest centres (cv2.INTER_LINEAR), with replicated borders.
    """
    old, new = np.arange(before), np.arange(after)[:, None]
    if after > before:
        centers = np.clip((new + 0.5) * before / after - 0.5, 0, before - 1)
        weights = np.maximum(1 - np.abs(centers - old), 0)
    else:  # in integers: an old pixel has length `after`, a new one `before`
        ends = np.minimum((new + 1) * before, (old + 1) * after)
        weights = np.maximum(ends - np.maximum(new * before, old * after), 0) / before
    return torch.from_numpy(weights.astype(np.float32))
