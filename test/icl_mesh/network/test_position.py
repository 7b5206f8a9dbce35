"""Coordinate channels and sine encoding against hand-written references."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from icl_mesh.network.position import add_sine_encoding, cell_centers, coordinate_map
from icl_mesh.network.sampling import cell_from_square


def test_coordinate_map_is_x_then_y() -> None:
    maps = coordinate_map(torch.zeros(2, 7, 128, 128))
    assert maps.shape == (2, 2, 128, 128)
    # Table 1's 128 cells: linspace(-1, 1, 128), step 2 / 127.
    np.testing.assert_allclose(maps[1, 0, 5], [-1 + 2 * i / 127 for i in range(128)], atol=1e-6)
    np.testing.assert_allclose(maps[1, 1, :, 5], [-1 + 2 * i / 127 for i in range(128)], atol=1e-6)
    assert maps[0, :, 0, 127].tolist() == [1.0, -1.0]  # right end of the top row


@pytest.mark.parametrize("size", [32, 48, 64])
def test_sine_encoding_is_detr_s(size: int) -> None:
    """PositionEmbeddingSine(num_pos_feats=32, normalize=True) of DETR, channel by channel."""
    expected = np.zeros((64, size, size))
    for channel in range(64):
        index = channel % 32
        for cell in range(size):
            position = (cell + 1) / (size + 1e-6) * 2 * math.pi
            angle = position / 10000 ** (2 * (index // 2) / 32)
            value = math.sin(angle) if index % 2 == 0 else math.cos(angle)
            if channel < 32:
                expected[channel, cell, :] = value  # y first
            else:
                expected[channel, :, cell] = value
    encoding = add_sine_encoding(torch.zeros(2, 64, size, size))
    np.testing.assert_allclose(encoding[1], expected, atol=2e-6)


def test_sine_encoding_is_added() -> None:
    maps = torch.randn(1, 64, 8, 8)
    encoding = add_sine_encoding(torch.zeros(1, 64, 8, 8))
    torch.testing.assert_close(add_sine_encoding(maps), maps + encoding)
    assert add_sine_encoding(maps.bfloat16()).dtype == torch.bfloat16


def test_cell_centers_are_in_their_cells() -> None:
    """Square coordinates, edges included: unlike the coordinate map, never -1 or 1."""
    centers = cell_centers(torch.zeros(1, 3, 48, 48))
    cells = cell_from_square(centers.squeeze(0).movedim(0, -1), 48)
    x = torch.arange(48).expand(48, 48)
    assert torch.equal(cells, torch.stack((x, x.T), dim=-1))
    np.testing.assert_allclose(centers.flatten()[0], -1 + 1 / 48, atol=1e-6)
