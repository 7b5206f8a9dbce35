"""The six branches and the two projectors of the supplementary's Table 1.

Every branch takes the backbone's map with its coordinate channels [B, C, S/4, S/4] and ends at
h = w = S/8. ``hidden`` is Table 1's 64; its 128 is always ``2 * hidden``. Output channels are
fixed.
"""

from __future__ import annotations

import torch
from torch import nn

from icl_mesh.network.blocks import ConvBlock, ResBlock, middle, unpadded
from icl_mesh.network.constants import (
    INSTANCE_CHANNELS,
    JOINTS,
    PROJECTOR_LAYERS,
    SMPL_CHANNELS,
)

#: Channels of heatmaps and instance map that the SMPL branch's two paths take as input.
CENTER_HINTS, JOINT_HINTS = 1 + INSTANCE_CHANNELS, JOINTS + INSTANCE_CHANNELS


def plain_branch(in_channels: int, hidden: int, out_channels: int) -> nn.Sequential:
    """Centre heatmap, joint heatmaps, camera: ConvBlock(s2), ResBlock, ResBlock, 1x1."""
    return nn.Sequential(
        ConvBlock(in_channels, hidden, stride=2),
        ResBlock(hidden),
        ResBlock(hidden),
        nn.Conv2d(hidden, out_channels, 1),
    )


class InstanceBranch(nn.Module):
    """Centre- or joint-aligned instance map. Both heatmaps are inputs too.

    features [B, in, S/4, S/4], heatmaps [B, 1 + 24, h, w] -> [B, 64, h, w].
    """

    def __init__(self, in_channels: int, hidden: int) -> None:
        super().__init__()
        wide = 2 * hidden
        self.stem = nn.Sequential(ConvBlock(in_channels, wide, stride=2), ResBlock(wide))
        self.merge = nn.Sequential(
            ConvBlock(wide + 1 + JOINTS, wide),
            ResBlock(wide),
            nn.Conv2d(wide, INSTANCE_CHANNELS, 1),
        )

    def forward(self, features: torch.Tensor, heatmaps: torch.Tensor) -> torch.Tensor:
        return self.merge(torch.cat((self.stem(features), heatmaps), dim=1))


class SmplBranch(nn.Module):
    """SMPL parameter map, from a centre path (top) and a joint path (bottom).

    features [B, in, S/4, S/4]; center [B, 1, h, w] and joints [B, 24, h, w] heatmaps;
    center_instance, joint_instance [B, 64, h, w] -> [B, 142, h, w].
    """

    def __init__(self, in_channels: int, hidden: int) -> None:
        super().__init__()
        self.stem = ConvBlock(in_channels, hidden, stride=2)
        self.top = ConvBlock(hidden + 1 + INSTANCE_CHANNELS, hidden)
        self.bottom = ConvBlock(hidden + JOINTS + INSTANCE_CHANNELS, hidden)
        self.merge = nn.Sequential(
            ResBlock(2 * hidden), ResBlock(2 * hidden), nn.Conv2d(2 * hidden, SMPL_CHANNELS, 1)
        )

    def forward(
        self,
        features: torch.Tensor,
        center: torch.Tensor,
        joints: torch.Tensor,
        center_instance: torch.Tensor,
        joint_instance: torch.Tensor,
    ) -> torch.Tensor:
        features = self.stem(features)
        top = self.top(torch.cat((features, center, center_instance), dim=1))
        bottom = self.bottom(torch.cat((features, joints, joint_instance), dim=1))
        return self.merge(torch.cat((top, bottom), dim=1))

    def on_patches(
        self,
        features: torch.Tensor,
        center_hints: torch.Tensor,
        joint_hints: torch.Tensor,
        inside: torch.Tensor,
    ) -> torch.Tensor:
        """The map's values at N cells, from patches around them (network.patches). Convolutions are
        unpadded; `inside` reproduces the zero padding at the map's border.

        features [N, in, 23, 23]; center_hints [N, 1 + 64, 11, 11] and joint_hints
        [N, 24 + 64, 11, 11]: heatmaps and instance map of each path; inside [N, 1, 11, 11]: 1
        inside the map, 0 outside, where features and hints are 0 too -> [N, 142].
        """
        features = self.stem.on_patches(features) * inside
        top = self.top.on_patches(torch.cat((features, center_hints), dim=1))
        bottom = self.bottom.on_patches(torch.cat((features, joint_hints), dim=1))
        first, second, last = self.merge
        assert isinstance(first, ResBlock) and isinstance(second, ResBlock)  # for mypy
        x = torch.cat((top, bottom), dim=1)  # [N, 2 hidden, 9, 9]
        for block in (first, second):
            inside = middle(inside, x.shape[-1])
            x = block.on_patches(x * inside, inside)
        return unpadded(last, x)[:, :, 0, 0]


def projector() -> nn.Sequential:
    """P_C or P_J: FC-ReLU-FC-ReLU-FC without biases, [..., 64] -> [..., 64]."""
    layers: list[nn.Module] = []
    for _ in range(PROJECTOR_LAYERS):
        layers += [nn.Linear(INSTANCE_CHANNELS, INSTANCE_CHANNELS, bias=False), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
