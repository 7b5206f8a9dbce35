"""MoveNet MultiPose Lightning (Google, 2021) as a backbone, pretrained for 2-D keypoints.

A CenterNet (Zhou et al. 2019) on MobileNetV2 of width 1.5, trained on photos of people; its weights
are free (Apache-2.0). ROMP and the paper pretrain HRNet on 2-D pose for the same reason: keypoints
are available to the branches from the first training step. MoveNet's decoding of instances is left
out. Its output maps are concatenated with those of a decoder that is trained here.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from icl_mesh.network.mobilenet import (
    BLOCKS,
    TAPS,
    Decoder,
    FoldedConv,
    Trunk,
    scaled_channels,
)

WIDTH = 1.5
#: COCO's keypoints, nose to right ankle.
KEYPOINTS = 17
#: Blocks that feed the pyramid at strides 4, 8, 16; stride 32 is fed by ``last``.
PYRAMID_BLOCKS = (2, 5, 9)
PYRAMID_CHANNELS = 24
#: Channels of the decoder that is trained here, at stride 4.
DECODER_CHANNELS = 48


class KeypointChannels(NamedTuple):
    """Channels of a backbone's output with keypoints of "coco17".

    ``first`` is a channel, the others are relative to it. center: probability of a person's
    centre; keypoints: their probabilities; offsets: (y, x) of each keypoint from the person's
    centre, interleaved, in units of exp(log_extent) cells.
    """

    first: int
    center: int
    keypoints: slice
    offsets: slice
    log_extent: int


class SeparableConv(nn.Module):
    """Depthwise 3x3, 1x1 with bias, ReLU: [B, in, H, W] -> [B, out, H, W]."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.dw = nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False)
        self.project = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.project(self.dw(x)))


def keypoint_head(out_channels: int) -> nn.Sequential:
    """One of MoveNet's heads on the pyramid's finest map."""
    return nn.Sequential(SeparableConv(PYRAMID_CHANNELS, 96), nn.Conv2d(96, out_channels, 1))


class KeypointPyramid(nn.Module):
    """MoveNet's pyramid and three of its heads: people's centres and keypoints at stride 4.

    width: the trunk's.
    """

    out_channels = PYRAMID_CHANNELS + 1 + KEYPOINTS + 2 * KEYPOINTS + 1

    def __init__(self, width: float = WIDTH) -> None:
        super().__init__()
        *sources, coarsest = (
            scaled_channels(BLOCKS[index][0], width) for index in (*PYRAMID_BLOCKS, -1)
        )
        self.last = FoldedConv(coarsest, 1280, 1)
        widths = (PYRAMID_CHANNELS, 32, 64, 64)
        self.lateral = nn.ModuleList(
            nn.Conv2d(source, width, 1)
            for source, width in zip((*sources, 1280), widths, strict=True)
        )
        self.smooth = nn.ModuleList(
            SeparableConv(width, out)
            for width, out in zip(widths[:3], (PYRAMID_CHANNELS, PYRAMID_CHANNELS, 32), strict=True)
        )
        self.center = keypoint_head(1)
        self.keypoints = keypoint_head(KEYPOINTS)
        self.offsets = keypoint_head(2 * KEYPOINTS)

    def features(self, blocks: list[torch.Tensor]) -> torch.Tensor:
        """Maps of the trunk's blocks -> [B, 24, S/4, S/4], what the heads read."""
        x: torch.Tensor = self.lateral[3](self.last(blocks[-1]))
        for level in reversed(range(3)):
            up = functional.interpolate(x, scale_factor=2.0, mode="bilinear")
            x = self.smooth[level](self.lateral[level](blocks[PYRAMID_BLOCKS[level]]) + up)
        return x

    def forward(self, blocks: list[torch.Tensor]) -> torch.Tensor:
        """Maps of the trunk's blocks -> [B, 77, S/4, S/4].

        In this order: the pyramid's features (24); probabilities of a person's centre (1) and of
        the keypoints (17); offsets (y, x), interleaved, from the cell to the keypoints of the
        person centred there, divided by their root mean square (34); the logarithm of that root
        mean square, in cells (1).
        """
        x = self.features(blocks)
        offsets = self.offsets(x).float()
        # The keypoints' shape tells the pose and their size the distance. Separate channels spare
        # the network from learning each at every scale. + 1 cell^2 avoids a division by zero.
        extent = (offsets.square().mean(1, keepdim=True) + 1.0).sqrt()
        maps = (
            x,
            self.center(x).sigmoid(),
            self.keypoints(x).sigmoid(),
            offsets / extent,
            extent.log(),
        )
        return torch.cat([m.to(x.dtype) for m in maps], dim=1)


class MoveNet(Trunk):
    """ImageNet-normalised RGB [B, 3, S, S] -> [B, 125, S/4, S/4]; S a multiple of 32."""

    out_channels = DECODER_CHANNELS + KeypointPyramid.out_channels
    keypoint_channels = KeypointChannels(
        first=DECODER_CHANNELS + PYRAMID_CHANNELS,
        center=0,
        keypoints=slice(1, 1 + KEYPOINTS),
        offsets=slice(1 + KEYPOINTS, 1 + 3 * KEYPOINTS),
        log_extent=1 + 3 * KEYPOINTS,
    )

    def __init__(self) -> None:
        super().__init__(WIDTH)
        self.pyramid = KeypointPyramid()
        self.decoder = Decoder(self.tap_channels, (DECODER_CHANNELS, 64, 96, 128))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        blocks = self.blocks(images)
        decoded = self.decoder([blocks[index] for index in TAPS.values()])
        return torch.cat((decoded, self.pyramid(blocks)), dim=1)

    def freeze_to_stride(self, stride: int) -> None:
        """As the trunk's; stride 32 freezes the pyramid too."""
        super().freeze_to_stride(stride)
        if stride == 32:
            self.pyramid.requires_grad_(False)
