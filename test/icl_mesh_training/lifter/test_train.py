"""Training of the lifter: its samples against scenes, its gain on poses with known errors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from icl_mesh.body import BodyModel
from icl_mesh.body.rig import KeypointRig
from icl_mesh.geometry.letterbox import Letterbox
from icl_mesh.geometry.rotation import sixd_from_matrix
from icl_mesh.network import NetworkMaps, build_network
from icl_mesh.network.lifter import PoseLifter
from icl_mesh.weights import load_weights, save_weights
from icl_mesh_training.cli.main import main
from icl_mesh_training.lifter import fit as lifting_fit
from icl_mesh_training.lifter import train as lifting
from icl_mesh_training.scenes.render.labels import BY_PERSON, OUTSIDE, VISIBLE, SceneLabels

SIZE, CELLS = 160, 20


def true_maps(labels: SceneLabels) -> NetworkMaps:
    """The maps of a perfect network for a scene."""
    camera = labels.camera
    letterbox = Letterbox(camera.width, camera.height, SIZE)
    maps = NetworkMaps(*(torch.zeros(1, c, CELLS, CELLS) for c in (1, 24, 3, 64, 64, 142)))
    turns = Rotation.from_rotvec(labels.pose.reshape(-1, 3)).as_matrix().reshape(-1, 24, 3, 3)
    six = sixd_from_matrix(torch.from_numpy(turns[:, :22]).float()).flatten(1)
    square = np.nan_to_num(letterbox.square_from_px(labels.joints_px.astype(float)), nan=9)
    cells = np.clip(((square + 1) / 2 * CELLS).astype(int), 0, CELLS - 1)
    for person, depth in enumerate(labels.joints_m[:, 0, 2]):
        x, y = cells[person, 0]
        metre = np.ptp(letterbox.square_from_px(np.array([[0, 0], [camera.fx / depth, 0]]))[:, 0])
        maps.center_heatmap[0, 0, y, x] = 0.9 - 0.01 * person
        maps.camera[0, :, y, x] = torch.tensor([math.log(metre, 1.1), *square[person, 0]])
        maps.smpl[0, :132, y, x] = six[person]
        maps.smpl[0, 132:, y, x] = torch.from_numpy(labels.betas[person])
        for joint, (column, row) in enumerate(cells[person]):
            maps.joint_heatmaps[0, joint, row, column] = 0.8
    return maps


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load()


@pytest.fixture
def knowing(scenes: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Scenes, and an engine that gives their perfect maps in this order."""
    files = sorted(scenes.glob("*.npz"))

    class Knowing:
        def __call__(self, images: torch.Tensor) -> NetworkMaps:
            return next(waiting)

        def smpl_at(self, maps: NetworkMaps, image: np.ndarray, cell: np.ndarray) -> torch.Tensor:
            return maps.smpl[image, :, cell[:, 1], cell[:, 0]]

    def answers() -> Iterator[NetworkMaps]:
        for path in files:
            yield true_maps(SceneLabels.load(path))

    waiting = answers()
    monkeypatch.setattr(lifting, "create_engine", lambda *_: Knowing())
    return files


def test_samples_of_a_network_that_knows_the_scenes(knowing: list[Path], body: BodyModel) -> None:
    samples = lifting.collect(build_network("mobilenet_v2", 0.125), body, knowing, sizes=(SIZE,))
    assert len(samples["weak_camera"]) > 4
    # Two people may share a cell, which holds one pose.
    own = (samples["rotations"] - samples["truth_rotations"]).abs().amax((1, 2, 3)) < 1e-3
    assert own.float().mean() > 0.7
    samples = {name: value[own] for name, value in samples.items()}
    torch.testing.assert_close(samples["first_joints"], samples["truth_joints"], atol=2e-3, rtol=0)
    # Joints in the image, in metres at the root's depth, near those in space; the root at zero.
    torch.testing.assert_close(
        samples["truth_points"][:, 0],
        torch.zeros(len(samples["weak_camera"]), 2),
        atol=0.15,
        rtol=0,
    )
    visible = samples["state"] == VISIBLE
    apart = (samples["joints"] - samples["truth_points"]).norm(dim=-1)[visible]
    assert apart.median() < 0.15  # a cell is some 0.1 m
    assert (samples["joint_score"][visible] == 0.8).float().mean() > 0.9
    # Keypoints of the mesh against those of the bones of the same pose.
    near = (samples["flat_keypoints"] - samples["truth_keypoints"]).norm(dim=-1)
    assert near.median() < 0.06
    # The nose is visible in people who face the camera, and hidden in people seen from behind.
    toward = samples["truth_rotations"][:, 0, 2, 2] < 0  # the body's front looks along -z
    upright = samples["truth_rotations"][:, [12, 15]].diagonal(dim1=-2, dim2=-1).sum(-1) > 2.8
    sure = upright.all(1) & (samples["truth_rotations"][:, 0, 2, 2].abs() > 0.8)
    assert sure.any()
    assert ((samples["facing"][sure, 0] > 0) == toward[sure]).all()


def test_nobody_to_learn_from(knowing: list[Path]) -> None:
    network = build_network("mobilenet_v2", 0.125)
    with pytest.raises(ValueError, match="nobody was found in 0 scenes"):
        lifting.collect(network, BodyModel.load(), [], sizes=(SIZE,))


def test_imagined_evidence_is_weak_where_joints_are_hidden(body: BodyModel) -> None:
    torch.manual_seed(0)
    samples = bent(400, body)
    samples["state"] = torch.tensor([VISIBLE, BY_PERSON, OUTSIDE], dtype=torch.uint8).repeat(400, 8)
    made = lifting_fit.imagined(samples)
    state, score = samples["state"], made["joint_score"]
    error = (made["joints"] - samples["truth_points"]).norm(dim=-1)
    assert (score[state == OUTSIDE] == 0).all()
    assert score[state == BY_PERSON].max() <= 0.5
    assert score[state == VISIBLE].mean() > score[state == BY_PERSON].mean() + 0.1
    assert error[state == VISIBLE].median() < error[state == BY_PERSON].median() < 0.2
    # Keypoints are as their joints are: joint 20 is outside, 19 hidden (left wrist, right elbow).
    assert (made["keypoint_score"][:, 9] == 0).all()
    assert made["keypoint_score"][:, 8].max() <= 0.5
    assert made["keypoint_score"][:, 10].max() > 0.5
    assert samples["keypoint_score"].max() == samples["keypoint_score"].min()  # as it was


def test_faces_are_imagined_from_the_front_alone(body: BodyModel) -> None:
    torch.manual_seed(0)
    samples = bent(400, body)
    samples["facing"][200:] = -0.5
    nose = lifting_fit.imagined(samples)["keypoint_score"][:, 0]
    assert nose[200:].max() <= 0.5
    assert nose[:200].mean() > nose[200:].mean() + 0.15


def test_a_mirrored_person_is_posed_like_the_mirrored_body(body: BodyModel) -> None:
    """Joints of the mirrored rotations are the mirrored joints; twice mirrored is as before."""
    samples = bent(30, body)
    mirrored = lifting_fit.mirrored(samples)
    hands = torch.eye(3).expand(30, 2, 3, 3)
    turned = torch.cat((mirrored["truth_rotations"], hands), dim=1)
    joints = body.joints(torch.zeros(30, 10), turned)
    torch.testing.assert_close(
        joints - joints[:, :1], mirrored["truth_joints"], atol=0.02, rtol=0
    )  # the default body's sides differ by millimetres
    again = lifting_fit.mirrored(mirrored)
    assert again.keys() == samples.keys()
    for name, value in samples.items():
        torch.testing.assert_close(again[name], value, msg=name)


def bent(count: int, body: BodyModel, keypoints: int = 17) -> lifting_fit.Samples:
    """Upright bodies with random limbs, a first pose without them, joints seen as they are."""
    turns = np.random.default_rng(0).normal(0, 0.4, (count, 22, 3))
    turns[:, 0] = [math.pi, 0, 0]
    matrices = Rotation.from_rotvec(turns.reshape(-1, 3)).as_matrix().reshape(count, 22, 3, 3)
    true = torch.from_numpy(matrices).float()
    first = torch.eye(3).repeat(count, 22, 1, 1)
    first[:, 0] = true[:, 0]
    hands, betas = torch.eye(3).expand(count, 2, 3, 3), torch.zeros(count, 10)

    rig = KeypointRig(body)

    def pose(rotations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        world, joints = body.skeleton(betas, torch.cat((rotations, hands), dim=1))
        return joints - joints[:, :1], rig(joints, world) - joints[:, :1]

    (joints, points), (flat, flat_points) = pose(true), pose(first)
    return {
        "joints": joints[..., :2],
        "joint_score": torch.full((count, 24), 0.8),
        "keypoints": points[:, :keypoints, :2],
        "keypoint_score": torch.full((count, keypoints), 0.8),
        "regressed": points[:, :keypoints, :2],
        "regressed_score": torch.full((count, keypoints), 0.6),
        "flat": flat[..., :2],
        "flat_keypoints": flat_points[..., :2],
        "ray": torch.zeros(count, 2),
        "weak_camera": torch.tensor([[0.3, 0.0, 0.0]]).expand(count, 3),
        "inverse_focal": torch.zeros(count),  # weak perspective
        "principal": torch.zeros(count, 2),
        "truth_points": joints[..., :2],
        "truth_keypoints": points[..., :2],
        "facing": torch.full((count, 5), 0.9),
        "state": torch.zeros(count, 24, dtype=torch.uint8),
        "rotations": first,
        "truth_rotations": true,
        "betas": betas,
        "truth_betas": betas,
        "first_joints": flat,
        "truth_joints": joints,
    }


@pytest.mark.slow
@pytest.mark.parametrize("keypoints", [0, 17])
def test_it_learns_to_use_what_is_seen(keypoints: int, body: BodyModel) -> None:
    torch.manual_seed(0)
    samples = bent(600, body, keypoints)
    lifter = PoseLifter(keypoints, width=128)
    before = lifting.errors_mm(lifter.eval(), body, samples)
    assert before["lifted_mpjpe_mm"] == pytest.approx(before["first_mpjpe_mm"], rel=1e-4)
    lifting_fit.fit(lifter, body, samples, steps=150)
    after = lifting.errors_mm(lifter, body, samples)
    assert after["lifted_mpjpe_mm"] < 0.7 * after["first_mpjpe_mm"]
    assert not lifter.training
    assert not any(parameter.requires_grad for parameter in lifter.parameters())


@pytest.mark.slow
def test_the_command_adds_a_lifter_and_keeps_the_rest(
    scenes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    network = build_network("mobilenet_v2", 0.125)
    start, out = tmp_path / "start.safetensors", tmp_path / "out.safetensors"
    metadata = {"input_size": 64, "body": "default", "threshold": 0.31, "metrics": {"f1": 1.0}}
    save_weights(start, network, metadata)
    arguments = ["lifter", "--weights", str(start), "--out", str(out), "--steps", "3", "--scenes"]
    assert main([*arguments, str(scenes)]) != 0
    assert "10 rendered scenes" in capsys.readouterr().err
    assert not out.exists()

    many = tmp_path / "many"
    many.mkdir()
    for index in range(12):
        (many / f"{index}.npz").touch()
    asked: list[int] = []

    def people(_: object, body: BodyModel, files: list[Path], engine: str) -> lifting_fit.Samples:
        asked.append(len(files))
        return bent(20, body, keypoints=0)

    monkeypatch.setattr(lifting, "collect", people)
    assert main([*arguments, str(many), "--limit", "11"]) == 0
    assert asked == [9, 2]  # to learn, and to measure
    assert "lifted_pa_mpjpe_mm" in capsys.readouterr().out
    lifted, found = load_weights(out)
    assert lifted.lifter is not None
    assert (found["threshold"], found["metrics"]) == (0.31, {})
    for name, value in network.state_dict().items():
        torch.testing.assert_close(lifted.state_dict()[name], value)
