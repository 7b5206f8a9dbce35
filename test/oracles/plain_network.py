"""A network whose projectors are the identity."""

from __future__ import annotations

import torch

from icl_mesh.network import branches


def unchanging_projector() -> torch.nn.Sequential:
    """x -> (x, -x) -> ReLU -> ReLU -> their difference: x again, of 32 channels."""
    half = torch.eye(32)
    projector = branches.projector()
    apart = torch.zeros(64, 64)
    apart[:32, :32], apart[32:, :32] = half, -half
    together = torch.zeros(64, 64)
    together[:32, :32], together[:32, 32:] = half, -half
    weights = (apart, torch.eye(64), together)
    for layer, values in zip(projector[::2], weights, strict=True):
        layer.weight = torch.nn.Parameter(values, requires_grad=False)
    return projector


class PlainNetwork(torch.nn.Module):
    """Stands in for the network where maps come from elsewhere: its projectors leave the first 32
    channels as they are, and the others out."""

    lifter = refinement = None
    keypoint_channels = None

    def __init__(self) -> None:
        super().__init__()
        self.center_projector, self.joint_projector = unchanging_projector(), unchanging_projector()

    def project_center(self, features: torch.Tensor) -> torch.Tensor:
        return self.center_projector(features)

    def project_joint(self, features: torch.Tensor) -> torch.Tensor:
        return self.joint_projector(features)
