"""MoveNet as a backbone: its published weights load completely or not at all, and detect people."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from icl_mesh.network import IMAGENET_MEAN, IMAGENET_STD, build_network, load_movenet
from icl_mesh.network.mobilenet import scaled_channels
from icl_mesh.network.movenet import DECODER_CHANNELS, PYRAMID_CHANNELS, MoveNet
from icl_mesh.network.movenet_weights import _layers

FLOATS = np.dtype("<f4")


def write_graph_model(path: Path, backbone: MoveNet, shards: int = 1) -> None:
    """The backbone's numbers as TensorFlow.js writes a graph model, one weight as float16."""
    state = backbone.state_dict()
    entries, data = [{"name": "steps", "shape": [], "dtype": "int32"}], bytes(4)
    for name, weight, bias in _layers():
        values = state[f"{name}.weight"].numpy()
        order = (2, 3, 0, 1) if name.endswith("dw") else (2, 3, 1, 0)
        kind = np.dtype("<f2") if name == "stem" else FLOATS
        entry = {"name": weight, "shape": [values.shape[i] for i in order], "dtype": "float32"}
        entries.append(entry | ({"quantization": {"dtype": "float16"}} if name == "stem" else {}))
        data += values.transpose(order).astype(kind).tobytes()
        if bias is not None:
            shape = list(state[f"{name}.bias"].shape)
            entries.append({"name": bias, "shape": shape, "dtype": "float32"})
            data += state[f"{name}.bias"].numpy().tobytes()
    paths = [f"{path.stem}-{i}.bin" for i in range(shards)]
    cut = len(data) // shards + 1
    for i, shard in enumerate(paths):
        (path.parent / shard).write_bytes(data[i * cut : (i + 1) * cut])
    path.write_text(json.dumps({"weightsManifest": [{"paths": paths, "weights": entries}]}))


def test_channels_are_those_of_tensorflow() -> None:
    """Read off the published model's convolutions."""
    backbone = MoveNet()
    assert backbone.stem.out_channels == 48
    assert backbone.tap_channels == (40, 48, 144, 480)
    # keras.applications' rule keeps nine tenths: 0.35 x 32 is 11.2, 8 were too few.
    assert [scaled_channels(32, width) for width in (1.0, 1.5, 0.35)] == [32, 48, 16]


def test_maps_of_people_and_their_size() -> None:
    torch.manual_seed(0)
    backbone = MoveNet().eval()
    images = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        maps = backbone(images)
        assert maps.shape == (2, backbone.out_channels, 16, 24)
        own = maps[:, DECODER_CHANNELS + PYRAMID_CHANNELS :]
        probabilities, offsets, extent = own[:, :18], own[:, 18:52], own[:, 52:]
        assert probabilities.min() > 0
        assert probabilities.max() < 1
        # A share of the root mean square: all of it where people are much larger than a cell.
        assert (offsets.square().mean(1) < 1).all()
        assert (extent >= 0).all()
        # Keypoints twice as far apart are the same shape, one doubling larger.
        backbone.pyramid.offsets[1].bias.mul_(0).add_(1000.0)
        once = backbone(images)
        backbone.pyramid.offsets[1].bias.mul_(2)
        twice = backbone(images)
    torch.testing.assert_close(twice[:, -35:-1], once[:, -35:-1], atol=1e-3, rtol=0)
    growth = twice[:, -1] - once[:, -1]
    torch.testing.assert_close(growth, torch.full_like(growth, np.log(2)), atol=1e-3, rtol=0)


def test_the_keypoints_are_frozen_with_the_whole_trunk() -> None:
    network = build_network("movenet", 0.125)
    network.backbone.freeze_to_stride(16)
    assert all(p.requires_grad for p in network.backbone.pyramid.parameters())
    network.backbone.freeze_to_stride(32)
    free = {n.split(".")[0] for n, p in network.backbone.named_parameters() if p.requires_grad}
    assert free == {"decoder"}


def test_published_weights_are_copied_and_the_decoder_kept(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source, path = MoveNet(), tmp_path / "movenet.json"
    for parameter in source.parameters():
        nn.init.normal_(parameter)
    write_graph_model(path, source, shards=3)
    backbone = build_network("movenet", 0.125).backbone
    decoder = {k: v.clone() for k, v in backbone.decoder.state_dict().items()}
    load_movenet(backbone, path)
    state = backbone.state_dict()
    for name, values in source.state_dict().items():
        if name.startswith("decoder."):
            expected = decoder[name.removeprefix("decoder.")]
        else:
            expected = values.half().float() if name == "stem.weight" else values
        torch.testing.assert_close(state[name], expected)


def test_foreign_files_change_nothing(tmp_path: Path) -> None:
    backbone, path = MoveNet(), tmp_path / "model.json"
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    with pytest.raises(FileNotFoundError, match=r"no MoveNet file at .*model\.json"):
        load_movenet(backbone, path)
    path.write_text("[1, 2]")
    with pytest.raises(ValueError, match=r"is not a TensorFlow\.js graph model"):
        load_movenet(backbone, path)
    path.write_text(json.dumps({"weightsManifest": [{"paths": ["a.bin"], "weights": []}]}))
    with pytest.raises(FileNotFoundError, match=r"needs its weights a\.bin in the same folder"):
        load_movenet(backbone, path)
    (tmp_path / "a.bin").touch()
    for entry in (3, {}):
        groups = [{"paths": ["a.bin"], "weights": [entry]}]
        (tmp_path / "odd.json").write_text(json.dumps({"weightsManifest": groups}))
        with pytest.raises(ValueError, match=r"odd\.json is not a TensorFlow\.js graph model"):
            load_movenet(backbone, tmp_path / "odd.json")
    with pytest.raises(ValueError, match=r"MoveNet MultiPose Lightning's weights \(\d+ faults"):
        load_movenet(backbone, path)
    write_graph_model(path, MoveNet())
    data = (tmp_path / "model-0.bin").read_bytes()
    (tmp_path / "model-0.bin").write_bytes(data[:-40])
    with pytest.raises(ValueError, match=r"model-0\.bin ends before .*kpt_regress"):
        load_movenet(backbone, path)
    with pytest.raises(ValueError, match="not ResNet50"):
        load_movenet(build_network("resnet50", 0.125).backbone, path)
    for name, value in backbone.state_dict().items():
        torch.testing.assert_close(value, before[name])


def test_published_weights_find_a_face() -> None:
    """Nose and eyes of a photo, by hand: within two cells of 4 pixels."""
    path = os.environ.get("ICL_MESH_MOVENET_JSON")
    if not path:
        pytest.skip("set ICL_MESH_MOVENET_JSON to MoveNet's graph model to check its weights")
    matplotlib = pytest.importorskip("matplotlib", reason="its sample photo is needed")
    file = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    photo = cv2.imread(str(file))[:512, :, ::-1]  # 512 x 512, RGB
    photo = cv2.resize(photo, (256, 256), interpolation=cv2.INTER_AREA)
    normalised = (photo / 255 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    backbone = MoveNet().eval()
    load_movenet(backbone, path)
    with torch.inference_mode():
        maps = backbone(torch.from_numpy(normalised).float().permute(2, 0, 1)[None])[0]
    heatmaps = maps[DECODER_CHANNELS + PYRAMID_CHANNELS + 1 :][:17]
    for keypoint, (x, y) in FACE_PX.items():
        row, column = divmod(int(heatmaps[keypoint].argmax()), 64)
        assert np.hypot(4 * column + 2 - x, 4 * row + 2 - y) < 8, keypoint


#: COCO's nose, left eye and right eye (the person's own) of the photo at 256 x 256.
FACE_PX = {0: (133, 117), 1: (153, 93), 2: (111, 95)}
