"""Networks by name."""

from __future__ import annotations

from torch import nn

from icl_mesh.network.hrnet import HRNetW32
from icl_mesh.network.mobilenet import MobileNetV2
from icl_mesh.network.model import IclMeshNetwork
from icl_mesh.network.movenet import MoveNet
from icl_mesh.network.resnet import ResNet50

_BACKBONES: dict[str, type[nn.Module]] = {
    "resnet50": ResNet50,
    "hrnet_w32": HRNetW32,
    "mobilenet_v2": MobileNetV2,
    "movenet": MoveNet,
}
BACKBONES = tuple(_BACKBONES)
#: Smallest and largest.
HEAD_WIDTHS = 0.125, 2.0


def build_network(
    name: str, head_width: float = 1.0, smpl_width: float | None = None
) -> IclMeshNetwork:
    """A network with random weights, in training mode.

    name: one of BACKBONES. head_width: scales the branches' hidden channels (64 and 128 in
    Table 1), between 0.125 and 2, rounded to multiples of 8; the maps keep their channels.
    smpl_width: the same for the SMPL branch alone, default head_width. Pose is learnt most slowly,
    so a light network gains most from widening that branch.
    """
    if name not in _BACKBONES:
        raise ValueError(f"unknown backbone {name!r}; known are {', '.join(BACKBONES)}")
    least, largest = HEAD_WIDTHS
    if not least <= head_width <= largest:
        raise ValueError(f"head_width must lie in [0.125, 2], got {head_width}")
    smpl_width = head_width if smpl_width is None else smpl_width
    if not least <= smpl_width <= largest:
        raise ValueError(f"smpl_width must lie in [0.125, 2], got {smpl_width}")
    return IclMeshNetwork(_BACKBONES[name](), name, float(head_width), float(smpl_width))
