"""Parts of scenes: inverse kinematics against the body's forward kinematics, poses, clothes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from icl_mesh.body import BodyModel
from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.rotation import matrix_from_rotvec
from icl_mesh_training.scenes.people.garments import Wardrobe
from icl_mesh_training.scenes.people.people import PersonFactory
from icl_mesh_training.scenes.poses.distribution import PoseDistribution, features
from icl_mesh_training.scenes.poses.everyday import EverydayPoses
from icl_mesh_training.scenes.poses.limbs import arm_rotations
from icl_mesh_training.scenes.poses.mocap import MocapPoses
from icl_mesh_training.scenes.render.cameras import pitch_towards, place_view
from icl_mesh_training.scenes.render.finishing import finish
from icl_mesh_training.scenes.render.textures import build_textures, split_files
from icl_mesh_training.scenes.world.layout import MIN_DEPTH_M, MIN_GAP_M, LayoutSampler


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load("default")


@pytest.fixture(scope="module")
def rest(body: BodyModel) -> np.ndarray:
    return body.rest_joints(torch.zeros(1, 10))[0].numpy().astype(float)


@pytest.mark.parametrize("left", [True, False])
def test_arm_reaches_its_target(body: BodyModel, rest: np.ndarray, left: bool) -> None:
    side = 1 if left else -1
    shoulder = rest[16 if left else 17]
    for offset in ([0.1, -0.4, 0.2], [-0.15, -0.1, 0.35], [0.2, 0.35, 0.1], [0.0, -0.3, -0.2]):
        target = shoulder + np.array(offset) * [side, 1, 1]
        rotvec = torch.zeros(1, 24, 3)
        upper, elbow = arm_rotations(rest, left, target, [0.4 * side, -1, -0.4])
        rotvec[0, 16 if left else 17] = torch.from_numpy(upper)
        rotvec[0, 18 if left else 19] = torch.from_numpy(elbow)
        joints = body.joints(torch.zeros(1, 10), matrix_from_rotvec(rotvec))[0].numpy()
        # the T-pose forearm is not quite in line with the upper arm: 2 cm
        assert np.linalg.norm(joints[20 if left else 21] - target) < 0.025
        assert float(np.linalg.norm(elbow)) < 2.8  # an elbow does not fold flat


def test_everyday_poses_bend_as_people_do(rest: np.ndarray) -> None:
    poses = EverydayPoses(rest)
    rng = np.random.default_rng(0)
    drawn = [poses.sample(rng) for _ in range(300)]
    rotvec = np.stack([p.rotvec for p in drawn])
    knees = rotvec[:, [4, 5], 0]
    assert knees.min() > -0.2 and knees.max() < 2.7  # never forwards
    assert np.abs(rotvec[:, [22, 23]]).max() == 0  # hands follow the wrist
    seated, lying = np.mean([p.seated for p in drawn]), np.mean([p.lying for p in drawn])
    assert 0.1 < seated < 0.3 and lying < 0.06
    spread = rotvec[:, 16].std(axis=0)
    assert (spread > 0.2).all()  # arms vary about every axis


def test_shipped_poses_are_plausible_and_vary(body: BodyModel) -> None:
    poses, rng = PoseDistribution(), np.random.default_rng(0)
    rotvec = np.stack([poses.sample(rng).rotvec for _ in range(300)])
    knees = rotvec[:, [4, 5], 0]
    assert knees.min() > -0.3 and knees.max() < 2.7 and knees.mean() > 0.2  # never far forwards
    assert np.abs(rotvec[:, 22:]).max() == 0
    assert np.degrees(rotvec[:, 16:20].std(axis=0)).max() > 20
    # the root leans, but its yaw is left to the layout
    ahead = Rotation.from_rotvec(rotvec[:, 0]).apply([0.0, 0.0, 1.0])
    assert np.median(np.abs(np.arctan2(ahead[:, 0], ahead[:, 2]))) < 0.2


def test_yaw_is_removed_from_poses() -> None:
    rotvec = np.random.default_rng(1).normal(0, 0.3, (5, 24, 3))
    rotated = rotvec.copy()
    yaw = Rotation.from_rotvec([0, 2.0, 0])
    rotated[:, 0] = (yaw * Rotation.from_rotvec(rotvec[:, 0])).as_rotvec()
    np.testing.assert_allclose(features(rotated), features(rotvec), atol=1e-9)
    np.testing.assert_allclose(features(rotvec)[:, 3:], rotvec[:, 1:22].reshape(5, -1))


def test_pitch_brings_the_aim_to_its_row() -> None:
    camera = Camera(300, 300, 159.5, 119.5, 320, 240)
    pitch = pitch_towards(camera, 1.6, 0.9, 4.0, 150.0)
    view = place_view(camera, 1.6, pitch, 0.0)
    px = camera.project(view.to_camera([0.0, 0.9, -4.0]))
    np.testing.assert_allclose(px, [159.5, 150.0], atol=1e-6)
    # level camera: up is minus y of the camera frame
    np.testing.assert_allclose(place_view(camera, 1.6, 0.0, 0.0).up, [0, -1, 0])


def test_people_keep_their_distance_and_lie_in_view(body: BodyModel) -> None:
    factory = PersonFactory(body, build_textures(0, size=16))
    sampler, counts = LayoutSampler(factory, None, max_people=6), []
    for index in range(40):
        layout = sampler.sample(np.random.default_rng(index), 200)
        counts.append(len(layout.people))
        roots = np.array([p.joints[0][[0, 2]] for p in layout.people])
        for i, person in enumerate(layout.people):
            gaps = np.linalg.norm(np.delete(roots, i, axis=0) - roots[i], axis=1)
            assert (gaps > MIN_GAP_M - 1e-4).all()
            assert layout.view.to_camera(person.vertices)[:, 2].min() >= MIN_DEPTH_M
    assert max(counts) >= 4 and counts.count(0) >= 1 and max(counts) <= 6


def test_garments_cover_what_they_should(body: BodyModel, rest: np.ndarray) -> None:
    template = body.template.numpy()
    head_weight = body.skinning_weights[:, 15].numpy()
    wardrobe = Wardrobe(template, rest.astype(np.float32), head_weight)
    rng = np.random.default_rng(2)
    hips = (np.abs(template[:, 1] - rest[1, 1]) < 0.03) & (np.abs(template[:, 0]) < 0.3)
    hand = np.abs(template[:, 0]) > rest[20, 0] + 0.06
    face = (template[:, 1] > rest[15, 1]) & (template[:, 2] > rest[15, 2] + 0.09)
    face &= template[:, 1] < template[:, 1].max() - 0.12
    assert min(hips.sum(), hand.sum(), face.sum()) > 30
    for _ in range(20):
        outfit = wardrobe.sample(rng, allow_skirt=False)
        assert (outfit.coverage[hips, 0] > 0).mean() > 0.95
        assert (outfit.coverage[hand] < 0).all() and (outfit.coverage[face] < 0).mean() > 0.9
        chin = (head_weight > 0.9) & (template[:, 1] < rest[15, 1]) & (template[:, 2] > 0.05)
        assert chin.sum() > 10 and (outfit.coverage[chin, :3] < 0).all()
        assert outfit.offset.min() >= 0 and outfit.offset.max() < 0.12
        assert (outfit.offset[(outfit.coverage < 0).all(axis=1)] == 0).all()


def test_mocap_partners_share_a_frame(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    trans = np.arange(12, dtype=np.float32).reshape(4, 3)
    clips = {"clip": np.array([0, 0, 1, 1]), "clip_names": np.array(["a/salsa/01", "a/salsa/16"])}
    np.savez(path, poses=np.zeros((4, 24, 3), np.float16), trans=trans, **clips)
    mocap = MocapPoses(path)
    pair = mocap.sample_pair(np.random.default_rng(0))
    assert pair is not None
    np.testing.assert_array_equal(pair[1][1] - pair[1][0], [6, 6, 6])
    np.savez(path, poses=np.zeros((4, 22, 3)), trans=trans, **clips)
    with pytest.raises(ValueError, match=r"must be \[N, 24, 3\], got \(4, 22, 3\)"):
        MocapPoses(path)
    np.savez(path, poses=np.zeros((4, 24, 3)))
    with pytest.raises(ValueError, match=r"lacks \['clip', 'clip_names', 'trans'\]"):
        MocapPoses(path)


def test_files_of_train_and_val_never_meet() -> None:
    files = [Path(f"{i}.jpg") for i in range(20)]
    train, val = split_files(files, "train"), split_files(files, "val")
    assert [f.stem for f in val] == ["5", "11", "17"]
    assert set(train) | set(val) == set(files) and not set(train) & set(val)
    with pytest.raises(ValueError, match="split must be train, val or all, got 'test'"):
        split_files(files, "test")


def test_assets_of_a_folder_are_used(tmp_path: Path) -> None:
    for name in ("skins_a/x.png", "clothes/y.png", "hair/z.png"):
        (tmp_path / name).parent.mkdir()
        noise = np.random.default_rng(0).integers(60, 255, (64, 64, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / name), noise)
    with_files, without = build_textures(0, tmp_path, size=16), build_textures(0, size=16)
    assert len(with_files.kinds["skin"]) == 1 and len(without.kinds["skin"]) == 8
    assert set(with_files.named) == {"y", "z"} and not without.named
    assert with_files.images[with_files.named["z"], ..., 3].min() == 255
    assert len(with_files.kinds["cloth"]) == len(without.kinds["cloth"]) + 5
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no images"):
        build_textures(0, tmp_path / "empty")


def test_camera_noise_is_in_every_channel() -> None:
    gray = np.full((64, 64, 3), 128, np.uint8)
    deviation = [
        finish(np.random.default_rng(i), gray).astype(float).std((0, 1)) for i in range(30)
    ]
    noisy = np.array([d for d in deviation if d.max() > 2])
    assert len(noisy) > 5 and (noisy.min(axis=1) > 0.5 * noisy.max(axis=1)).all()
