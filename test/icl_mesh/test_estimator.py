"""The estimator around the network: input checks, devices, engines, timing, real network."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import icl_mesh
from icl_mesh.engine import resolve_device
from icl_mesh.engine.stage_clock import STAGES
from icl_mesh.estimator import Estimator
from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.lens import Lens
from icl_mesh.geometry.view import View
from icl_mesh.network import NetworkMaps, build_network
from icl_mesh.preprocess.host import preprocess
from icl_mesh.weights import save_weights

CAMERA = Camera(580.0, 580.0, 319.5, 239.5, 640, 480)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network("mobilenet_v2", head_width=0.25)


@pytest.fixture
def estimator(network, body):
    # Heatmaps of an untrained network are about 0.1: every cell is a detection.
    return Estimator(network, body, input_size=256, threshold=0.05, device="cpu")


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)


def test_normalisation_is_the_published_one() -> None:
    image = np.full((32, 32, 3), (255, 0, 124), np.uint8)
    tensor = preprocess(image, View.of(Camera.assumed(32, 32), 32))
    assert tensor.shape == (1, 3, 32, 32)
    assert tensor.dtype == torch.float32
    # torchvision: (x / 255 - mean) / std with mean .485 .456 .406 and std .229 .224 .225
    expected = [(1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (124 / 255 - 0.406) / 0.225]
    np.testing.assert_allclose(tensor[0, :, 5, 7], expected, rtol=1e-5)


@pytest.mark.parametrize("side", [32, 48])
def test_views_of_bgr_bytes_become_the_same_input(side) -> None:
    """bgr8 images with padded rows, as drivers send them, need no conversion or copy."""
    padded = np.random.default_rng(0).integers(0, 256, (32, 50, 3), dtype=np.uint8)
    image, view = padded[:, :48, ::-1], View.of(Camera.assumed(48, 32), side)
    assert torch.equal(preprocess(image, view), preprocess(image.copy(), view))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((480, 640, 3), np.float32), "image must be uint8 .* got float32"),
        (np.zeros((480, 640), np.uint8), r"image must be RGB .* got \[480, 640\]"),
        (np.zeros((480, 640, 1), np.uint8), r"image must be RGB .* got \[480, 640, 1\]"),
        (np.zeros((480, 640, 4), np.uint8), r"image must be RGB .* got \[480, 640, 4\]"),
        (np.zeros((0, 640, 3), np.uint8), "image is empty: its size is 640x0 pixels"),
        (torch.zeros(480, 640, 3), "image must be a numpy array .* got Tensor"),
        (None, "image must be a numpy array .* got NoneType"),
    ],
)
def test_bad_images(estimator, bad, message) -> None:
    with pytest.raises(ValueError, match=message):
        estimator(bad)


def test_camera_of_another_resolution(estimator, image) -> None:
    with pytest.raises(ValueError, match="camera is for 320x240 images, the image is 640x480"):
        estimator(image, Camera.assumed(320, 240))


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.5, float("nan")])
def test_bad_thresholds(estimator, image, threshold) -> None:
    with pytest.raises(ValueError, match=r"threshold must lie in \(0, 1\], got"):
        estimator(image, threshold=threshold)


def test_untrained_network_gives_well_formed_people(estimator, body, image) -> None:
    before = image.copy()
    people = estimator(image, CAMERA, vertices=True)
    np.testing.assert_array_equal(image, before)
    assert 1 <= len(people) <= 64
    assert (np.diff(people.score) <= 0).all()
    assert people.vertices_m.shape == (len(people), body.vertex_count, 3)
    assert people.track_id is None
    for name in ("translation_m", "joints_px", "joint_confidence", "bbox_px", "vertices_m"):
        assert np.isfinite(getattr(people, name)).all(), name
    assert (people.bbox_px >= 0).all()
    assert (people.bbox_px[:, [0, 2]] <= 639).all()
    assert (people.bbox_px[:, [1, 3]] <= 479).all()
    np.testing.assert_allclose(np.linalg.norm(people.embedding, axis=1), 1, rtol=1e-5)
    assert ((people.joint_confidence >= 0) & (people.joint_confidence <= 1)).all()


def test_vertices_only_on_request_and_the_same_later(estimator, image) -> None:
    without, with_vertices = estimator(image), estimator(image, vertices=True)
    assert without.vertices_m is None
    np.testing.assert_allclose(without.mesh_m(), with_vertices.vertices_m, atol=1e-4)


def test_people_are_those_of_their_image_and_outlast_the_next(network, body, image) -> None:
    """Input, maps and people have memory that serves image after image."""
    estimator = Estimator(network, body, input_size=256, threshold=0.05)
    other = np.ascontiguousarray(image[::-1, ::2])
    first = estimator(image, vertices=True)
    kept = {name: value.copy() for name, value in vars(first).items() if hasattr(value, "copy")}
    second = estimator(other, vertices=True)
    for name, value in kept.items():
        np.testing.assert_array_equal(getattr(first, name), value, err_msg=name)
    alone = Estimator(network, body, input_size=256, threshold=0.05)(other, vertices=True)
    np.testing.assert_array_equal(second.joints_px, alone.joints_px)
    assert len(first) != len(second) or (first.joints_px != second.joints_px).any()


def test_cameras_in_turns_do_not_mix(network, body, image) -> None:
    """What follows from a camera is made once and kept for the next image of that camera."""
    estimator = Estimator(network, body, input_size=256, threshold=0.05)
    bent = Camera(**{**vars(CAMERA), "lens": Lens("plumb_bob", (-0.3, 0.1, 0.001, -0.001))})
    near = Camera(**{**vars(CAMERA), "fx": 290.0, "fy": 290.0})
    for camera in (CAMERA, bent, near, None, CAMERA):
        people = estimator(image, camera, vertices=True)
        alone = Estimator(network, body, input_size=256, threshold=0.05)(
            image, camera, vertices=True
        )
        assert people.camera == alone.camera
        for name in ("joints_m", "joints_px", "vertices_m", "bbox_px"):
            np.testing.assert_array_equal(getattr(people, name), getattr(alone, name), name)
    view = estimator._view
    estimator(image, Camera(**vars(CAMERA)))
    assert estimator._view is view


def test_nobody(estimator, body, image) -> None:
    people = estimator(image, threshold=0.999, vertices=True)
    assert len(people) == 0
    assert people.vertices_m.shape == (0, body.vertex_count, 3)
    assert people.keypoints_px("coco17").shape == (0, 17, 2)


def test_views_and_tiny_images(estimator, image) -> None:
    whole = estimator(np.ascontiguousarray(image[::2, ::-1]))
    view = estimator(image[::2, ::-1])
    np.testing.assert_array_equal(whole.joints_m, view.joints_m)
    assert estimator(np.zeros((1, 1, 3), np.uint8)).camera.width == 1
    assert estimator(np.zeros((3, 900, 3), np.uint8)).camera.width == 900


def test_network_runs_in_evaluation_mode(network, body, image) -> None:
    network.train()
    estimator = Estimator(network, body, input_size=256, threshold=0.05)
    statistics = network.backbone.state_dict()
    before = {key: value.clone() for key, value in statistics.items()}
    first, second = estimator(image), estimator(image)
    assert not network.training
    np.testing.assert_array_equal(first.joints_m, second.joints_m)
    for key, value in network.backbone.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_times_cover_all_stages(estimator, image) -> None:
    times: dict[str, float] = {}
    estimator(image, times=times)
    assert tuple(times) == STAGES == ("preprocess", "network", "decode", "refine", "body")
    assert times.pop("refine") == 0  # no second stage
    assert all(value > 0 for value in times.values())


@pytest.mark.parametrize("name", NetworkMaps._fields)
def test_network_with_a_damaged_weight_is_an_error(
    name, people_at, encode, body, plain_network, fixed_engine
):
    truth = people_at(CAMERA, [[300.0, 200.0]], [3.0])
    maps = encode(truth, 512)
    getattr(maps, name)[:] = float("nan")
    estimator = Estimator(plain_network, body, engine=fixed_engine(maps))
    with pytest.raises(RuntimeError, match="the network's output is not finite"):
        estimator(np.zeros((480, 640, 3), np.uint8), CAMERA)


def test_load_from_a_file(network, tmp_path, image, caplog) -> None:
    path = tmp_path / "net.safetensors"
    metadata = {"input_size": 256, "body": "icl_default_body", "threshold": 0.05}
    save_weights(path, network, metadata)
    estimator = Estimator.load(path, device="cpu", engine="torch")
    assert not caplog.records
    assert (estimator.input_size, estimator.threshold) == (256, 0.05)
    assert estimator.device == torch.device("cpu")
    people = estimator(image)
    assert people.weights_version == estimator.weights_version
    assert estimator.weights_version.startswith("mobilenet_v2-")
    direct = Estimator(network, estimator.body, input_size=256, threshold=0.05)(image)
    np.testing.assert_allclose(people.joints_m, direct.joints_m, rtol=1e-4, atol=1e-4)


def test_another_body_than_the_weights_were_trained_with(network, tmp_path, caplog) -> None:
    path = tmp_path / "net.safetensors"
    save_weights(path, network, {"input_size": 256, "body": "smpl_neutral"})
    Estimator.load(path, device="cpu", engine="torch")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "were trained with body 'smpl_neutral', body 'icl_default_body' is used" in caplog.text


def test_devices() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device("auto").type == expected
    for name in ("gpu", "cuda:x", "CPU", ""):
        with pytest.raises(ValueError, match="device must be auto, cpu, cuda or cuda:N, got"):
            resolve_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there")
def test_cuda_where_there_is_none() -> None:
    with pytest.raises(ValueError, match=r"device 'cuda:0' needs CUDA, but .*use .*cpu"):
        Estimator.load(device="cuda:0")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_finds_the_same_people(network, body, image) -> None:
    options = {"input_size": 256, "threshold": 0.05}
    on_cpu = Estimator(network, body, device="cpu", **options)(image, vertices=True)
    on_gpu = Estimator(network, body, device="cuda", **options)(image, vertices=True)
    network.cpu()
    body.cpu()
    assert len(on_cpu) == len(on_gpu)
    np.testing.assert_allclose(on_gpu.joints_m, on_cpu.joints_m, atol=2e-2)


def test_import_is_light() -> None:
    """Neither OpenGL, mesh files nor training come with `import icl_mesh`; not even torch."""
    heavy = ["torch", "moderngl", "trimesh", "matplotlib", "cv2", "icl_mesh_training"]
    code = f"import icl_mesh, sys; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_estimator_needs_no_opengl_mesh_files_nor_compiler() -> None:
    heavy = ["moderngl", "trimesh", "matplotlib", "icl_mesh_training", "torch._dynamo"]
    heavy += ["onnx", "onnxruntime", "openvino"]
    code = f"import icl_mesh.estimator, sys; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_exists() -> None:
    for name in icl_mesh.__all__:
        assert getattr(icl_mesh, name) is not None
    assert set(dir(icl_mesh)) == set(icl_mesh.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Humans'"):
        icl_mesh.Humans  # noqa: B018


def test_boxes_are_those_of_the_mesh(estimator, image) -> None:
    """They come from few vertices: against all of them, and alike whether meshes are asked for."""
    people = estimator(image, CAMERA, vertices=True)
    np.testing.assert_allclose(estimator(image, CAMERA).bbox_px, people.bbox_px, atol=1e-2)
    px = CAMERA.project_bodies(people.vertices_m, people.position_m[:, 2])
    box = np.concatenate((px.min(axis=1), px.max(axis=1)), axis=1)
    box = box.clip(0, [CAMERA.width - 1, CAMERA.height - 1] * 2)
    px_per_m = CAMERA.fx / people.vertices_m[..., 2].min(axis=1).clip(min=0.2)
    assert (np.abs(box - people.bbox_px).max(axis=1) <= 0.02 * px_per_m + 0.5).all()
