"""The second stage's network is the published one; its weights load completely or not at all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import pictures
from safetensors.torch import load_file, save_file

from icl_mesh.decode.keypoints import decode_keypoints
from icl_mesh.keypoint_weights import (
    default_keypoint_weights_path,
    load_keypoint_weights,
    save_keypoint_weights,
)
from icl_mesh.network.single_person import (
    KeypointMaps,
    SinglePersonKeypoints,
)

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def network() -> SinglePersonKeypoints:
    return load_keypoint_weights()[0]


def crops_of(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float()


@torch.inference_mode()
def test_keypoints_are_those_of_the_published_network(network) -> None:
    """test/data/thunder_keypoints.json: what TensorFlow.js 4 found with the published graph: y, x
    as shares of the crop, score."""
    told = json.loads((ROOT / "test/data/thunder_keypoints.json").read_text())
    published = np.array(told["keypoints"])
    keypoints, scores = decode_keypoints(network(crops_of(pictures())))
    assert keypoints.shape == (5, 17, 2) and scores.shape == (5, 17)
    np.testing.assert_allclose(keypoints, published[..., 1::-1] * 256 - 0.5, rtol=0, atol=1e-3)
    np.testing.assert_allclose(scores, published[..., 2], rtol=0, atol=1e-4)


@pytest.mark.slow
@torch.inference_mode()
def test_a_crop_does_not_depend_on_the_others(network) -> None:
    crops = crops_of(pictures())
    alone = torch.cat([network(crop[None]) for crop in crops])
    torch.testing.assert_close(network(crops), alone, rtol=0, atol=1e-4)
    for maps in (network(crops[:0]), network(crops[:0]).new_zeros(0, 86, 64, 64)):
        keypoints, scores = decode_keypoints(maps)
        assert keypoints.shape == (0, 17, 2) and scores.shape == (0, 17)


def test_decoding_by_hand() -> None:
    """Two people: the one nearer to the middle, though less probable, and its own left eye."""
    maps = torch.zeros(1, 86, 64, 64)
    parts = KeypointMaps.of(maps)
    parts.center[0, 0, 32, 34], parts.center[0, 0, 5, 5] = 0.5, 0.9  # / 3.8 and / 40
    parts.offsets[0, 1, :, 32, 34] = torch.tensor([-10.25, 3.0])  # at (y 21.75, x 37)
    parts.keypoints[0, 1, 22, 37], parts.keypoints[0, 1, 22, 45] = 0.2, 0.8  # / 2.05 and / 9.8
    parts.refinements[0, 1, :, 22, 37] = torch.tensor([0.25, 0.75])
    keypoints, scores = decode_keypoints(maps)
    assert keypoints[0, 1].tolist() == [4 * 37.75 - 0.5, 4 * 22.25 - 0.5]
    assert scores[0, 1].item() == pytest.approx(0.2)


def test_every_parameter_gets_a_gradient() -> None:
    network = SinglePersonKeypoints()
    network(torch.rand(1, 3, 64, 64) * 255).square().sum().backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_weights_are_kept_and_described(network, tmp_path) -> None:
    path = tmp_path / "own.safetensors"
    save_keypoint_weights(path, network, name="own", origin="here", licence="Apache-2.0")
    again, metadata = load_keypoint_weights(path)
    assert not again.training
    for name, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    assert metadata["origin"] == "here" and metadata["input_size"] == "256"
    assert metadata["weights_version"].startswith("own-")
    assert path.stat().st_size < 12.6e6  # float16, as published
    with torch.no_grad():
        again.stem.weight.add_(1e-6)  # which float16 does not hold
    save_keypoint_weights(path, again, name="own", origin="here", licence="Apache-2.0")
    assert torch.equal(load_keypoint_weights(path)[0].stem.weight, again.stem.weight)


def test_files_that_do_not_fit_are_one_sentence(network, tmp_path) -> None:
    path = tmp_path / "other.safetensors"
    with pytest.raises(FileNotFoundError, match=r"other\.safetensors: no such file of keypoint"):
        load_keypoint_weights(path)
    path.write_bytes(b"\x08" + bytes(40))
    with pytest.raises(ValueError, match=r"other\.safetensors: weights must be a safetensors file"):
        load_keypoint_weights(path)
    with pytest.raises(ValueError, match="format must be icl_mesh_keypoints, got 'icl_mesh'"):
        load_keypoint_weights(
            default_keypoint_weights_path().with_name("default_weights.safetensors")
        )
    text = {k: v for k, v in load_keypoint_weights()[1].items() if k != "weights_version"}
    tensors = load_file(default_keypoint_weights_path())
    save_file(tensors, path, {**text, "input_size": "192"})
    with pytest.raises(ValueError, match="its input_size must be 256, got '192'"):
        load_keypoint_weights(path)
    save_file(tensors | {"stem.bias": torch.zeros(3)}, path, text)
    with pytest.raises(ValueError, match=r"1 tensors do not fit .* shape \[3\] instead of \[56\]"):
        load_keypoint_weights(path)
    save_file(tensors | {"stem.bias": torch.full((56,), float("nan"))}, path, text)
    with pytest.raises(ValueError, match="its weights are not finite"):
        load_keypoint_weights(path)
    data = bytearray(default_keypoint_weights_path().read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="damaged: its tensors do not have the SHA-256"):
        load_keypoint_weights(path)


@pytest.mark.slow
def test_the_converter_names_what_it_cannot_read(tmp_path) -> None:
    tool = [sys.executable, str(ROOT / "tools/convert_thunder.py")]
    path = tmp_path / "movenet-thunder.json"
    done = subprocess.run(
        [*tool, str(path), str(tmp_path / "out")], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1 and done.stderr == f"no MoveNet file at {path}\n"
