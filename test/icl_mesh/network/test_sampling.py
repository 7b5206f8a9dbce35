"""Cells and sampling: the public release's faults (method, "Faults") are absent."""

from __future__ import annotations

import pytest
import torch

from icl_mesh.network import cell_from_square, sample_at


def test_cells_of_known_positions() -> None:
    # 64 cells over [-1, 1]: cell i spans [-1 + i / 32, -1 + (i + 1) / 32).
    xy = torch.tensor([[-1.0, -1.0], [-0.97, -0.95], [0.0, 0.5], [0.999, -0.001], [1.0, 1.0]])
    assert cell_from_square(xy, 64).tolist() == [[0, 0], [0, 1], [32, 48], [63, 31], [63, 63]]


def test_positions_outside_get_the_border_cell() -> None:
    xy = torch.tensor([[-3.0, 0.0], [0.0, 7.0]])
    assert cell_from_square(xy, 64).tolist() == [[0, 32], [32, 63]]


def test_half_precision_does_not_move_cells() -> None:
    xy = torch.tensor([[0.5, 0.53125]]).bfloat16()  # both exact in bf16, cell edges of 64
    assert cell_from_square(xy, 64).tolist() == [[48, 49]]


def test_x_and_y_are_not_swapped() -> None:
    maps = torch.zeros(1, 1, 4, 4)
    maps[0, 0, 1, 3] = 7.0  # row (y) 1, column (x) 3
    cell = cell_from_square(torch.tensor([[0.6, -0.4]]), 4)  # right, slightly up
    assert cell.tolist() == [[3, 1]]
    assert sample_at(maps, torch.tensor([0]), cell).tolist() == [[7.0]]
    assert sample_at(maps, torch.tensor([0]), torch.tensor([[1, 3]])).tolist() == [[0.0]]


def test_samples_match_a_loop_first_cell_included() -> None:
    torch.manual_seed(0)
    maps = torch.randn(3, 5, 6, 6)
    image = torch.tensor([2, 0, 1, 1])
    cells = torch.tensor([[0, 0], [5, 0], [0, 5], [2, 4]])
    expected = torch.stack([maps[b, :, y, x] for b, (x, y) in zip(image, cells, strict=True)])
    torch.testing.assert_close(sample_at(maps, image, cells), expected)
    flat = cells[:, 1] * 6 + cells[:, 0]
    torch.testing.assert_close(sample_at(maps, image, flat), expected)
    memory = maps.to(memory_format=torch.channels_last)
    torch.testing.assert_close(sample_at(memory, image, cells), expected)


def test_gradient_adds_up_where_people_share_a_cell() -> None:
    maps = torch.zeros(1, 2, 3, 3, requires_grad=True)
    sample_at(maps, torch.tensor([0, 0]), torch.tensor([[0, 0], [0, 0]])).sum().backward()
    assert maps.grad is not None
    assert maps.grad[0, :, 0, 0].tolist() == [2.0, 2.0]
    assert maps.grad.sum() == 4


def test_nobody_gives_an_empty_result() -> None:
    none = torch.zeros(0, dtype=torch.long)
    assert sample_at(torch.zeros(1, 64, 8, 8), none, none).shape == (0, 64)
    assert sample_at(torch.zeros(1, 64, 8, 8), none, none[:, None].expand(0, 2)).shape == (0, 64)


def test_refuses_mismatched_indices() -> None:
    maps = torch.zeros(1, 1, 4, 4)
    with pytest.raises(ValueError, match=r"got shapes \(2,\) and \(3,\)"):
        sample_at(maps, torch.tensor([0, 0]), torch.tensor([1, 2, 3]))
    with pytest.raises(ValueError, match=r"got shapes \(1,\) and \(1, 24, 2\)"):
        sample_at(maps, torch.tensor([0]), torch.zeros(1, 24, 2, dtype=torch.long))
