"""HRNet-W32 (Sun et al. 2019, Wang et al. 2020): four parallel resolutions.

Structure and parameter names are those of the official releases for pose and classification.
As in their pose network (and ROMP), the last fusion gives the stride-4 map only. A pose state
dict without ``final_layer`` loads strictly. The classification state dict has additional entries:
its heads, and the last module's fusions to coarser maps.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from icl_mesh.network.resnet import bottleneck_layer, initialise_convolutions

CHANNELS = (32, 64, 128, 256)  # at strides 4, 8, 16, 32
STEM_CHANNELS = 64


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around an identity skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        residual = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(residual + x)


def _conv_bn(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(
        in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False
    )
    return [convolution, nn.BatchNorm2d(out_channels)]


def _module_list(layers: list[nn.Module | None]) -> nn.ModuleList:
    """A list of layers in which None is the identity, as in the official code."""
    return nn.ModuleList(layers)  # type: ignore[arg-type]  # PyTorch allows None


def _apply(layers: nn.ModuleList, maps: list[torch.Tensor]) -> list[torch.Tensor]:
    return [x if layer is None else layer(x) for layer, x in zip(layers, maps, strict=True)]


def _fuse(source: int, target: int) -> nn.Module | None:
    """From resolution ``source`` to ``target`` (0 is stride 4): up by 1x1, down by 3x3 steps."""
    if source == target:
        return None
    if source > target:
        return nn.Sequential(
            *_conv_bn(CHANNELS[source], CHANNELS[target], 1),
            nn.Upsample(scale_factor=float(2 ** (source - target)), mode="nearest"),
        )
    channels = CHANNELS[source]
    steps: list[nn.Module] = []
    for _ in range(source + 1, target):  # intermediate steps keep the channels
        steps.append(nn.Sequential(*_conv_bn(channels, channels, 3, 2), nn.ReLU(inplace=True)))
    steps.append(nn.Sequential(*_conv_bn(channels, CHANNELS[target], 3, 2)))
    return nn.Sequential(*steps)


class HighResolutionModule(nn.Module):
    """Four BasicBlocks on each resolution, then each output sums all of them."""

    def __init__(self, resolutions: int, outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(channels) for _ in range(4)))
            for channels in CHANNELS[:resolutions]
        )
        self.fuse_layers = nn.ModuleList(
            _module_list([_fuse(source, target) for source in range(resolutions)])
            for target in range(outputs)
        )

    def forward(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        fused = []
        for layers in self.fuse_layers:
            assert isinstance(layers, nn.ModuleList)  # for mypy
            terms = _apply(layers, maps)
            fused.append(functional.relu(sum(terms[1:], terms[0])))
        return fused


def _stage(resolutions: int, modules: int, last_outputs: int) -> nn.Sequential:
    """A sequence of HighResolutionModules on lists of maps."""
    return nn.Sequential(
        *(HighResolutionModule(resolutions, resolutions) for _ in range(modules - 1)),
        HighResolutionModule(resolutions, last_outputs),
    )


def _transition(in_channels: tuple[int, ...], resolutions: int) -> nn.ModuleList:
    """Existing maps to the next stage's channels (None: unchanged), and one coarser map."""
    layers: list[nn.Module | None] = []
    for index in range(resolutions - 1):
        same = in_channels[index] == CHANNELS[index]
        layers.append(
            None
            if same
            else nn.Sequential(
                *_conv_bn(in_channels[index], CHANNELS[index], 3), nn.ReLU(inplace=True)
            )
        )
    down = _conv_bn(in_channels[-1], CHANNELS[resolutions - 1], 3, 2)
    layers.append(nn.Sequential(nn.Sequential(*down, nn.ReLU(inplace=True))))
    return _module_list(layers)


def _widen(layers: nn.ModuleList, maps: list[torch.Tensor]) -> list[torch.Tensor]:
    """Apply a transition: the coarsest map feeds both its own and the new resolution."""
    return _apply(layers, [*maps, maps[-1]])


class HRNetW32(nn.Module):
    """ImageNet-normalised RGB [B, 3, S, S] -> [B, 32, S/4, S/4]; S a multiple of 32."""

    out_channels = CHANNELS[0]

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, STEM_CHANNELS, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM_CHANNELS)
        self.conv2 = nn.Conv2d(STEM_CHANNELS, STEM_CHANNELS, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(STEM_CHANNELS)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = bottleneck_layer(STEM_CHANNELS, 64, blocks=4, stride=1)
        self.transition1 = _transition((256,), 2)
        self.stage2 = _stage(resolutions=2, modules=1, last_outputs=2)
        self.transition2 = _transition(CHANNELS[:2], 3)
        self.stage3 = _stage(resolutions=3, modules=4, last_outputs=3)
        self.transition3 = _transition(CHANNELS[:3], 4)
        self.stage4 = _stage(resolutions=4, modules=3, last_outputs=1)
        initialise_convolutions(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn1(self.conv1(images)))
        x = self.layer1(self.relu(self.bn2(self.conv2(x))))
        maps = self.stage2(_widen(self.transition1, [x]))
        maps = self.stage3(_widen(self.transition2, maps))
        maps = self.stage4(_widen(self.transition3, maps))
        return maps[0]
