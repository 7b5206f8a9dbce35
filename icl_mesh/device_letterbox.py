"""Letterbox and normalisation on a GPU: two products with the means of src/letterbox.cpp.

The image travels as it came, in bytes. Every new pixel is a weighted mean of a row's old ones, and
of a column's: as products with two matrices, which are mostly zero and still take a GPU less time
than a launch.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.channel_order import as_stored
from icl_mesh.letterbox import PAD_VALUE, Letterbox


class DeviceLetterbox:
    """Of images of one size, on one device. Its constants are made once (:func:`on_device`)."""

    def __init__(
        self,
        letterbox: Letterbox,
        device: torch.device,
        scale: tuple[float, ...],
        shift: tuple[float, ...],
    ) -> None:
        """scale, shift: by channel, what a byte is multiplied by, and what is then added."""
        with torch.inference_mode(False):  # they outlast the call that asked for them
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
        """RGB [H, W, 3] -> [1, 3, S, S], float32. A view of BGR is turned there, not here."""
        stored, backwards = as_stored(image)
        pixels = torch.from_numpy(np.ascontiguousarray(stored)).to(self._device).permute(2, 0, 1)
        pixels = pixels.flip(0) if backwards else pixels
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
    """See DeviceLetterbox; the same again for the same arguments."""
    return DeviceLetterbox(letterbox, device, scale, shift)


def _weights(before: int, after: int) -> torch.Tensor:
    """What each old pixel of an axis weighs in each new one: float32 [after, before].

    Where the axis shrinks, the share of the new one that it covers; where it grows, by distance
    between the centres of the two nearest (cv2.INTER_LINEAR), the outermost ones repeated.
    """
    old, new = np.arange(before), np.arange(after)[:, None]
    if after > before:
        centers = np.clip((new + 0.5) * before / after - 0.5, 0, before - 1)
        weights = np.maximum(1 - np.abs(centers - old), 0)
    else:  # counted in whole numbers: an old pixel is `after` long, a new one `before`
        ends = np.minimum((new + 1) * before, (old + 1) * after)
        weights = np.maximum(ends - np.maximum(new * before, old * after), 0) / before
    return torch.from_numpy(weights.astype(np.float32))
