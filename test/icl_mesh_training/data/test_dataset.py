"""Augmented samples keep image, 2-D and 3-D labels consistent."""

from pathlib import Path

import numpy as np
import pytest
import torch

from icl_mesh.body import BodyModel
from icl_mesh.geometry.camera import Camera, project_from_weak
from icl_mesh.geometry.view import View
from icl_mesh.preprocess.host import preprocess
from icl_mesh_training.data.augmentation import AugmentationConfig
from icl_mesh_training.data.batch import Batch, collate
from icl_mesh_training.data.loading import EndlessSampler
from icl_mesh_training.data.scene_folder import SceneFolder, images_to_input
from icl_mesh_training.scenes.render.labels import OUTSIDE, SceneLabels

ALWAYS = AugmentationConfig(flip=1, roll=1, crop=1)


def batch_of(folder: Path, augmentation: AugmentationConfig) -> Batch:
    scenes = SceneFolder(folder, 128, augmentation, seed=3)
    return collate([scenes[0, index] for index in range(len(scenes))])


@pytest.mark.slow
@pytest.mark.parametrize("augmentation", [AugmentationConfig.none(), ALWAYS])
def test_labels_agree_with_each_other(scenes: Path, augmentation: AugmentationConfig) -> None:
    batch = batch_of(scenes, augmentation)
    assert len(batch.betas) > 4
    body = BodyModel.load()
    joints = body.joints(batch.betas, batch.rotations)
    torch.testing.assert_close(joints - joints[:, :1], batch.joints_3d, atol=1e-4, rtol=0)
    projected = project_from_weak(
        batch.joints_3d, batch.weak_camera, batch.inverse_focal, batch.principal
    )
    inside = batch.joint_state < OUTSIDE
    assert inside.sum() > 24
    torch.testing.assert_close(projected[inside], batch.joints_2d[inside], atol=1e-3, rtol=0)


def test_flipping_twice_changes_nothing(scenes: Path) -> None:
    from icl_mesh_training.data.augmentation import flip

    labels = SceneLabels.load(sorted(scenes.glob("*.npz"))[0])
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    back_image, back = flip(*flip(image, labels))
    np.testing.assert_array_equal(back_image, image)
    for name in ("pose", "joints_px", "joints_m", "translation", "intrinsics", "occlusion"):
        np.testing.assert_allclose(getattr(back, name), getattr(labels, name), atol=1e-4)


def test_samples_depend_only_on_seed_pass_and_index(scenes: Path) -> None:
    first, again = (SceneFolder(scenes, 96, ALWAYS, seed=5)[2, 1] for _ in range(2))
    np.testing.assert_array_equal(first.image, again.image)
    other = SceneFolder(scenes, 96, ALWAYS, seed=5)[3, 1]
    assert (first.image != other.image).any()


def test_sampler_goes_on_where_a_run_left_off() -> None:
    def take(start: int, count: int) -> list[tuple[int, int]]:
        iterator = iter(EndlessSampler(5, seed=1, start=start))
        return [next(iterator) for _ in range(count)]

    whole = take(0, 15)
    assert take(7, 8) == whole[7:]
    assert sorted(index for epoch, index in whole if epoch == 1) == list(range(5))


def test_input_is_imagenet_normalised() -> None:
    image = torch.tensor([124, 116, 104], dtype=torch.uint8).expand(1, 32, 32, 3)
    assert images_to_input(image).abs().max() < 0.01


def test_the_network_is_trained_on_what_the_estimator_gives_it() -> None:
    square = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    trained_on = images_to_input(torch.from_numpy(square)[None])
    given = preprocess(square, View.of(Camera.assumed(32, 32), 32))
    torch.testing.assert_close(trained_on, given, rtol=0, atol=1e-5)


def test_an_empty_folder_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="icl-mesh-train scenes"):
        SceneFolder(tmp_path, 64, AugmentationConfig.none())
