"""MobileNetV2 (Sandler et al. 2018) with a light decoder to stride 4: a backbone for the CPU.

The trunk is TensorFlow's model with folded batch norms: convolutions with bias and ReLU6. It keeps
TensorFlow's "SAME" padding, which at stride 2 pads right and bottom only; PyTorch's symmetric
padding would shift every map by a pixel, which the weights do not fit. The trunk's parameters have
the names of the weights file (icl_mesh.network.imagenet).
"""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn import functional

from icl_mesh.network.normalization import IMAGENET_MEAN, IMAGENET_STD

#: Table 2 of the paper: output channels, expansion, stride of blocks b0 to b16.
BLOCKS = (
    (16, 1, 1),
    *((24, 6, 2), (24, 6, 1)),
    *((32, 6, 2), (32, 6, 1), (32, 6, 1)),
    *((64, 6, 2), (64, 6, 1), (64, 6, 1), (64, 6, 1)),
    *((96, 6, 1), (96, 6, 1), (96, 6, 1)),
    *((160, 6, 2), (160, 6, 1), (160, 6, 1)),
    (320, 6, 1),
)
#: Last block of each stride 4, 8, 16, 32; their channels are 24, 32, 96, 320.
TAPS = {4: 2, 8: 5, 16: 12, 32: 16}


class FoldedConv(nn.Conv2d):
    """Convolution with bias and TensorFlow's "SAME" padding, then ReLU6 unless ``linear``.

    Input height and width must be even where stride is 2: [B, in, H, W] -> [B, out, H/s, W/s].
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        *,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(in_channels, out_channels, kernel, stride, padding, groups=groups)
        self.linear = linear
        nn.init.kaiming_normal_(self.weight, mode="fan_out")
        nn.init.zeros_(self.bias)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.stride[0] == 2 and self.groups > 1 and self.training and self.weight.requires_grad:
            # The same result: oneDNN's bf16 gradient of a depthwise convolution with stride 2 is
            # several times slower than that of stride 1 with subsampling.
            x = functional.conv2d(x, self.weight, self.bias, padding=1, groups=self.groups)
            x = x[..., 1::2, 1::2]
        else:
            if self.stride[0] == 2:
                x = functional.pad(x, (0, 1, 0, 1))
            x = super().forward(x)
        return x if self.linear else functional.relu6(x, inplace=True)


class InvertedResidual(nn.Module):
    """1x1 expansion (absent where it is 1), depthwise 3x3, linear 1x1 projection, skip."""

    def __init__(self, in_channels: int, out_channels: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = in_channels * expansion
        self.expand = FoldedConv(in_channels, wide, 1) if expansion > 1 else None
        self.dw = FoldedConv(wide, wide, 3, stride, groups=wide)
        self.project = FoldedConv(wide, out_channels, 1, linear=True)
        self.has_skip = stride == 1 and in_channels == out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x if self.expand is None else self.expand(x)
        y = self.project(self.dw(y))
        return x + y if self.has_skip else y


class Decoder(nn.Module):
    """Top-down pyramid: 1x1 laterals, bilinear doubling, one 3x3 convolution per level.

    in_channels, channels: per level, fine to coarse. Coarse levels may be wider: they carry most
    of the evidence about pose and are cheap.
    """

    def __init__(self, in_channels: tuple[int, ...], channels: tuple[int, ...]) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(source, width, 1, bias=False), nn.BatchNorm2d(width))
            for source, width in zip(in_channels, channels, strict=True)
        )
        self.reduce = nn.ModuleList(
            nn.Conv2d(coarse, fine, 1, bias=False) for fine, coarse in itertools.pairwise(channels)
        )
        self.smooth = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            )
            for width in channels
        )

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Maps from fine to coarse, each half as large as the last -> map like the finest."""
        x = self.smooth[-1](functional.relu(self.lateral[-1](features[-1])))
        for i in reversed(range(len(features) - 1)):
            # The 1x1 commutes with the interpolation and costs a quarter before it.
            up = functional.interpolate(self.reduce[i](x), scale_factor=2.0, mode="bilinear")
            x = self.smooth[i](functional.relu(self.lateral[i](features[i]) + up))
        return x


class Trunk(nn.Module):
    """MobileNetV2's convolutions without its classifier; backbones add a decoder to stride 4.

    width: multiplies every channel count, rounded to multiples of 8 as TensorFlow does.
    """

    input_scale: torch.Tensor
    input_shift: torch.Tensor

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        channels = scaled_channels(32, width)
        self.stem = FoldedConv(3, channels, 3, stride=2)
        for index, (unscaled, expansion, stride) in enumerate(BLOCKS):
            wider = scaled_channels(unscaled, width)
            self.add_module(f"b{index}", InvertedResidual(channels, wider, expansion, stride))
            channels = wider
        #: Channels at strides 4, 8, 16, 32.
        self.tap_channels = tuple(
            scaled_channels(BLOCKS[index][0], width) for index in TAPS.values()
        )
        # The trunk was trained on pixel / 127.5 - 1, which is 2 (x std + mean) - 1.
        scale = 2 * torch.tensor(IMAGENET_STD)
        shift = 2 * torch.tensor(IMAGENET_MEAN) - 1
        self.register_buffer("input_scale", scale[:, None, None], persistent=False)
        self.register_buffer("input_shift", shift[:, None, None], persistent=False)

    def blocks(self, images: torch.Tensor) -> list[torch.Tensor]:
        """ImageNet-normalised RGB [B, 3, S, S] -> outputs of the blocks b0 to b16."""
        x = self.stem(images * self.input_scale + self.input_shift)
        maps = []
        for index in range(len(BLOCKS)):
            x = self.get_submodule(f"b{index}")(x)
            maps.append(x)
        return maps

    def freeze_to_stride(self, stride: int) -> None:
        """Freeze the trunk up to its last block of this stride (4, 8, 16 or 32).

        Early filters transfer well; without their gradients a training step is faster.
        """
        if stride not in TAPS:
            raise ValueError(f"stride must be one of {tuple(TAPS)}, got {stride}")
        self.stem.requires_grad_(False)
        for index in range(TAPS[stride] + 1):
            self.get_submodule(f"b{index}").requires_grad_(False)


class MobileNetV2(Trunk):
    """ImageNet-normalised RGB [B, 3, S, S] -> [B, 48, S/4, S/4]; S a multiple of 32."""

    out_channels = 48

    def __init__(self) -> None:
        super().__init__()
        self.decoder = Decoder(self.tap_channels, (self.out_channels, 64, 96, 128))

    def features(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Trunk maps at strides 4, 8, 16, 32 (24, 32, 96, 320 channels)."""
        maps = self.blocks(images)
        return [maps[index] for index in TAPS.values()]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.features(images))


def scaled_channels(channels: int, width: float) -> int:
    """A channel count times ``width``, to the nearest multiple of 8, at most a tenth smaller."""
    scaled = max(8, int(channels * width + 4) // 8 * 8)
    return scaled + 8 if scaled < 0.9 * channels * width else scaled
