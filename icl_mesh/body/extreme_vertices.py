"""Extreme vertices: those that determine the bounding box of a body in any pose."""

from __future__ import annotations

import math

import torch

#: Directions in which each part's extreme vertex is kept. They are about 20 degrees apart: the
#: error of the extent is below 1 - cos(10 degrees), 1.5 % of the part's size.
DIRECTIONS = 100


def extreme_vertices(template: torch.Tensor, skinning_weights: torch.Tensor) -> torch.Tensor:
    """Template [V, 3], weights [V, J] -> sorted indices of a few hundred extreme vertices.

    Each side of a bounding box touches the extreme vertex of some body part. Parts move nearly
    rigidly, so that vertex is extreme in some direction of the part's rest pose too.
    """
    reach = template @ sphere(DIRECTIONS).to(template).T  # [V, D]
    part = skinning_weights.argmax(dim=1)
    best = reach.new_full((skinning_weights.shape[1], DIRECTIONS), -math.inf)
    best.scatter_reduce_(0, part[:, None].expand_as(reach), reach, "amax")
    return (reach == best[part]).any(dim=1).nonzero()[:, 0]


def sphere(count: int) -> torch.Tensor:
    """Unit vectors [count, 3], evenly distributed (Fibonacci sphere)."""
    step = torch.arange(count, dtype=torch.float64) + 0.5
    z = 1 - 2 * step / count
    angle = step * math.pi * (3 - math.sqrt(5))
    radius = (1 - z**2).sqrt()
    return torch.stack((radius * angle.cos(), radius * angle.sin(), z), dim=1)
