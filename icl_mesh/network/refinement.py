"""Statistics for the refinement of people by a second stage's keypoints. Not in the paper.

`icl-mesh-train refinement` estimates them on rendered scenes, for the weights that they are stored
with.
"""

from __future__ import annotations

import torch
from torch import nn

from icl_mesh.network.constants import BETAS, CAMERA_CHANNELS, ROTATIONS

#: Of a person's fit: rotation increments [22, 3], camera (log scale, x, y), betas [10].
UNKNOWNS = 3 * ROTATIONS + CAMERA_CHANNELS + BETAS
#: Inputs of the logistic regression (icl_mesh.refinement.gate), and its bias.
GATE_INPUTS = 7


class Refinement(nn.Module):
    """Buffers only.

    precision [79, 79]: inverse covariance of the first stage's errors, in the unknowns of
    src/refine.cpp. gate [8]: weights and bias of the probability that a detected keypoint is
    correct and this person's own.
    """

    precision: torch.Tensor
    gate: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("precision", torch.eye(UNKNOWNS))
        self.register_buffer("gate", torch.zeros(GATE_INPUTS + 1))
