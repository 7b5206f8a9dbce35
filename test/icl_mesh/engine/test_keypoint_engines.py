"""The second stage gives the maps of PyTorch in every engine, for any number of people."""

from __future__ import annotations

import pytest
import torch
from pictures import pictures

from icl_mesh.decode.keypoints import decode_keypoints
from icl_mesh.engine import keypoints
from icl_mesh.engine.keypoints import create_keypoint_engine
from icl_mesh.engine.onnx_model import keypoints_onnx, keypoints_path
from icl_mesh.engine.torch_engine import cpu_has_bf16
from icl_mesh.keypoint_weights import load_keypoint_weights


@pytest.fixture(scope="module")
def crops() -> torch.Tensor:
    return torch.from_numpy(pictures()[:3]).permute(0, 3, 1, 2).float()


@pytest.fixture(scope="module")
def expected(crops) -> torch.Tensor:
    with torch.inference_mode():
        return load_keypoint_weights()[0](crops)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torch", "onnxruntime", "openvino"])
def test_maps_are_those_of_torch_for_any_number_of_people(name, crops, expected) -> None:
    if name != "torch":
        pytest.importorskip(name)
        pytest.importorskip("onnx")
    engine = create_keypoint_engine(name, load_keypoint_weights()[0])
    assert engine.name == f"{name}:f32" and engine.device == torch.device("cpu")
    assert engine(crops[:0]).shape == (0, 86, 64, 64)
    first = engine(crops[:1])
    maps = engine(crops)
    strided = crops.flip(0).contiguous(memory_format=torch.channels_last)
    for found, wanted in ((first, expected[:1]), (maps, expected), (engine(strided).flip(0), maps)):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=2e-3)
    for found, wanted in zip(decode_keypoints(maps), decode_keypoints(expected), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=2e-2)
    # What was given lasts.
    torch.testing.assert_close(first, expected[:1], rtol=1e-4, atol=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_bf16_moves_keypoints_little(name, crops, expected) -> None:
    if name != "torch":
        pytest.importorskip(name)
        pytest.importorskip("onnx")
    if not cpu_has_bf16():
        with pytest.raises(ValueError, match=f"engine {name}:bf16 needs a CPU with bf16"):
            create_keypoint_engine(f"{name}:bf16", load_keypoint_weights()[0])
        return
    maps = create_keypoint_engine(f"{name}:bf16", load_keypoint_weights()[0])(crops)
    assert maps.dtype == torch.float32
    moved = (decode_keypoints(maps)[0] - decode_keypoints(expected)[0]).norm(dim=-1)
    assert moved.median() < 2


@pytest.mark.slow
def test_a_model_beside_the_weights_is_taken_or_refused(crops, expected, tmp_path, cache) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("openvino")
    network = load_keypoint_weights()[0]
    path = tmp_path / "some.onnx"
    keypoints_path(path).write_bytes(keypoints_onnx(network))
    for file in cache.iterdir():
        file.unlink()
    maps = create_keypoint_engine("openvino", network, onnx_path=path)(crops)
    torch.testing.assert_close(maps, expected, rtol=1e-4, atol=2e-3)
    assert not list(cache.iterdir())
    with torch.no_grad():
        network.stem.weight.add_(0.01)
    with pytest.raises(ValueError, match=r"some\.keypoints\.onnx holds another network"):
        create_keypoint_engine("openvino", network, onnx_path=path)


def test_people_run_in_the_numbers_that_a_gpu_was_warmed_up_for(monkeypatch) -> None:
    """Others are filled up: each person's own maps come back, in order."""
    monkeypatch.setitem(keypoints._TOGETHER, "cpu", (1, 2, 4, 8))
    ran = []
    buffer = torch.empty(8, 86, 64, 64)

    def run(crops: torch.Tensor) -> torch.Tensor:
        ran.append(len(crops))
        buffer[: len(crops)] = crops[:, :1, :1, :1]
        return buffer[: len(crops)]

    engine = keypoints.KeypointEngine("some:f32", torch.device("cpu"), run)
    crops = torch.arange(11.0)[:, None, None, None].expand(-1, 3, 256, 256)
    assert engine(crops)[:, 5, 6, 7].tolist() == list(range(11))
    assert engine(crops[:5])[:, 0, 0, 0].tolist() == list(range(5))
    assert ran == [8, 4, 8]


def test_names_that_do_not_fit() -> None:
    network = load_keypoint_weights()[0]
    with pytest.raises(ValueError, match="must be named, got 'auto': take that of the first"):
        create_keypoint_engine("auto", network)
    with pytest.raises(ValueError, match=r"not on cpu|not installed"):
        create_keypoint_engine("tensorrt", network)
