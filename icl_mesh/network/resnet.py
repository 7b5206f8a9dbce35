"""ResNet-50 (He et al. 2015, stride in the 3x3 as torchvision's) with three deconvolutions.

The paper's backbone. Parameter names are torchvision's, so its ``resnet50`` state dict without
``fc`` loads. ``deconv_layers`` is the name of "Simple Baselines" (Xiao et al. 2018), so its pose
networks load too.
"""

from __future__ import annotations

import torch
from torch import nn


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolution with fourfold output width; HRNet's first stage uses it too."""

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, channels * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skip = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + skip)


def bottleneck_layer(in_channels: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
    """``blocks`` Bottlenecks, the first with the stride and a projected skip."""
    out_channels = channels * Bottleneck.expansion
    downsample = nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
    )
    return nn.Sequential(
        Bottleneck(in_channels, channels, stride, downsample),
        *(Bottleneck(out_channels, channels) for _ in range(blocks - 1)),
    )


def initialise_convolutions(network: nn.Module) -> None:
    """He initialisation of all convolutions, as torchvision does for a network from scratch."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.ConvTranspose2d):
            # Each output cell sums in_channels x 2 x 2 products (4x4 kernel, stride 2).
            nn.init.normal_(module.weight, std=(2 / (module.in_channels * 4)) ** 0.5)


class ResNet50(nn.Module):
    """ImageNet-normalised RGB [B, 3, S, S] -> [B, 64, S/4, S/4]; S a multiple of 32."""

    out_channels = 64

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = bottleneck_layer(64, 64, blocks=3, stride=1)
        self.layer2 = bottleneck_layer(256, 128, blocks=4, stride=2)
        self.layer3 = bottleneck_layer(512, 256, blocks=6, stride=2)
        self.layer4 = bottleneck_layer(1024, 512, blocks=3, stride=2)
        deconvolutions: list[nn.Module] = []
        channels = 2048
        for out_channels in (256, 128, self.out_channels):
            deconvolutions += [
                nn.ConvTranspose2d(channels, out_channels, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(out_channels),
                nn.ReLU(inplace=True),
            ]
            channels = out_channels
        self.deconv_layers = nn.Sequential(*deconvolutions)
        initialise_convolutions(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.deconv_layers(x)
