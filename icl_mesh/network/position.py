"""Position encodings: coordinate channels and the sine encoding.

Both depend on the map's size only. They are computed on each call (small operations on [size, 32]
tables), so that one network accepts any input size without stored state.
"""

from __future__ import annotations

import math

import torch


def coordinate_map(like: torch.Tensor) -> torch.Tensor:
    """Coordinate channels for a map [B, C, h, w] -> [B, 2, h, w] of its dtype and device.

    Channel 0 is x, channel 1 is y, each ``linspace(-1, 1, size)``: the outermost cell *centres*
    are -1 and 1 (CoordConv as in ROMP). This is an input of the network only; positions of people
    are in square coordinates (icl_mesh.geometry.camera).
    """
    batch, _, height, width = like.shape
    x = torch.linspace(-1, 1, width, device=like.device).to(like.dtype)
    y = torch.linspace(-1, 1, height, device=like.device).to(like.dtype)
    return torch.stack((x[None, :].expand(height, width), y[:, None].expand(height, width))).expand(
        batch, 2, height, width
    )


def cell_centers(like: torch.Tensor) -> torch.Tensor:
    """Square coordinates (x, y) of the cells of a map [B, C, h, w] -> [1, 2, h, w], float32."""
    height, width = like.shape[-2:]
    x = (torch.arange(width, device=like.device) + 0.5) / width * 2 - 1
    y = (torch.arange(height, device=like.device) + 0.5) / height * 2 - 1
    return torch.stack((x[None, :].expand(height, width), y[:, None].expand(height, width)))[None]


def sine_table(size: int, channels: int, device: torch.device | None = None) -> torch.Tensor:
    """One axis of DETR's normalised sine encoding (Carion et al. 2020): [size, channels].

    The angle of position i is ``(i + 1) / (size + 1e-6) * 2 pi``, as in DETR's cumulative sum over
    an unpadded image. Even channels are sines, odd ones cosines, of the angle divided by
    ``10000 ** (2 k / channels)`` for the k-th pair.
    """
    position = torch.arange(1, size + 1, dtype=torch.float32, device=device)
    angle = position / (size + 1e-6) * (2 * math.pi)
    pair = torch.arange(channels // 2, dtype=torch.float32, device=device)
    angle = angle[:, None] / 10000.0 ** (2 * pair / channels)
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1)


def add_sine_encoding(maps: torch.Tensor) -> torch.Tensor:
    """Add DETR's 2-D sine encoding to maps [B, C, h, w]: first C/2 channels y, the rest x.

    C must be a multiple of 4 (64 here: 32 for y, 32 for x).
    """
    _, channels, height, width = maps.shape
    y = sine_table(height, channels // 2, maps.device).T[:, :, None]  # [C/2, h, 1]
    x = sine_table(width, channels // 2, maps.device).T[:, None, :]  # [C/2, 1, w]
    half = (channels // 2, height, width)
    return maps + torch.cat((y.expand(half), x.expand(half))).to(maps.dtype)
