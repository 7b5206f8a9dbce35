"""One training batch: images, and the people of all images in one flat list.

Letters: B images, N people of the whole batch, J = 24 joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch


@dataclass
class Sample:
    """One image and its people, as numpy arrays; see Batch for meanings (without image_index)."""

    image: npt.NDArray[np.uint8]  # [S, S, 3] RGB, letterboxed
    joints_2d: npt.NDArray[np.float32]
    joint_state: npt.NDArray[np.uint8]
    visible_share: npt.NDArray[np.float32]
    betas: npt.NDArray[np.float32]
    rotations: npt.NDArray[np.float32]
    joints_3d: npt.NDArray[np.float32]
    weak_camera: npt.NDArray[np.float32]
    inverse_focal: npt.NDArray[np.float32]
    principal: npt.NDArray[np.float32]
    has_pose: npt.NDArray[np.bool_]
    has_shape: npt.NDArray[np.bool_]
    has_joints_3d: npt.NDArray[np.bool_]
    has_camera: npt.NDArray[np.bool_]
    joint_labelled: npt.NDArray[np.bool_]


@dataclass
class Batch:
    """What a training step needs.

    images uint8 [B, S, S, 3]: RGB. image_index int64 [N]: each person's image.
    joints_2d [N, J, 2]: square coordinates. joint_state uint8 [N, J]: as SceneLabels.occlusion.
    visible_share [N]: visible share of the person's mask, 0-1; 1 where unknown. betas [N, 10].
    rotations [N, J, 3, 3]: joint 0 rotates from the body to the camera optical frame.
    joints_3d [N, J, 3]: metres from the pelvis, camera axes. weak_camera [N, 3]: (s, tx, ty).
    inverse_focal [N], principal [N, 2]: see
        icl_mesh.geometry.camera.project_from_weak; always set, from an
    assumed field of view (or 0: weak perspective) where the camera is not known.

    Label masks (supplementary, Table 2) per person; masked labels may hold any finite number.
    has_pose, has_shape, has_camera bool [N]: rotations, betas, weak_camera are labels.
    has_joints_3d bool [N]: joints_3d is a label for the joints of joint_labelled.
    joint_labelled bool [N, J]: a label exists for the joint, visible or not; joint_state is
    meaningful for these alone.
    A person without labelled joints marks an unlabelled region (a crowd, a box without keypoints):
    its joints_2d are the corners of its box, with joint_state VISIBLE. An image without people in
    the batch is a negative.
    """

    images: torch.Tensor
    image_index: torch.Tensor
    joints_2d: torch.Tensor
    joint_state: torch.Tensor
    visible_share: torch.Tensor
    betas: torch.Tensor
    rotations: torch.Tensor
    joints_3d: torch.Tensor
    weak_camera: torch.Tensor
    inverse_focal: torch.Tensor
    principal: torch.Tensor
    has_pose: torch.Tensor
    has_shape: torch.Tensor
    has_joints_3d: torch.Tensor
    has_camera: torch.Tensor
    joint_labelled: torch.Tensor

    def to(self, device: torch.device | str) -> Batch:
        """The batch on another device."""
        return Batch(*(getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)))

    def pin_memory(self) -> Batch:
        """The batch in page-locked memory, for asynchronous copies to a GPU."""
        return Batch(*(getattr(self, f.name).pin_memory() for f in fields(self)))

    def select(self, people: torch.Tensor) -> Batch:
        """The same images with only some of their people (bool or index tensor over N)."""
        return Batch(
            self.images,
            *(getattr(self, f.name)[people] for f in fields(self) if f.name != "images"),
        )


def collate(samples: Sequence[Sample]) -> Batch:
    """Samples to one batch."""
    people = [len(s.joints_2d) for s in samples]
    names = [f.name for f in fields(Sample) if f.name != "image"]
    return Batch(
        images=torch.from_numpy(np.stack([s.image for s in samples])),
        image_index=torch.repeat_interleave(torch.arange(len(samples)), torch.tensor(people)),
        **{n: torch.from_numpy(np.concatenate([getattr(s, n) for s in samples])) for n in names},
    )
