"""Rendered scenes: labels against the body model, occlusion in hand-made scenes, determinism."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from icl_mesh.body import BodyModel
from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.rotation import matrix_from_rotvec
from icl_mesh.rendering import Lighting, Material, Renderer
from icl_mesh_training.scenes.clip import crossing_clip
from icl_mesh_training.scenes.drawing import Scene, draw_scene
from icl_mesh_training.scenes.generator import SceneAssets, SceneGenerator
from icl_mesh_training.scenes.people.people import Person, PersonFactory
from icl_mesh_training.scenes.poses.limbs import arm_rotations
from icl_mesh_training.scenes.poses.pose import Pose
from icl_mesh_training.scenes.render.cameras import place_view
from icl_mesh_training.scenes.render.labels import (
    BY_OBJECT,
    BY_PERSON,
    BY_SELF,
    OUTSIDE,
    VISIBLE,
    SceneLabels,
)
from icl_mesh_training.scenes.render.solids import box
from icl_mesh_training.scenes.render.textures import build_textures
from icl_mesh_training.scenes.world.objects import Thing
from icl_mesh_training.scenes.world.occluding import TOLERANCE
from icl_mesh_training.scenes.writing import SceneJob, write_scenes

L_HIP, L_KNEE, R_KNEE, L_ANKLE, R_ANKLE, HEAD, L_WRIST, R_WRIST = 1, 4, 5, 7, 8, 15, 20, 21


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load("default")


@pytest.fixture(scope="module")
def generator(body: BodyModel) -> SceneGenerator:
    return SceneGenerator(body, seed=3, long_side=128, texture_size=32)


@pytest.fixture(scope="module")
def stage(body: BodyModel) -> tuple[PersonFactory, Renderer]:
    """Factory and renderer of hand-made scenes."""
    bank = build_textures(0, size=16)
    return PersonFactory(body, bank), Renderer(bank.images, samples=0)


def standing(factory: PersonFactory, z: float, **joints: tuple[float, float, float]) -> Person:
    """A person who faces the camera, arms hanging. joints: further rotations as j16=(x, y, z)."""
    rotvec = np.zeros((24, 3))
    rotvec[16, 2], rotvec[17, 2] = -1.2, 1.2
    for name, value in joints.items():
        rotvec[int(name[1:])] = value
    person = factory.posed(np.zeros((1, 10), np.float32), [Pose(rotvec)])[0]
    person.shift([0, 0, z])
    return person


def draw(
    stage: tuple[PersonFactory, Renderer], people: list[Person], things: tuple[Thing, ...] = ()
) -> SceneLabels:
    view = place_view(Camera(200, 200, 127.5, 127.5, 256, 256), 1.0, 0.0, 0.0)
    outfit_rngs = [np.random.default_rng(1) for _ in people]
    scene = Scene(view, people, outfit_rngs, things, [], Lighting())
    return draw_scene(stage[1], stage[0], scene)[2]


@pytest.mark.slow
def test_labels_give_the_body_back(generator: SceneGenerator, body: BodyModel) -> None:
    seen = 0
    for index in range(6):
        image, labels = generator(index)
        assert image.shape == (labels.size[1], labels.size[0], 3) and max(image.shape) == 128
        if not len(labels):
            continue
        rotations = matrix_from_rotvec(torch.from_numpy(labels.pose))
        joints = body.joints(torch.from_numpy(labels.betas), rotations).numpy()
        joints += labels.translation[:, None]
        np.testing.assert_allclose(joints, labels.joints_m, atol=2e-4)
        x, y, z = np.moveaxis(labels.joints_m.astype(float), -1, 0)
        fx, fy, cx, cy = labels.intrinsics
        np.testing.assert_allclose(labels.joints_px[..., 0], fx * x / z + cx, atol=2e-2)
        np.testing.assert_allclose(labels.joints_px[..., 1], fy * y / z + cy, atol=2e-2)
        assert ((labels.visible_share >= 0) & (labels.visible_share <= 1)).all()
        inside = ((labels.joints_px > -0.4) & (labels.joints_px < labels.size - 0.6)).all(axis=-1)
        assert (labels.occlusion[inside] != OUTSIDE).all()
        seen += len(labels)
    assert seen >= 5


@pytest.mark.slow
def test_same_seed_and_index_give_the_same_scene(
    generator: SceneGenerator, body: BodyModel
) -> None:
    first, labels = generator(4)
    other = SceneGenerator(body, seed=3, long_side=128, texture_size=32)
    other(1)
    again, labels_again = other(4)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(labels.joints_px, labels_again.joints_px)
    assert first.shape != generator(5)[0].shape or (first != generator(5)[0]).any()


def test_a_person_alone_hides_only_itself(stage: tuple[PersonFactory, Renderer]) -> None:
    labels = draw(stage, [standing(stage[0], -3.0)])
    assert labels.visible_share[0] == pytest.approx(1.0, abs=0.03)
    assert set(labels.occlusion[0]) == {VISIBLE}
    # the left hand behind the back: the wrist is some 25 cm behind the belly's skin
    rest = stage[0].rest_joints.astype(float)
    upper, elbow = arm_rotations(rest, True, rest[0] + [0.05, 0.1, -0.17], [1, 0, -1])
    behind = standing(stage[0], -3.0, j16=tuple(upper), j18=tuple(elbow))
    hidden = draw(stage, [behind]).occlusion[0]
    assert hidden[L_WRIST] == BY_SELF and hidden[R_WRIST] == VISIBLE and hidden[HEAD] == VISIBLE


def test_the_person_behind_is_hidden_by_a_person(stage: tuple[PersonFactory, Renderer]) -> None:
    labels = draw(stage, [standing(stage[0], -5.0), standing(stage[0], -2.5)])
    trunk = [0, 1, 2, 3, 6, 9]
    assert (labels.occlusion[0][trunk] == BY_PERSON).all()
    assert BY_PERSON not in labels.occlusion[1]
    assert labels.visible_share[0] < 0.35
    assert labels.visible_share[1] > 0.9


def test_a_box_before_the_legs_hides_them(stage: tuple[PersonFactory, Renderer]) -> None:
    wide = box((2.0, 0.7, 0.1)).moved(Rotation.identity(), (0, 0.35, -2.0))
    labels = draw(stage, [standing(stage[0], -3.0)], (([wide], Material()),))
    assert (labels.occlusion[0][[L_KNEE, R_KNEE, L_ANKLE, R_ANKLE]] == BY_OBJECT).all()
    assert labels.occlusion[0][HEAD] == VISIBLE and labels.occlusion[0][L_HIP] == VISIBLE
    # from 1 m above the floor its upper edge hides the body below 1 - 0.3 * 3 / 2 = 0.55 m
    assert 0.65 < labels.visible_share[0] < 0.85


def test_feet_below_the_image_are_outside(stage: tuple[PersonFactory, Renderer]) -> None:
    labels = draw(stage, [standing(stage[0], -1.2)])
    assert (labels.occlusion[0][[L_ANKLE, R_ANKLE]] == OUTSIDE).all()
    assert labels.occlusion[0][0] == VISIBLE and labels.visible_share[0] < 0.95


def test_masks_and_hidden_shares_agree_with_the_ids(stage: tuple[PersonFactory, Renderer]) -> None:
    """The person in front, at half the distance, covers the trunk; masks are disjoint."""
    labels = draw(stage, [standing(stage[0], -5.0), standing(stage[0], -2.5)])
    alone = draw(stage, [standing(stage[0], -5.0)])
    masks, whole = labels.person_masks(), alone.person_masks()[0]
    assert masks.shape == (2, 256, 256) and not (masks[0] & masks[1]).any()
    assert not (masks[0] & ~whole).any()
    assert labels.hidden_by_people is not None
    hidden = 1 - masks[0].sum() / whole.sum()
    assert labels.hidden_by_people[0] == pytest.approx(hidden, abs=0.03)
    assert labels.hidden_by_people[1] == 0
    assert labels.masks is not None and labels.masks.size < 2000  # compact
    labels.masks = None
    with pytest.raises(ValueError, match="hold no person masks"):
        labels.person_masks()


@pytest.mark.slow
@pytest.mark.parametrize("wanted", [0.0, 0.5, 0.9])
def test_occlusion_is_what_was_asked_for(generator: SceneGenerator, wanted: float) -> None:
    _, labels = generator(2, wanted)
    assert labels.hidden_by_people is not None
    assert labels.hidden_by_people[0] == pytest.approx(wanted, abs=TOLERANCE)
    # the target lies within the image, and people are the only occluders
    assert labels.visible_share[0] == pytest.approx(1 - wanted, abs=0.1)
    with pytest.raises(ValueError, match=r"occlusion must lie in \[0, 0\.9\], got 1\.5"):
        generator(2, 1.5)


@pytest.mark.slow
def test_clip_crosses_with_one_person_hidden_in_the_middle(body: BodyModel) -> None:
    frames = list(crossing_clip(frames=5, width=160, height=120, body=body))
    assert len(frames) == 5 and frames[0][0].shape == (120, 160, 3)
    x = np.stack([labels.joints_m[:, 0, 0] for _, labels in frames])
    assert x[0, 0] < x[0, 1] and x[-1, 0] > x[-1, 1]  # they swap sides
    assert frames[2][1].visible_share[1] < 0.6 and frames[0][1].visible_share[1] > 0.9
    assert all(labels.visible_share[0] > 0.95 for _, labels in frames)
    np.testing.assert_array_equal(frames[0][1].betas, frames[4][1].betas)
    with pytest.raises(ValueError, match="at least 2 frames, got 1"):
        next(crossing_clip(frames=1))


@pytest.mark.slow
def test_folder_is_completed_where_it_stopped(tmp_path: Path, body: BodyModel) -> None:
    job = SceneJob(3, seed=9, long_side=64, texture_size=32)
    options: Any = {"processes": 1, "progress": False}
    write_scenes(tmp_path, job, **options)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == [f"{i:06d}.{end}" for i in range(3) for end in ("jpg", "npz")]
    labels = SceneLabels.load(tmp_path / "000001.npz")
    kept = (tmp_path / "000000.jpg").stat().st_mtime_ns
    before = (tmp_path / "000001.jpg").read_bytes()
    (tmp_path / "000001.jpg").unlink()  # killed between labels and image
    write_scenes(tmp_path, job, **options)
    assert (tmp_path / "000000.jpg").stat().st_mtime_ns == kept
    assert (tmp_path / "000001.jpg").read_bytes() == before
    again = SceneLabels.load(tmp_path / "000001.npz")
    np.testing.assert_array_equal(labels.joints_px, again.joints_px)
    assert labels.camera == again.camera


def test_bad_input_is_named(tmp_path: Path, body: BodyModel) -> None:
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        SceneJob(0, seed=1)
    with pytest.raises(ValueError, match="processes must be at least 1, got 0"):
        write_scenes(tmp_path, SceneJob(1, seed=1), processes=0)
    with pytest.raises(ValueError, match=r"occlusion must lie in \[0, 0\.9\], got \(0\.95,\)"):
        SceneJob(1, seed=1, levels=(0.95,))
    with pytest.raises(ValueError, match=r"max_people must lie in \[1, 32\], got 40"):
        SceneGenerator(body, max_people=40)
    with pytest.raises(FileNotFoundError, match=r"motion-capture file .*nothing\.npz does not"):
        SceneGenerator(body, SceneAssets(mocap=tmp_path / "nothing.npz"), texture_size=16)
    with pytest.raises(ValueError, match=r"background folder .* holds no \.jpg or \.png"):
        SceneGenerator(body, SceneAssets(backgrounds=tmp_path), texture_size=16)
    np.savez(tmp_path / "x.npz", size=np.zeros(2))
    with pytest.raises(ValueError, match=r"scene labels .*x\.npz lack"):
        SceneLabels.load(tmp_path / "x.npz")
    whole = (tmp_path / "x.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"scene labels .*cut\.npz are damaged"):
        SceneLabels.load(tmp_path / "cut.npz")
