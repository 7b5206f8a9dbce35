"""Compiled kernels do what numpy and PyTorch do, and are left out where they cannot be had."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from icl_mesh import Estimator, native
from icl_mesh.body import BodyModel
from icl_mesh.camera import Camera
from icl_mesh.compiled_decoder import decode
from icl_mesh.confidence import unit
from icl_mesh.decoding import Detections, decode_maps
from icl_mesh.identity import Identities
from icl_mesh.lens import Lens
from icl_mesh.letterbox import Letterbox
from icl_mesh.network import InferenceMaps, NetworkMaps, build_network
from icl_mesh.people import People
from icl_mesh.placement import place

CAMERA = Camera(580.0, 590.0, 300.5, 250.5, 640, 480)
CPU = torch.device("cpu")


def equal(compiled: object, reference: object, tolerance: float = 1e-6) -> None:
    for mine, other in zip(compiled, reference, strict=True):  # type: ignore[call-overload]
        if isinstance(mine, tuple):
            equal(mine, other, tolerance)
        else:
            assert mine.shape == other.shape and mine.dtype == other.dtype
            np.testing.assert_allclose(mine, other, atol=tolerance, rtol=tolerance)


# --- decoding ---


def noisy_maps(images: int = 2, size: int = 32) -> NetworkMaps:
    """Peaks in all places, borders too; some equal neighbours, some people found twice."""
    generator = torch.Generator().manual_seed(0)

    def noise(channels: int) -> torch.Tensor:
        return torch.randn(images, channels, size, size, generator=generator)

    maps = NetworkMaps(noise(1).sigmoid(), noise(24), noise(3), noise(64), noise(64), noise(142))
    maps.center_heatmap[0, 0, 10, 10:12] = 0.999
    maps.center_heatmap[0, 0, 20, 20:22] = 0.998
    for one in (maps.camera, maps.smpl):
        one[0, :, 10, 11] = one[0, :, 10, 10]
    maps.center_heatmap[-1, 0, 0, 0] = maps.center_heatmap[-1, 0, -1, -1] = 0.9999
    return maps


def both(maps: NetworkMaps, threshold: float) -> tuple[Detections, Detections]:
    def smpl_at(image: np.ndarray, cell: np.ndarray) -> torch.Tensor:
        return maps.smpl[image, :, cell[:, 1], cell[:, 0]]

    given = InferenceMaps(*maps[:5], torch.zeros(1, 8, 64, 64))
    return decode(given, threshold, smpl_at), decode_maps(given, threshold, smpl_at)


@pytest.mark.parametrize("threshold", [0.2, 0.9, 0.9985, 1.0])
@pytest.mark.parametrize("size", [22, 48])
def test_the_same_people_are_decoded(threshold: float, size: int) -> None:
    compiled, reference = both(noisy_maps(size=size), threshold)
    if threshold == 0.2 and size == 48:
        assert len(reference) > 100  # as many as may be, but for those found twice
    equal(tuple(compiled), tuple(reference), 1e-5)


def test_who_is_found_twice_is_one_person() -> None:
    compiled, _ = both(noisy_maps(1), 0.9975)
    cells = [tuple(cell) for cell in compiled.peaks.cell.tolist()]
    assert (10, 10) in cells and (11, 10) not in cells  # in one pose
    assert (20, 20) in cells and (21, 20) in cells  # in two


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["center_heatmap", "camera", "smpl", "center_instance"])
def test_maps_that_are_not_finite_are_named(name: str, value: float) -> None:
    maps = noisy_maps(1)
    getattr(maps, name)[0, 0] = value
    with pytest.raises(RuntimeError, match=rf"not finite .* in {name}"):
        both(maps, 0.9)


def test_rotations_without_a_direction_are_named() -> None:
    maps = noisy_maps(1)
    maps.smpl[0, 6:12] = 0
    with pytest.raises(RuntimeError, match=r"not finite .* in rotations"):
        both(maps, 0.9)


# --- placement and identities ---


@pytest.mark.parametrize("count", [0, 1, 5])
@pytest.mark.parametrize("camera", [CAMERA, Camera(300, 300, 10, 10, 50, 900)])
def test_bodies_are_placed_alike(
    camera: Camera, count: int, without_library: Callable[[], None]
) -> None:
    rng = np.random.default_rng(0)
    joints = rng.normal(0, 0.5, (count, 24, 3)).astype(np.float32)
    weak = np.stack((rng.uniform(0.1, 3, count), *rng.normal(0, 1, (2, count))), axis=1)
    given = (joints, weak.astype(np.float32), Letterbox(camera.width, camera.height, 384), camera)
    compiled = place(*given)
    without_library()
    reference = place(*given)
    equal(compiled[:3], reference[:3])
    equal(compiled[3:5], reference[3:5], 1e-5)
    np.testing.assert_array_equal(compiled.inside, reference.inside)


def test_a_lens_is_not_left_out() -> None:
    lens = Camera(600, 600, 321, 238, 640, 480, lens=Lens("plumb_bob", (0.3, -0.17, 0, 0, 0.09)))
    pinhole = Camera(600, 600, 321, 238, 640, 480)
    joints = np.random.default_rng(0).normal(0, 0.5, (1, 24, 3)).astype(np.float32)
    weak = np.array([[0.5, 0.6, 0.5]], np.float32)
    seen = [place(joints, weak, Letterbox(640, 480, 384), camera) for camera in (lens, pinhole)]
    assert np.abs(seen[0].translation_m - seen[1].translation_m).max() > 0.01


@pytest.mark.parametrize("count", [1, 3, 9])
def test_identities_are_the_projectors(count: int, without_library: Callable[[], None]) -> None:
    torch.manual_seed(0)
    network = build_network("mobilenet_v2", 0.125).eval()
    rng = np.random.default_rng(0)
    heatmaps = torch.from_numpy(rng.random((24, 20, 20), np.float32))
    instance = torch.from_numpy(rng.normal(size=(64, 20, 20)).astype(np.float32))
    centers = rng.normal(size=(count, 64)).astype(np.float32)
    square, inside = rng.normal(0, 0.7, (count, 24, 2)), rng.random((count, 24)) < 0.8

    def confidence() -> tuple[np.ndarray, np.ndarray]:
        identities = Identities(network, CPU)
        with torch.inference_mode():
            own = identities.embeddings(centers)
            return own, identities.joint_confidence(heatmaps, instance, own, square, inside)

    assert Identities(network, CPU).compiled
    compiled = confidence()
    without_library()
    assert not Identities(network, CPU).compiled
    reference = confidence()
    equal(compiled, reference, 1e-5)
    assert (reference[1] > 0.1).any() and (reference[1][~inside] == 0).all()
    np.testing.assert_allclose(unit(reference[0]), reference[0], atol=1e-6)


@pytest.mark.parametrize("name", ["heatmaps", "instance", "centers"])
def test_identities_hand_on_what_is_not_finite(name: str) -> None:
    network = build_network("mobilenet_v2", 0.125).eval()
    given = {"heatmaps": torch.rand(24, 8, 8), "instance": torch.rand(64, 8, 8)}
    given["centers"] = torch.rand(2, 64)
    given[name].fill_(torch.nan)
    confidence = Identities(network, CPU).joint_confidence(
        given["heatmaps"],
        given["instance"],
        given["centers"].numpy(),
        np.zeros((2, 24, 2)),
        np.ones((2, 24), np.bool_),
    )
    assert np.isnan(confidence).all()


# --- all together ---


def people_of(network: torch.nn.Module, body: BodyModel, image: np.ndarray) -> People:
    estimator = Estimator(network, body, input_size=96, threshold=0.01)  # type: ignore[arg-type]
    return estimator(image, CAMERA, vertices=True)


def test_the_estimator_finds_the_same_people(
    body: BodyModel, without_library: Callable[[], None]
) -> None:
    torch.manual_seed(0)
    network = build_network("movenet", 0.125).eval()
    torch.nn.init.normal_(network.add_lifter().layers[-1].bias, std=0.02)
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    compiled = people_of(network, body, image)
    without_library()
    reference = people_of(network, body, image)
    assert len(reference) >= 3
    turns = [
        Rotation.from_matrix(people.rotations.reshape(-1, 3, 3)) for people in (compiled, reference)
    ]
    assert np.rad2deg((turns[0] * turns[1].inv()).magnitude()).max() < 0.2
    for name, tolerance in {
        "score": 2e-4, "center_px": 1e-4, "bbox_px": 0.3, "joints_m": 0.02, "vertices_m": 0.02,
        "joints_px": 0.3, "embedding": 1e-3, "joint_confidence": 5e-3,
    }.items():  # fmt: skip
        mine, other = getattr(compiled, name), getattr(reference, name)
        np.testing.assert_allclose(mine, other, atol=tolerance, err_msg=name)


@pytest.fixture
def looked_up_again() -> Iterator[None]:
    """The library, which is looked up once, now and after the test."""
    native.library.cache_clear()
    yield
    native.library.cache_clear()


def test_a_library_of_another_version_is_not_called(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, looked_up_again: None
) -> None:
    monkeypatch.setattr(native, "VERSION", native.VERSION + 1)
    assert native.library() is None
    assert "build it again" in caplog.text


def test_a_file_that_is_no_library_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    looked_up_again: None,
) -> None:
    (tmp_path / "_native.so").write_text("no library")
    monkeypatch.setattr(native, "__file__", str(tmp_path / "native.py"))
    assert native.library() is None
    assert "_native.so: cannot be loaded" in caplog.text


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch, looked_up_again: None) -> None:
    monkeypatch.setenv("ICL_MESH_NATIVE", "0")
    assert native.library() is None
    assert native.kernel("icl_embed") is None


def test_arrays_that_a_kernel_cannot_read_are_refused() -> None:
    array = np.zeros((4, 6), np.float32)
    assert native.address(array) == array.ctypes.data
    for wrong in (array[:, ::2], array.T, array.astype(np.float64)):
        with pytest.raises(ValueError, match="contiguous array of float32"):
            native.address(wrong)
    assert isinstance(native.library(), ctypes.CDLL)  # scripts/setup builds it
