"""MoveNet SinglePose Thunder (Google, 2021): the keypoints of the person in a crop.

A CenterNet (Zhou et al. 2019) on MobileNetV2 of width 1.75, for one person: of all people in a crop
it takes the one nearest to its middle. Letters: N crops, K = 17 keypoints of COCO, H x W = 64 x 64
cells of a map; a cell is 4 x 4 crop pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from icl_mesh.network.mobilenet import Trunk
from icl_mesh.network.movenet import KEYPOINTS, KeypointPyramid, keypoint_head

WIDTH = 1.75
#: Side of a crop and of a cell, crop pixels.
CROP_SIZE, CELL = 256, 4
#: 2 / 255 as the published graph holds it, in half precision.
_SCALE = 0.00784302


class KeypointMaps(NamedTuple):
    """Parts of the network's output [N, 86, H, W], without a copy."""

    #: Probability of a person's centre [N, 1, H, W].
    center: torch.Tensor
    #: Probability of each keypoint, of any person [N, K, H, W].
    keypoints: torch.Tensor
    #: From a person's centre to its keypoints, cells [N, K, 2 (y, x), H, W].
    offsets: torch.Tensor
    #: From a cell's corner to the keypoint in it, cells [N, K, 2 (y, x), H, W].
    refinements: torch.Tensor

    @classmethod
    def of(cls, maps: torch.Tensor) -> KeypointMaps:
        """The network's output by its parts."""
        center, keypoints, *pairs = maps.split((1, KEYPOINTS, 2 * KEYPOINTS, 2 * KEYPOINTS), dim=1)
        return cls(center, keypoints, *(pair.unflatten(1, (KEYPOINTS, 2)) for pair in pairs))


class SinglePersonPyramid(KeypointPyramid):
    """The pyramid with a fourth head, which places a keypoint inside its cell."""

    out_channels = 1 + 5 * KEYPOINTS

    def __init__(self, width: float) -> None:
        super().__init__(width)
        self.refinements = keypoint_head(2 * KEYPOINTS)

    def forward(self, blocks: list[torch.Tensor]) -> torch.Tensor:
        """Maps of the trunk's blocks -> [N, 86, H, W], the parts of KeypointMaps in their order."""
        x = self.features(blocks)
        maps = (
            self.center(x).sigmoid(),
            self.keypoints(x).sigmoid(),
            self.offsets(x),
            self.refinements(x),
        )
        return torch.cat(maps, dim=1)


class SinglePersonKeypoints(Trunk):
    """Crops [N, 3, 256, 256], RGB, float32 from 0 to 255 -> maps [N, 86, 64, 64] (KeypointMaps).

    What a crop shows beyond the image is black (0). icl_mesh.decode.keypoints reads the maps.
    """

    #: Identifies the architecture in weights and cached files.
    config = {"architecture": "movenet_thunder"}  # noqa: RUF012  # as IclMeshNetwork's

    def __init__(self) -> None:
        super().__init__(WIDTH)
        self.pyramid = SinglePersonPyramid(WIDTH)
        self.input_scale.fill_(_SCALE)
        self.input_shift.fill_(-1.0)

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = self.pyramid(self.blocks(crops))
        return maps
