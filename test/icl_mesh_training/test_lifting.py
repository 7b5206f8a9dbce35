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
from icl_mesh.letterbox import Letterbox
from icl_mesh.network import NetworkMaps, build_network
from icl_mesh.network.lifter import PoseLifter
from icl_mesh.rotation import sixd_from_matrix
from icl_mesh.weights import load_weights, save_weights
from icl_mesh_training import lifting
from icl_mesh_training.cli import main
from icl_mesh_training.scenes.labels import BY_PERSON, OUTSIDE, VISIBLE, SceneLabels

SIZE, CELLS = 160, 20


def true_maps(labels: SceneLabels) -> NetworkMaps:
    """Maps of a network that knows the scene."""
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


@pytest.fixture
def knowing(scenes: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The scenes, in the order in which an engine that knows them is asked."""
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


def test_samples_of_a_network_that_knows_the_scenes(knowing: list[Path]) -> None:
    body = BodyModel.load()
    samples = lifting.collect(build_network("mobilenet_v2", 0.125), body, knowing, sizes=(SIZE,))
    assert len(samples["points"]) > 4
    # Two people may share a cell, which holds one pose.
    own = (samples["rotations"] - samples["truth_rotations"]).abs().amax((1, 2, 3)) < 1e-3
    assert own.float().mean() > 0.7
    samples = {name: value[own] for name, value in samples.items()}
    torch.testing.assert_close(samples["joints"], samples["truth_joints"], atol=2e-3, rtol=0)
    # Joints in the image, in metres at the root's depth, near those in space; the root at zero.
    torch.testing.assert_close(
        samples["truth_points"][:, 0], torch.zeros(len(samples["points"]), 2), atol=0.15, rtol=0
    )
    visible = samples["state"] == VISIBLE
    apart = (samples["points"] - samples["truth_points"]).norm(dim=-1)[visible]
    assert apart.median() < 0.15  # a cell is some 0.1 m
    assert (samples["strength"][visible] == 0.8).float().mean() > 0.9


def test_nobody_to_learn_from(knowing: list[Path]) -> None:
    network = build_network("mobilenet_v2", 0.125)
    with pytest.raises(ValueError, match="nobody was found in 0 scenes"):
        lifting.collect(network, BodyModel.load(), [], sizes=(SIZE,))


def test_imagined_evidence_is_weak_where_joints_are_hidden() -> None:
    state = torch.tensor([VISIBLE, BY_PERSON, OUTSIDE]).repeat(400, 8)
    true = torch.zeros(400, 24, 2)
    points, strength = lifting.imagined(true, state, torch.Generator().manual_seed(0))
    error = points.norm(dim=-1)
    assert (strength[state == OUTSIDE] == 0).all()
    assert strength[state == BY_PERSON].max() <= 0.5
    assert strength[state == VISIBLE].mean() > strength[state == BY_PERSON].mean() + 0.1
    assert error[state == VISIBLE].median() < error[state == BY_PERSON].median() < 0.2


def bent(count: int, body: BodyModel) -> lifting.Samples:
    """Upright bodies with random limbs, a first pose without them, joints seen as they are."""
    turns = np.random.default_rng(0).normal(0, 0.4, (count, 22, 3))
    turns[:, 0] = [math.pi, 0, 0]
    matrices = Rotation.from_rotvec(turns.reshape(-1, 3)).as_matrix().reshape(count, 22, 3, 3)
    true = torch.from_numpy(matrices).float()
    first = torch.eye(3).repeat(count, 22, 1, 1)
    first[:, 0] = true[:, 0]
    hands, betas = torch.eye(3).expand(count, 2, 3, 3), torch.zeros(count, 10)

    def pose(rotations: torch.Tensor) -> torch.Tensor:
        joints = body.joints(betas, torch.cat((rotations, hands), dim=1))
        return joints - joints[:, :1]

    return {
        "points": pose(true)[..., :2],
        "flat": pose(first)[..., :2],
        "weak": torch.tensor([[0.3, 0.0, 0.0]]).expand(count, 3),
        "inverse_focal": torch.zeros(count),  # weak perspective
        "principal": torch.zeros(count, 2),
        "truth_points": pose(true)[..., :2],
        "strength": torch.full((count, 24), 0.8),
        "state": torch.zeros(count, 24, dtype=torch.uint8),
        "rotations": first,
        "truth_rotations": true,
        "betas": betas,
        "truth_betas": betas,
        "joints": pose(first),
        "truth_joints": pose(true),
    }


def test_it_learns_to_use_what_is_seen() -> None:
    torch.manual_seed(0)
    body = BodyModel.load()
    samples, lifter = bent(600, body), PoseLifter(width=128)
    before = lifting.errors_mm(lifter.eval(), body, samples)
    assert before["lifted_mpjpe_mm"] == pytest.approx(before["first_mpjpe_mm"], rel=1e-4)
    lifting.fit(lifter, body, samples, steps=150)
    after = lifting.errors_mm(lifter, body, samples)
    assert after["lifted_mpjpe_mm"] < 0.7 * after["first_mpjpe_mm"]
    assert not lifter.training
    assert not any(parameter.requires_grad for parameter in lifter.parameters())


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

    def people(_: object, body: BodyModel, files: list[Path], engine: str) -> lifting.Samples:
        asked.append(len(files))
        return bent(20, body)

    monkeypatch.setattr(lifting, "collect", people)
    assert main([*arguments, str(many), "--limit", "11"]) == 0
    assert asked == [9, 2]  # to learn, and to measure
    assert "lifted_pa_mpjpe_mm" in capsys.readouterr().out
    lifted, found = load_weights(out)
    assert lifted.lifter is not None
    assert (found["threshold"], found["metrics"]) == (0.31, {})
    for name, value in network.state_dict().items():
        torch.testing.assert_close(lifted.state_dict()[name], value)
