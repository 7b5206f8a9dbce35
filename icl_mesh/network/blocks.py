"""The two building blocks of the branches (supplementary, Table 1)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class ConvBlock(nn.Sequential):
    """3x3 convolution with bias, batch norm, ReLU: [B, in, H, W] -> [B, out, H/stride, W/stride].

    The bias is redundant before a batch norm, but it is in the paper's parameter count.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def on_patches(self, x: torch.Tensor) -> torch.Tensor:
        """The same without padding: [N, in, k, k] -> [N, out, (k - 3) // stride + 1, ...]."""
        convolution, norm, activation = self
        return activation(norm(unpadded(convolution, x)))


class ResBlock(nn.Module):
    """Two 3x3 convolutions without bias, each with batch norm, around an identity skip.

    Shape is kept: every ResBlock of Table 1 has as many input as output channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        residual = self.relu(self.bn1(self.conv1(x)))
        return self.relu(x + self.bn2(self.conv2(residual)))

    def on_patches(self, x: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """The same without padding: [N, C, k, k] -> [N, C, k - 4, k - 4].

        inside [N, 1, k, k]: 1 inside the map, 0 outside. It reproduces the zero padding of the
        second convolution on the map.
        """
        side = x.shape[-1]
        residual = self.relu(self.bn1(unpadded(self.conv1, x))) * middle(inside, side - 2)
        return self.relu(middle(x, side - 4) + self.bn2(unpadded(self.conv2, residual)))


def unpadded(convolution: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The convolution without padding, at the cells that need none."""
    assert isinstance(convolution, nn.Conv2d)  # for mypy
    return functional.conv2d(x, convolution.weight, convolution.bias, convolution.stride)


def middle(x: torch.Tensor, side: int) -> torch.Tensor:
    """The central side x side cells of [N, C, k, k]; k - side is even."""
    edge = (x.shape[-1] - side) // 2
    return x[:, :, edge : edge + side, edge : edge + side]
