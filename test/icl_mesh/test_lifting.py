"""Lifting people to the joints seen around them: evidence by hand, and what must not change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from icl_mesh import Estimator
from icl_mesh.body import BodyModel
from icl_mesh.camera import SquareCamera, project_from_weak
from icl_mesh.decoding import Detections, Peaks
from icl_mesh.lifting import find_evidence, in_metres, lift, moved_camera, square_joints
from icl_mesh.network import build_network
from icl_mesh.network.lifter import PoseLifter
from icl_mesh.weights import load_weights, save_weights

#: 60 degrees, the image in the middle of the square.
CAMERA = SquareCamera(1.73, 1.73, 0.0, 0.1)
METADATA = {"input_size": 64, "body": "default"}


def people(count: int = 3) -> tuple[Detections, np.ndarray]:
    """Detections in the rest pose, and their joints."""
    body = BodyModel.load()
    rotations = torch.eye(3).expand(count, 24, 3, 3)
    betas = torch.randn(count, 10, generator=torch.Generator().manual_seed(0))
    peaks = Peaks(np.arange(count) % 2, np.zeros((count, 2), np.int64), np.ones(count, np.float32))
    weak = np.array([[0.4, 0.1, -0.2]] * count, np.float32)
    found = Detections(peaks, weak, rotations.numpy(), betas.numpy(), np.zeros((count, 64)))
    return found, body.joints(betas, rotations).numpy()


def test_a_fresh_lifter_changes_nothing() -> None:
    found, joints = people()
    heatmaps = torch.rand(2, 24, 16, 16, generator=torch.Generator().manual_seed(1))
    lifted = lift(found, joints, heatmaps, PoseLifter().eval(), CAMERA)
    for name in ("weak", "rotations", "betas"):
        np.testing.assert_allclose(getattr(lifted, name), getattr(found, name), atol=1e-6)


def test_the_joint_nearby_is_taken_and_not_a_stronger_one_of_somebody_else() -> None:
    joints = np.zeros((2, 24, 2))
    joints[:, 0], joints[:, 1] = (-0.5, -0.5), (0.0, 0.0)  # extent: 8 cells of 32, diagonally
    heatmaps = np.zeros((1, 24, 32, 32), np.float32)
    heatmaps[0, 5, 17, 18] = 0.4  # a cell and a half from where joint 5 should be
    heatmaps[0, 5, 2, 30] = 0.9
    heatmaps[0, 7, 31, 31] = 0.3  # far, but nothing else is seen
    evidence = find_evidence(heatmaps, np.array([0, 0]), joints)
    np.testing.assert_allclose(evidence.points[:, 5], [[18.5 / 16 - 1, 17.5 / 16 - 1]] * 2)
    np.testing.assert_allclose(evidence.strength[:, 5], 0.4)
    np.testing.assert_allclose(evidence.points[:, 7], [[31.5 / 16 - 1] * 2] * 2)
    np.testing.assert_allclose(evidence.strength[:, 8], 0)


def test_each_person_reads_their_own_image() -> None:
    heatmaps = np.zeros((2, 24, 8, 8), np.float32)
    heatmaps[0, :, 4, 3], heatmaps[1, :, 3, 4] = 0.5, 0.6
    joints = np.random.default_rng(0).normal(0, 0.3, (2, 24, 2))
    evidence = find_evidence(heatmaps, np.array([1, 0]), joints)
    np.testing.assert_allclose(evidence.strength, np.repeat([[0.6], [0.5]], 24, axis=1))
    np.testing.assert_allclose(evidence.points[0], [[0.125, -0.125]] * 24)


def test_the_camera_moves_in_metres_of_the_body() -> None:
    change = torch.tensor([[np.log(2.0), 0.3, -0.1]], dtype=torch.float64)
    moved = moved_camera(torch.tensor([[0.5, 0.1, 0.2]], dtype=torch.float64), change)
    np.testing.assert_allclose(moved, [[1.0, 0.1 + 0.5 * 0.3, 0.2 - 0.5 * 0.1]])


def test_joints_in_the_image_are_those_of_the_training_loss() -> None:
    rng = np.random.default_rng(0)
    joints, weak = rng.normal(0, 0.5, (3, 24, 3)), np.array([[0.3, 0.2, -0.1]] * 3)
    focal, principal = (
        torch.full((3,), 1 / CAMERA.focal),
        torch.tensor([[CAMERA.px, CAMERA.py]] * 3),
    )
    loss = project_from_weak(torch.from_numpy(joints), torch.from_numpy(weak), focal, principal)
    square = square_joints(joints, weak, CAMERA)
    np.testing.assert_allclose(square, loss.numpy(), atol=1e-6)
    # Metres from the root: a joint at the root's depth is where it is in space.
    joints[:, 5, 2] = 0
    near = in_metres(square_joints(joints, weak, CAMERA), weak)
    np.testing.assert_allclose(near[:, 5], joints[:, 5, :2], atol=1e-9)


def test_heatmaps_that_are_not_finite_are_named() -> None:
    found, joints = people()
    with pytest.raises(RuntimeError, match="joint_heatmaps"):
        lift(found, joints, torch.full((2, 24, 8, 8), torch.nan), PoseLifter().eval(), CAMERA)


def test_weights_with_a_lifter_load_with_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_network("mobilenet_v2", head_width=0.125)
    plain, with_lifter = tmp_path / "plain.safetensors", tmp_path / "lifter.safetensors"
    save_weights(plain, network, METADATA)
    assert load_weights(plain)[0].lifter is None
    lifter = network.add_lifter()
    assert network.add_lifter() is lifter
    torch.nn.init.normal_(lifter.layers[-1].bias, std=0.1)
    save_weights(with_lifter, network, METADATA)
    loaded, _ = load_weights(with_lifter)
    assert loaded.lifter is not None and not loaded.lifter.training
    torch.testing.assert_close(loaded.lifter.state_dict(), lifter.state_dict())
    assert not [
        name for name, p in loaded.named_parameters() if "lifter" in name and p.requires_grad
    ]


def test_the_estimator_lifts() -> None:
    """A lifter that only moves cameras: people come out where it says, their poses as before."""
    network, body = build_network("mobilenet_v2", head_width=0.125).eval(), BodyModel.load()
    image = np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)
    estimator = Estimator(network, body, input_size=96, threshold=0.01)
    before = estimator(image)
    assert len(before) > 0
    with torch.no_grad():
        network.add_lifter().eval().layers[-1].bias[-3] = 0.1
    after = estimator(image)
    np.testing.assert_allclose(after.rotations, before.rotations, atol=1e-5)
    change = 0.5 * np.tanh(0.1 / 0.5)
    np.testing.assert_allclose(
        after.weak_camera[:, 0], before.weak_camera[:, 0] * np.exp(change), rtol=1e-5
    )
    assert (after.joints_m[:, 0, 2] < before.joints_m[:, 0, 2]).all()
