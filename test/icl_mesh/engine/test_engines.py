"""Engines give the maps of PyTorch in float32; unusable settings are one clear error."""

import numpy as np
import pytest
import torch

from icl_mesh.engine import create_engine, installed_engines, parse_engine, spec, torch_engine
from icl_mesh.engine.choose import map_difference
from icl_mesh.estimator import Estimator
from icl_mesh.network import InferenceMaps

SIZE = 64  # of the fixture images


@pytest.mark.slow
@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_engines_agree_with_torch_for_any_batch(network, images, name, cache) -> None:
    pytest.importorskip(name)
    pytest.importorskip("onnx")
    with torch.inference_mode():
        expected = network.inference_maps(images)
    engine = create_engine(name, network, "cpu", SIZE)
    assert engine.name == f"{name}:f32" and engine.device == torch.device("cpu")
    for batch in (1, 3):
        maps = engine(images[:batch])
        assert maps._fields == InferenceMaps._fields
        for found, wanted in zip(maps, expected, strict=True):
            scale = max(1.0, float(wanted.abs().max()))
            torch.testing.assert_close(found / scale, wanted[:batch] / scale, rtol=0, atol=2e-5)
    # channels last, as preprocessing leaves images
    again = engine(images.contiguous(memory_format=torch.channels_last))
    assert map_difference(again, expected) < 2e-5
    suffixes = sorted(path.suffix for path in cache.iterdir())
    assert suffixes == [".onnx", ".onnx", ".sha256", ".sha256"]  # both steps, with checksums


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torch", "onnxruntime", "openvino"])
def test_bodies_at_cells_are_those_of_the_dense_map(network, images, places, name) -> None:
    pytest.importorskip(name)
    pytest.importorskip("onnx")
    image, cell = places
    with torch.inference_mode():
        wanted = network(images).smpl[image, :, cell[:, 1], cell[:, 0]]
    engine = create_engine(name, network, "cpu", SIZE)
    maps = engine(images)
    image, cell = np.concatenate((image, image)), np.concatenate((cell, cell))
    wanted = torch.cat((wanted, wanted))
    for count in (0, 1, 3, 14):  # 14: in two parts, in one of the engines
        found = engine.smpl_at(maps, image[:count], cell[:count])
        assert found.shape == (count, 142) and found.dtype == torch.float32
        torch.testing.assert_close(found, wanted[:count], rtol=0, atol=1e-4)


@pytest.mark.slow
def test_what_openvino_gave_lasts(network, images, places) -> None:
    """Maps are valid until the next call; bodies stay valid. Each call has other images."""
    pytest.importorskip("openvino")
    image, cell = places
    engine = create_engine("openvino", network, "cpu", SIZE)
    maps = engine(images)
    kept = [one.clone() for one in maps]
    bodies = engine.smpl_at(maps, image, cell)
    again = bodies.clone()
    engine.smpl_at(maps, image[::-1].copy(), cell[::-1].copy())
    assert torch.equal(bodies, again)
    assert all(torch.equal(one, other) for one, other in zip(maps, kept, strict=True))
    for row in (2, 0, 1):
        alone = engine(images[row : row + 1])
        assert all(torch.equal(one[0], other[row]) for one, other in zip(alone, kept, strict=True))
    assert engine(images[:0]).features.shape == (0, *kept[-1].shape[1:])


@pytest.mark.slow
def test_an_image_in_the_same_memory_is_read_anew(network, images) -> None:
    """An estimator reuses its input's memory."""
    pytest.importorskip("openvino")
    engine = create_engine("openvino", network, "cpu", SIZE)
    wanted = [[one.clone() for one in engine(image[None].clone())] for image in images]
    memory = torch.empty(1, 3, SIZE, SIZE)
    for row in (0, 1, 2, 0):
        memory.copy_(images[row : row + 1])
        found = engine(memory)
        assert all(torch.equal(one, other) for one, other in zip(found, wanted[row], strict=True))
        engine(images)  # another call in between
    strided = images[:1].contiguous(memory_format=torch.channels_last)
    for row in (1, 2):
        strided.copy_(images[row : row + 1])
        found = engine(strided)
        assert all(torch.equal(one, other) for one, other in zip(found, wanted[row], strict=True))


@pytest.fixture
def any_cpu(monkeypatch) -> None:
    """bf16 on any CPU: results are right, but may be slow."""
    monkeypatch.setattr(torch_engine, "cpu_has_bf16", lambda: True)


@pytest.mark.usefixtures("any_cpu")
def test_bodies_in_lower_precision(network, images, places) -> None:
    image, cell = places
    exact, rough = (create_engine(name, network) for name in ("torch", "torch:bf16"))
    wanted = exact.smpl_at(exact(images), image, cell)
    found = rough.smpl_at(rough(images), image, cell)
    assert found.dtype == torch.float32
    assert 1e-4 < map_difference([found], [wanted]) < 0.25


@pytest.mark.usefixtures("any_cpu")
def test_lower_precision_is_only_what_is_asked_for(network, images) -> None:
    with torch.inference_mode():
        expected = network.inference_maps(images)
    assert map_difference(create_engine("torch", network)(images), expected) < 1e-5
    engine = create_engine("torch:bf16", network)
    maps = engine(images)
    assert engine.name == "torch:bf16"
    assert all(values.dtype == torch.float32 for values in maps)
    assert 1e-4 < map_difference(maps, expected) < 0.25
    # Weights cast once equal those that autocast makes at every call.
    assert network.center_branch[-1].weight.dtype == torch.float32
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert map_difference(maps, network.inference_maps(images)) == 0


@pytest.mark.parametrize(
    ("name", "on", "error"),
    [
        ("onnx", "cpu", "engine must be auto or one of torch, .*; got 'onnx'"),
        ("torch:int8", "cpu", r"with a precision \(f32, bf16, f16\).*; got 'torch:int8'"),
        ("torch:", "cpu", "got 'torch:'"),
        ("torch:f16", "cpu", "engine 'torch' on cpu has precision f32 and bf16, not f16"),
        ("openvino", "cuda", "engine 'openvino' runs on cpu, not on cuda"),
        ("auto:f16", "cpu", "no engine has precision f16 on cpu"),
    ],
)
def test_engines_that_do_not_fit(network, monkeypatch, name, on, error) -> None:
    monkeypatch.setattr(spec, "is_installed", lambda engine: True)
    with pytest.raises(ValueError, match=error):
        create_engine(name, network, on)


def test_bf16_is_refused_on_a_cpu_without_it(network, monkeypatch) -> None:
    """It would be emulated, 25 times slower than f32."""
    monkeypatch.setattr(
        torch.cpu,
        "get_capabilities",
        lambda: {"avx2": True, "avx512_bf16": False, "amx_bf16": False},
    )
    message = "engine torch:bf16 needs a CPU with bf16 arithmetic .* lacks: use torch:f32"
    with pytest.raises(ValueError, match=message):
        create_engine("torch:bf16", network)
    assert create_engine("torch:f32", network).name == "torch:f32"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "amx_bf16": True})
    assert create_engine("torch:bf16", network).name == "torch:bf16"


def test_an_engine_that_is_not_installed(network, monkeypatch) -> None:
    monkeypatch.setitem(spec._PACKAGES, "tensorrt", (("no_such_package",), "pip install tensorrt"))
    assert "tensorrt" not in installed_engines() and "torch" in installed_engines()
    with pytest.raises(
        ValueError,
        match=r"engine 'tensorrt' is not installed \(missing: no_such_package\): pip install "
        r"tensorrt, or choose one that is here \(torch",
    ):
        create_engine("tensorrt", network, "cuda")


def test_a_missing_engine_stops_before_weights_are_read() -> None:
    with pytest.raises(ValueError, match="got 'fast'"):
        Estimator.load("/no/such/file", engine="fast")


def test_names(network) -> None:
    assert parse_engine("openvino") == ("openvino", "f32")
    assert str(parse_engine("auto:bf16")) == "auto:bf16"
