"""The assembled network: backbone, coordinate channels, six branches, two projectors."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import nn

from icl_mesh.geometry.rotation import IDENTITY_6D
from icl_mesh.network.branches import InstanceBranch, SmplBranch, plain_branch, projector
from icl_mesh.network.constants import BETAS, CAMERA_CHANNELS, JOINTS, ROTATIONS, SCALE_BASE
from icl_mesh.network.lifter import PoseLifter
from icl_mesh.network.movenet import KEYPOINTS, KeypointChannels
from icl_mesh.network.patches import InferenceMaps, cut_patches
from icl_mesh.network.position import add_sine_encoding, cell_centers, coordinate_map
from icl_mesh.network.refinement import Refinement

#: Heatmaps start at probability 0.1 everywhere (CenterNet: bias -2.19), so that the many empty
#: cells do not dominate the first steps.
HEATMAP_BIAS = -2.19
#: 1.1 ** c0 = 0.9: one metre is 0.45 of the square's side, so a person of 1.7 m spans three
#: quarters of it. That is about the mean logarithm of full bodies' sizes.
CAMERA_BIAS = (math.log(0.9) / math.log(SCALE_BASE), 0.0, 0.0)
#: Cells along the map for which the camera branch's scale is absolute: an input of 256 pixels.
REFERENCE_CELLS = 32
#: Upright and facing the camera: body y is up and camera y is down, so a rotation by pi
#: about x; its first two columns.
UPRIGHT_6D = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
SMPL_BIAS = (*UPRIGHT_6D, *IDENTITY_6D * (ROTATIONS - 1), *(0.0,) * BETAS)


class NetworkMaps(NamedTuple):
    """What the network finds, float32, at h = w = S / 8 cells (method, "One stage").

    center_heatmap [B, 1, h, w]: probability that a person's body centre lies in the cell.
    joint_heatmaps [B, 24, h, w]: the same for each of SMPL's joints.
    camera [B, 3, h, w]: (c0, tx, ty) of the person centred there; scale s = 1.1 ** c0, so that
        x_square = s X + t for X in metres from the root joint (icl_mesh.geometry.camera).
    center_instance [B, 64, h, w], joint_instance [B, 64, h, w]: identity features, before P_C
        and P_J; the first includes the sine encoding of the position.
    smpl [B, 142, h, w]: 22 rotations of 6 channels (icl_mesh.geometry.rotation; joint 0 first,
        body to camera), then 10 betas, of the person centred there. [B, 0, h, w] where the network
        was called without the SMPL branch.
    """

    center_heatmap: torch.Tensor
    joint_heatmaps: torch.Tensor
    camera: torch.Tensor
    center_instance: torch.Tensor
    joint_instance: torch.Tensor
    smpl: torch.Tensor


class IclMeshNetwork(nn.Module):
    """Instance-aware contrastive network (supplementary, Table 1) over any backbone.

    backbone: module with ``out_channels``, images [B, 3, S, S] -> [B, out_channels, S/4, S/4].
    Use :func:`icl_mesh.network.build_network` to make one by name.
    """

    def __init__(
        self,
        backbone: nn.Module,
        architecture: str,
        head_width: float = 1.0,
        smpl_width: float | None = None,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.head_width = head_width
        self.smpl_width = head_width if smpl_width is None else smpl_width
        self.backbone = backbone
        channels = int(backbone.out_channels) + 2  # type: ignore[arg-type]  # + coordinates
        hidden = hidden_channels(head_width)
        self.center_branch = plain_branch(channels, hidden, 1)
        self.joint_branch = plain_branch(channels, hidden, JOINTS)
        self.camera_branch = plain_branch(channels, hidden, CAMERA_CHANNELS)
        self.center_instance_branch = InstanceBranch(channels, hidden)
        self.joint_instance_branch = InstanceBranch(channels, hidden)
        self.smpl_branch = SmplBranch(channels, hidden_channels(self.smpl_width))
        self.center_projector = projector()
        self.joint_projector = projector()
        #: Not called in forward: it takes detected people instead of maps.
        self.lifter: PoseLifter | None = None
        #: Statistics for a second stage; None: these weights have none.
        self.refinement: Refinement | None = None
        self._start_near_rest()

    @property
    def keypoint_channels(self) -> KeypointChannels | None:
        """Channels of the features with the backbone's own keypoints; None if it has none."""
        return getattr(self.backbone, "keypoint_channels", None)

    def add_lifter(self) -> PoseLifter:
        """The lifter; if there is none, a new one, which is the identity."""
        if self.lifter is None:
            keypoints = KEYPOINTS if self.keypoint_channels else 0
            self.lifter = PoseLifter(keypoints).train(self.training)
        return self.lifter

    def add_parts_of(self, names: Iterable[str]) -> None:
        """Add the optional parts that a state dict with these names has."""
        names = list(names)
        if any(name.startswith("lifter.") for name in names):
            self.add_lifter()
        if any(name.startswith("refinement.") for name in names):
            self.refinement = Refinement()

    def _start_near_rest(self) -> None:
        """First estimates: empty heatmaps, rest pose facing the camera, a medium distance."""
        starts = (
            (self.center_branch[-1], (HEATMAP_BIAS,)),
            (self.joint_branch[-1], (HEATMAP_BIAS,) * JOINTS),
            (self.camera_branch[-1], CAMERA_BIAS),
            (self.smpl_branch.merge[-1], SMPL_BIAS),
        )
        for layer, bias in starts:
            assert isinstance(layer, nn.Conv2d) and layer.bias is not None  # for mypy
            nn.init.normal_(layer.weight, std=0.005)
            with torch.no_grad():
                layer.bias.copy_(torch.tensor(bias))

    @property
    def config(self) -> dict[str, str | float]:
        """What build_network needs to make this network again; stored with the weights."""
        return {
            "architecture": self.architecture,
            "head_width": self.head_width,
            "smpl_width": self.smpl_width,
        }

    def forward(self, images: torch.Tensor, *, smpl: bool = True) -> NetworkMaps:
        """images [B, 3, S, S], RGB, ImageNet-normalised, S a multiple of 32 -> maps.

        smpl: False skips the SMPL branch, the slowest one; its map then has no channels.

        Heatmaps are probabilities: the sigmoid is inside (Decision: the public release has none
        and clamps raw maps in its loss). Maps are float32 also under autocast or in half
        precision. Raises ValueError for images of another shape or type.
        """
        center, joints, camera, center_instance, joint_instance, features = self._find(images)
        kind = features.dtype
        smpl_map = (
            self.smpl_branch(
                features, center.to(kind), joints.to(kind), center_instance, joint_instance
            )
            if smpl
            else center.new_zeros(len(center), 0, *center.shape[2:])
        )
        return NetworkMaps(
            center,
            joints,
            camera,
            center_instance.float(),
            joint_instance.float(),
            smpl_map.float(),
        )

    def inference_maps(self, images: torch.Tensor) -> InferenceMaps:
        """As forward without the SMPL branch, which :meth:`smpl_at` evaluates at people's cells.

        images [B, 3, S, S] -> maps, float32."""
        return InferenceMaps(*(one.float() for one in self._find(images)))

    def smpl_at(self, maps: InferenceMaps, image: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
        """Values of forward's smpl map at N cells: [N, 142], float32.

        maps: of :meth:`inference_maps`. image int64 [N]: index into the batch. cell int64
        [N, 2]: (x, y). Evaluation mode only: patches have other batch statistics than maps.
        """
        patches = cut_patches(maps, image, cell)
        kind = next(self.smpl_branch.parameters()).dtype
        return self.smpl_branch.on_patches(*(one.to(kind) for one in patches)).float()

    def _find(self, images: torch.Tensor) -> InferenceMaps:
        """Heatmaps and camera in float32, the rest in the working precision."""
        check_images(images)
        features = self.backbone(images)
        features = torch.cat((features, coordinate_map(features)), dim=1)
        # Probabilities near 1 need float32; the branches take them in the working precision.
        center = self.center_branch(features).float().sigmoid()
        joints = self.joint_branch(features).float().sigmoid()
        camera = absolute_camera(self.camera_branch(features).float())
        hints = torch.cat((center, joints), dim=1).to(features.dtype)
        center_instance = add_sine_encoding(self.center_instance_branch(features, hints))
        joint_instance = self.joint_instance_branch(features, hints)
        return InferenceMaps(center, joints, camera, center_instance, joint_instance, features)

    def project_center(self, features: torch.Tensor) -> torch.Tensor:
        """P_C: centre features [..., 64] -> the common identity space [..., 64]."""
        return self.center_projector(features)

    def project_joint(self, features: torch.Tensor) -> torch.Tensor:
        """P_J: joint features [..., 64] -> the common identity space [..., 64]."""
        return self.joint_projector(features)


def hidden_channels(width: float) -> int:
    """Table 1's 64 channels, scaled to a multiple of 8, which runs fastest."""
    return max(8, 8 * round(64 * width / 8))


def absolute_camera(camera: torch.Tensor) -> torch.Tensor:
    """The camera branch's output in cells [B, 3, h, w] -> camera map in square coordinates.

    A convolution measures in cells. The branch therefore outputs a scale relative to
    REFERENCE_CELLS, and the root's offset from the cell. A person of a given size in pixels gives
    the same output at every input size, so weights are independent of it.
    """
    unit = REFERENCE_CELLS / camera.shape[-1]
    scale = camera[:, :1] + math.log(unit) / math.log(SCALE_BASE)
    return torch.cat((scale, camera[:, 1:] * unit + cell_centers(camera)), dim=1)


def check_images(images: torch.Tensor) -> None:
    """Raise ValueError unless images are floating point [B, 3, S, S] with S a multiple of 32."""
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[1] != 3:
        raise ValueError(f"the network takes images [B, 3, S, S], got shape {shape}")
    if shape[2] != shape[3]:
        raise ValueError(
            f"the network takes square images, got {shape[3]}x{shape[2]} (width x height); "
            "letterbox them first"
        )
    if shape[2] == 0 or shape[2] % 32:
        raise ValueError(f"the image side must be a multiple of 32, got {shape[2]}")
    if not images.is_floating_point():
        raise ValueError(
            f"the network takes ImageNet-normalised floating-point images, got {images.dtype}"
        )
