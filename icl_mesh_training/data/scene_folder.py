"""Rendered scenes from a folder, as training samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch.utils.data import Dataset

from icl_mesh.geometry.camera import weak_perspective_from_root
from icl_mesh.network import IMAGENET_MEAN, IMAGENET_STD
from icl_mesh_training.data.augmentation import AugmentationConfig, augment
from icl_mesh_training.data.batch import Sample
from icl_mesh_training.data.files import read_image
from icl_mesh_training.scenes.render.labels import OUTSIDE, SceneLabels


class SceneFolder(Dataset[Sample]):
    """A folder of `000000.jpg`, `000000.npz`, ... as `icl-mesh-train scenes` writes it.

    size: side of the network's square, px. Items are indexed by (pass, index). Augmentation is
    drawn from (seed, pass, index), so that a resumed run continues with the same samples.
    """

    def __init__(
        self, folder: str | Path, size: int, augmentation: AugmentationConfig, seed: int = 0
    ) -> None:
        self.folder = Path(folder)
        self.images = sorted(self.folder.glob("*.jpg"))
        if not self.images:
            raise FileNotFoundError(
                f"{self.folder}: no scenes (*.jpg with *.npz) there; make some with "
                f"`icl-mesh-train scenes --out {self.folder}`"
            )
        self.size, self.augmentation, self.seed = size, augmentation, seed

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, item: tuple[int, int]) -> Sample:
        epoch, index = item
        path = self.images[index]
        image = read_image(path)
        labels = SceneLabels.load(path.with_suffix(".npz"))
        rng = np.random.default_rng((self.seed, epoch, index))
        return make_sample(image, labels, self.size, self.augmentation, rng)


def make_sample(
    image: np.ndarray,
    labels: SceneLabels,
    size: int,
    config: AugmentationConfig,
    rng: np.random.Generator,
) -> Sample:
    """An image [H, W, 3] with its labels -> augmented, letterboxed sample."""
    square = augment(image, labels, size, config, rng)
    labels, camera = square.labels, square.camera
    people = len(labels)
    joints = np.nan_to_num(square.joints, nan=8.0)  # behind the camera: far outside
    state = labels.occlusion.astype(np.uint8)
    outside = (np.abs(joints) >= 1).any(-1)
    share = labels.visible_share.astype(np.float32)
    if people:
        # Cropping reduces the visible share by the share of joints that it cuts off.
        before = (state < OUTSIDE).sum(1)
        after = ((state < OUTSIDE) & ~outside).sum(1)
        share = share * np.clip(after / np.maximum(before, 1), 0, 1)
    state[outside] = OUTSIDE

    root = labels.joints_m[:, 0].astype(np.float64)
    matrices = Rotation.from_rotvec(labels.pose.reshape(-1, 3)).as_matrix()
    return Sample(
        image=square.image,
        joints_2d=np.clip(joints, -8, 8).astype(np.float32),
        joint_state=state,
        visible_share=share.astype(np.float32),
        betas=labels.betas.astype(np.float32),
        rotations=matrices.reshape(people, 24, 3, 3).astype(np.float32),
        joints_3d=(labels.joints_m - root[:, None]).astype(np.float32),
        weak_camera=weak_perspective_from_root(root, camera).astype(np.float32),
        inverse_focal=np.full(people, 1 / camera.focal, np.float32),
        principal=np.tile([camera.px, camera.py], (people, 1)).astype(np.float32),
        has_pose=np.ones(people, bool),
        has_shape=np.ones(people, bool),
        has_joints_3d=np.ones(people, bool),
        has_camera=np.ones(people, bool),
        joint_labelled=np.ones((people, 24), bool),
    )


def images_to_input(images: torch.Tensor) -> torch.Tensor:
    """uint8 [B, S, S, 3] -> ImageNet-normalised float [B, 3, S, S], channels last in memory."""
    mean = torch.tensor(IMAGENET_MEAN, device=images.device) * 255
    std = torch.tensor(IMAGENET_STD, device=images.device) * 255
    return ((images - mean) / std).permute(0, 3, 1, 2)
