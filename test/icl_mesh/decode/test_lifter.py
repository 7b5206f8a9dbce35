"""The lifter: hand computations, and invariants."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from oracle_lifting import HostLifter

from icl_mesh import Estimator
from icl_mesh.body import BodyModel
from icl_mesh.body.kinematics import BodyKinematics
from icl_mesh.body.rig import KeypointRig
from icl_mesh.decode.evidence import gather_evidence
from icl_mesh.decode.lifter import (
    in_metres,
    lifter_inputs,
    moved_camera,
    square_joints,
    square_points,
)
from icl_mesh.decode.peaks import Detections, Peaks
from icl_mesh.geometry.camera import SquareCamera, project_from_weak
from icl_mesh.network import IclMeshNetwork, InferenceMaps, build_network
from icl_mesh.network.lifter import LifterInputs, PoseLifter
from icl_mesh.weights import load_weights, save_weights

#: 60 degrees, the image in the centre of the square.
CAMERA = SquareCamera(1.73, 1.73, 0.0, 0.1)
METADATA = {"input_size": 64, "body": "default"}


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load()


def people(count: int = 3) -> Detections:
    """Detections near the rest pose, in two images."""
    generator = torch.Generator().manual_seed(0)
    turns = torch.linalg.matrix_exp(_skew(0.3 * torch.randn(count, 24, 3, generator=generator)))
    betas = torch.randn(count, 10, generator=generator)
    peaks = Peaks(np.arange(count) % 2, np.full((count, 2), 3), np.ones(count, np.float32))
    weak_camera = np.array([[0.4, 0.1, -0.2]] * count, np.float32)
    return Detections(
        peaks, weak_camera, turns.numpy(), betas.numpy(), np.zeros((count, 64), np.float32)
    )


def _skew(vectors: torch.Tensor) -> torch.Tensor:
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    rows = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), dim=-1)
    return rows.unflatten(-1, (3, 3))


def noisy_maps(network: IclMeshNetwork) -> InferenceMaps:
    with torch.inference_mode():
        return network.inference_maps(
            torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
        )


def lifter_of(network: IclMeshNetwork, lifter: PoseLifter, body: BodyModel) -> HostLifter:
    return HostLifter(
        lifter.eval(), BodyKinematics(body), KeypointRig(body), network.keypoint_channels
    )


def trained(lifter: PoseLifter) -> PoseLifter:
    """Random layers with running statistics, as after training."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, value in lifter.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2.0, generator=generator)
            elif value.is_floating_point():
                value.normal_(0, 0.05, generator=generator)
    return lifter.eval()


@pytest.mark.parametrize("architecture", ["mobilenet_v2", "movenet"])
def test_a_fresh_lifter_changes_nothing(architecture: str, body: BodyModel) -> None:
    network = build_network(architecture, 0.125).eval()
    found = people()
    skeletons = BodyKinematics(body).skeletons(found.betas, found.rotations)
    lift = lifter_of(network, network.add_lifter(), body)
    lifted, posed = lift(found, noisy_maps(network), CAMERA)
    for name in ("weak_camera", "betas"):
        np.testing.assert_allclose(getattr(lifted, name), getattr(found, name), atol=1e-6)
    np.testing.assert_allclose(lifted.rotations[:, :22], found.rotations[:, :22], atol=1e-5)
    np.testing.assert_allclose(posed.joints, skeletons.joints, atol=1e-5)


@pytest.mark.parametrize("count", [1, 3, 9])
@pytest.mark.parametrize("architecture", ["mobilenet_v2", "movenet"])
def test_on_the_host_it_computes_what_the_module_does(
    architecture: str, count: int, body: BodyModel
) -> None:
    """Both passes against the module in float64, without folding."""
    network = build_network(architecture, 0.125).eval()
    lifter, found = trained(network.add_lifter()), people(count)
    kinematics, rig, maps = BodyKinematics(body), KeypointRig(body), noisy_maps(network)
    skeletons = kinematics.skeletons(found.betas, found.rotations)
    lifted, posed = lifter_of(network, lifter, body)(found, maps, CAMERA)

    joints, keypoints = square_points(skeletons, rig, found.weak_camera, CAMERA)
    evidence = gather_evidence(maps, network.keypoint_channels, found.peaks, joints, keypoints)
    rotations, betas = torch.from_numpy(found.rotations[:, :22]), torch.from_numpy(found.betas)
    weak_camera = torch.from_numpy(found.weak_camera)
    module = lifter.double()
    for _ in range(2):
        inputs = lifter_inputs(evidence, joints, keypoints, found.weak_camera, CAMERA)
        wide = LifterInputs(*(torch.from_numpy(np.asarray(part, float)) for part in inputs))
        change = module(wide, rotations.double(), betas.double())
        rotations, betas = change.rotations, change.betas
        weak_camera = moved_camera(weak_camera.double(), change.camera)
        turns = found.rotations.copy()
        turns[:, :22] = rotations.numpy()
        skeletons = kinematics.skeletons(betas.float().numpy(), turns)
        joints, keypoints = square_points(skeletons, rig, weak_camera.float().numpy(), CAMERA)
    np.testing.assert_allclose(lifted.rotations[:, :22], rotations.numpy(), atol=1e-4)
    np.testing.assert_allclose(lifted.betas, betas.numpy(), atol=1e-4)
    np.testing.assert_allclose(lifted.weak_camera, weak_camera.numpy(), atol=1e-4)
    assert np.abs(lifted.rotations - found.rotations).max() > 0.05
    np.testing.assert_array_equal(lifted.rotations[:, 22:], found.rotations[:, 22:])
    for name in ("joints", "world", "rest", "betas", "rotations"):
        np.testing.assert_allclose(getattr(posed, name), getattr(skeletons, name), atol=1e-4)


def test_keypoints_on_bones_are_near_those_of_the_mesh(body: BodyModel) -> None:
    found = people(20)
    skeletons = BodyKinematics(body).skeletons(found.betas, found.rotations)
    with torch.inference_mode():
        mesh = body(torch.from_numpy(found.betas), torch.from_numpy(found.rotations))
        expected = body.keypoints(mesh.vertices, "coco17").numpy()
    apart = np.linalg.norm(KeypointRig(body)(skeletons.joints, skeletons.world) - expected, axis=2)
    assert np.median(apart) < 0.02
    assert apart.max() < 0.12
    rest = torch.zeros(1, 10), torch.eye(3).expand(1, 24, 3, 3)
    world, joints = body.skeleton(*rest)
    np.testing.assert_allclose(
        KeypointRig(body)(joints, world)[0],
        body.keypoints(body(*rest).vertices, "coco17")[0],
        atol=1e-6,
    )


def test_the_camera_moves_in_metres_of_the_body() -> None:
    change = torch.tensor([[np.log(2.0), 0.3, -0.1]], dtype=torch.float64)
    weak_camera = torch.tensor([[0.5, 0.1, 0.2]], dtype=torch.float64)
    expected = [[1.0, 0.1 + 0.5 * 0.3, 0.2 - 0.5 * 0.1]]
    np.testing.assert_allclose(moved_camera(weak_camera, change), expected)
    np.testing.assert_allclose(moved_camera(weak_camera.numpy(), change.numpy()), expected)


def test_joints_in_the_image_are_those_of_the_training_loss() -> None:
    rng = np.random.default_rng(0)
    joints, weak_camera = rng.normal(0, 0.5, (3, 24, 3)), np.array([[0.3, 0.2, -0.1]] * 3)
    focal, principal = (
        torch.full((3,), 1 / CAMERA.focal, dtype=torch.float64),
        torch.tensor([[CAMERA.px, CAMERA.py]] * 3, dtype=torch.float64),
    )
    loss = project_from_weak(
        torch.from_numpy(joints), torch.from_numpy(weak_camera), focal, principal
    )
    square = square_joints(joints, weak_camera, CAMERA)
    np.testing.assert_allclose(square, loss.numpy(), atol=1e-9)
    # Metres from the root: a joint at the root's depth is where it is in space.
    joints[:, 5, 2] = 0
    near = in_metres(square_joints(joints, weak_camera, CAMERA), weak_camera)
    np.testing.assert_allclose(near[:, 5], joints[:, 5, :2], atol=1e-9)


def test_heatmaps_that_are_not_finite_are_named(body: BodyModel) -> None:
    network, found = build_network("mobilenet_v2", 0.125).eval(), people()
    maps = noisy_maps(network)
    maps = maps._replace(joint_heatmaps=torch.full_like(maps.joint_heatmaps, torch.nan))
    with pytest.raises(RuntimeError, match="joint_heatmaps"):
        lifter_of(network, network.add_lifter(), body)(found, maps, CAMERA)


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "keypoints"), [("mobilenet_v2", 0), ("movenet", 17)])
def test_weights_with_a_lifter_load_with_it(
    tmp_path: Path, architecture: str, keypoints: int
) -> None:
    torch.manual_seed(0)
    network = build_network(architecture, head_width=0.125)
    plain, with_lifter = tmp_path / "plain.safetensors", tmp_path / "lifter.safetensors"
    save_weights(plain, network, METADATA)
    assert load_weights(plain)[0].lifter is None
    lifter = network.add_lifter()
    assert network.add_lifter() is lifter
    assert lifter.keypoints == keypoints
    torch.nn.init.normal_(lifter.layers[-1].bias, std=0.1)
    save_weights(with_lifter, network, METADATA)
    loaded, _ = load_weights(with_lifter)
    assert loaded.lifter is not None and not loaded.lifter.training
    torch.testing.assert_close(loaded.lifter.state_dict(), lifter.state_dict())
    assert not [
        name for name, p in loaded.named_parameters() if "lifter" in name and p.requires_grad
    ]


def test_the_estimator_lifts(body: BodyModel) -> None:
    """A lifter that only changes cameras: positions follow, poses stay."""
    network = build_network("mobilenet_v2", head_width=0.125).eval()
    image = np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)
    before = Estimator(network, body, input_size=96, threshold=0.01)(image)
    assert len(before) > 0
    with torch.no_grad():
        network.add_lifter().eval().layers[-1].bias[-3] = 0.1
    after = Estimator(network, body, input_size=96, threshold=0.01)(image)
    np.testing.assert_allclose(after.rotations, before.rotations, atol=1e-5)
    change = 2 * 0.5 * np.tanh(0.1 / 0.5)  # in each of two passes
    np.testing.assert_allclose(
        after.weak_camera[:, 0], before.weak_camera[:, 0] * np.exp(change), rtol=1e-5
    )
    assert (after.joints_m[:, 0, 2] < before.joints_m[:, 0, 2]).all()
