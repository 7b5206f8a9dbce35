"""From a person's first pose and the joints seen around it to a better pose.

Not in the paper. Its SMPL branch reads a person's pose off one cell of a map, while the joints'
heatmaps show where in the image each of them is; what a pose must be for its joints to lie
there is known from poses alone (Martinez et al. 2017: from 2-D joints to 3-D by a few layers).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from icl_mesh.network.branches import BETAS, JOINTS, ROTATIONS
from icl_mesh.rotation import matrix_from_6d, sixd_from_matrix

#: Joints with less evidence than this are as good as unseen.
MIN_EVIDENCE = 0.05
WIDTH = 512
_INPUTS = JOINTS * 5 + ROTATIONS * 6 + BETAS
_OUTPUTS = ROTATIONS * 6 + BETAS + 3
#: The camera changes by at most this: the logarithm of its scale, and metres.
_MOST = 0.5


class Lifted(NamedTuple):
    """rotations [N, 22, 3, 3], betas [N, 10] in place of the first ones; camera [N, 3]: what the
    weak camera changes by, as (log scale, x, y in metres of the body)."""

    rotations: torch.Tensor
    betas: torch.Tensor
    camera: torch.Tensor


class PoseLifter(nn.Module):
    """A small residual network for each person. It starts as the identity, and is trained apart
    from the rest (icl_mesh_training.lifting): its parameters ask for no gradient by themselves.
    """

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs in (_INPUTS, width, width):
            layers += [nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(width, _OUTPUTS))
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)  # for mypy
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.requires_grad_(False)

    def forward(
        self,
        points: torch.Tensor,
        strength: torch.Tensor,
        rotations: torch.Tensor,
        betas: torch.Tensor,
        flat: torch.Tensor,
    ) -> Lifted:
        """points [N, 24, 2]: joints seen, in metres of the body: (x_square - t) / s of the weak
        camera; strength [N, 24]: of their evidence, 0 to 1. rotations [N, 22, 3, 3], betas
        [N, 10]: the first pose; flat [N, 24, 2]: its joints in the image, as points.
        """
        seen = (strength >= MIN_EVIDENCE).to(points.dtype)[..., None]
        first = sixd_from_matrix(rotations)
        inputs = (points * seen, (points - flat) * seen, strength, first, betas / 3)
        out = self.layers(torch.cat([part.flatten(1) for part in inputs], dim=1))
        turns, shape, camera = out.split((ROTATIONS * 6, BETAS, 3), dim=1)
        return Lifted(
            matrix_from_6d(first + turns.view_as(first)),
            betas + shape,
            _MOST * torch.tanh(camera / _MOST),
        )
