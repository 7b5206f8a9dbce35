"""Backbones against the public networks they are compatible with."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from icl_mesh.network import IMAGENET_MEAN, IMAGENET_STD, build_network, load_imagenet_mobilenet
from icl_mesh.network.hrnet import HRNetW32
from icl_mesh.network.mobilenet import FoldedConv, MobileNetV2
from icl_mesh.network.resnet import ResNet50

MILITARY_UNIFORM = 653  # of TensorFlow's 1001 classes, of which the first is "background"


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_resnet50_is_torchvision_s() -> None:
    backbone = ResNet50()
    trunk = count(backbone) - count(backbone.deconv_layers)
    # torchvision documents 25,557,032 parameters; 2048 * 1000 + 1000 of them are fc.
    assert trunk == 25_557_032 - 2_049_000
    shapes = {name: tuple(value.shape) for name, value in backbone.state_dict().items()}
    assert sum(not name.startswith("deconv_layers.") for name in shapes) == 318  # 320 with fc
    assert shapes["conv1.weight"] == (64, 3, 7, 7)
    assert shapes["layer1.0.downsample.0.weight"] == (256, 64, 1, 1)
    assert shapes["layer3.5.bn3.running_var"] == (1024,)
    assert shapes["layer4.2.conv2.weight"] == (512, 512, 3, 3)
    # The stride is in the 3x3 (torchvision), not in the first 1x1 (the paper).
    assert backbone.layer2[0].conv1.stride == (1, 1)
    assert backbone.layer2[0].conv2.stride == (2, 2)
    # Deconvolutions 256, 128, 64; 4x4, no bias.
    assert [tuple(p.shape) for p in backbone.deconv_layers.parameters() if p.dim() == 4] == [
        (2048, 256, 4, 4),
        (256, 128, 4, 4),
        (128, 64, 4, 4),
    ]


def test_resnet50_loads_torchvision_where_installed() -> None:
    torchvision = pytest.importorskip("torchvision", reason="torchvision is not installed")
    public = torchvision.models.resnet50(weights=None)
    state = {k: v for k, v in public.state_dict().items() if not k.startswith("fc.")}
    result = ResNet50().load_state_dict(state, strict=False)
    assert not result.unexpected_keys
    assert {name.split(".")[0] for name in result.missing_keys} == {"deconv_layers"}


def test_hrnet_w32_is_the_official_pose_network() -> None:
    backbone = HRNetW32()
    # The official pose_hrnet w32 has 28,536,113 parameters; its final_layer (17 joints) 561.
    assert count(backbone) == 28_536_113 - 561
    shapes = {name: tuple(value.shape) for name, value in backbone.state_dict().items()}
    assert len(shapes) == 1752
    # A few of the official names, of each kind of connection.
    assert shapes["layer1.0.downsample.0.weight"] == (256, 64, 1, 1)
    assert shapes["transition1.0.0.weight"] == (32, 256, 3, 3)
    assert shapes["transition1.1.0.0.weight"] == (64, 256, 3, 3)
    assert shapes["transition3.3.0.0.weight"] == (256, 128, 3, 3)
    assert shapes["stage2.0.branches.1.3.conv2.weight"] == (64, 64, 3, 3)
    assert shapes["stage3.3.fuse_layers.2.0.0.0.weight"] == (32, 32, 3, 3)
    assert shapes["stage3.3.fuse_layers.2.0.1.0.weight"] == (128, 32, 3, 3)
    assert shapes["stage4.2.fuse_layers.0.3.0.weight"] == (32, 256, 1, 1)
    assert "stage4.2.fuse_layers.1.0.0.0.weight" not in shapes  # high resolution only
    assert "stage4.1.fuse_layers.3.0.2.0.weight" in shapes


def test_stride_2_pads_like_tensorflow() -> None:
    """SAME, even input, kernel 3, stride 2: out[i] sees in[2i .. 2i + 2], zeros past the end."""
    layer = FoldedConv(1, 1, 3, stride=2, linear=True)
    x = torch.arange(1.0, 65.0).view(1, 1, 8, 8)
    for row, column in ((0, 0), (1, 2), (2, 2)):
        with torch.no_grad():
            layer.weight.zero_()[0, 0, row, column] = 1
            out = layer(x)
        padded = np.zeros((9, 9))
        padded[:8, :8] = x[0, 0].numpy()
        np.testing.assert_array_equal(out[0, 0], padded[row : row + 8 : 2, column : column + 8 : 2])


def test_depthwise_stride_2_is_the_same_in_training() -> None:
    """Training computes it another way, for the sake of its gradient's speed."""
    torch.manual_seed(0)
    layer = FoldedConv(6, 6, 3, stride=2, groups=6, linear=True)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, 6, 10, 8)
    torch.testing.assert_close(layer.train()(x), layer.eval()(x))


def test_mobilenet_gets_the_input_range_of_its_weights() -> None:
    backbone = MobileNetV2()
    pixel = np.array([0.0, 127.5, 255.0])
    normalised = (pixel / 255 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    image = torch.tensor(normalised, dtype=torch.float32).view(1, 3, 1, 1)
    seen = image * backbone.input_scale + backbone.input_shift
    np.testing.assert_allclose(seen.flatten(), pixel / 127.5 - 1, atol=1e-6)


def test_freezing_stops_at_the_stride() -> None:
    backbone = MobileNetV2()
    backbone.freeze_to_stride(4)
    frozen = {name.split(".")[0] for name, p in backbone.named_parameters() if not p.requires_grad}
    assert frozen == {"stem", "b0", "b1", "b2"}
    with pytest.raises(ValueError, match=r"one of \(4, 8, 16, 32\), got 2"):
        backbone.freeze_to_stride(2)


def folded_arrays(seed: int = 0) -> dict[str, np.ndarray]:
    torch.manual_seed(seed)
    return {
        f"{name}.{kind}": parameter.detach().numpy()
        for name, layer in MobileNetV2().named_modules()
        if isinstance(layer, FoldedConv)
        for kind, parameter in layer.named_parameters()
    }


def test_imagenet_weights_are_copied_and_the_rest_kept(tmp_path: Path) -> None:
    arrays = folded_arrays(seed=1)
    assert len(arrays) == 2 * (1 + 2 + 16 * 3)  # stem, b0 without expansion, b1 to b16
    path = tmp_path / "weights.npz"
    np.savez(path, **arrays, **{"classifier.weight": np.zeros((1001, 1280, 1, 1), np.float32)})
    backbone = build_network("mobilenet_v2", 0.125).backbone
    decoder = {k: v.clone() for k, v in backbone.decoder.state_dict().items()}
    load_imagenet_mobilenet(backbone, path)
    state = backbone.state_dict()
    for name, values in arrays.items():
        np.testing.assert_array_equal(state[name], values)
    for name, values in decoder.items():
        torch.testing.assert_close(state[f"decoder.{name}"], values)


def test_foreign_imagenet_files_change_nothing(tmp_path: Path) -> None:
    backbone = MobileNetV2()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    path = tmp_path / "weights.npz"
    with pytest.raises(FileNotFoundError, match=r"no ImageNet weights file at .*weights\.npz"):
        load_imagenet_mobilenet(backbone, path)

    np.savez(path, other=np.zeros(3))
    message = (
        r"does not hold MobileNetV2 1\.0's folded weights \(102 faults: stem\.weight is missing"
    )
    with pytest.raises(ValueError, match=message):
        load_imagenet_mobilenet(backbone, path)

    arrays = folded_arrays()
    np.savez(path, **{**arrays, "b3.dw.weight": np.zeros((144, 1, 5, 5), np.float32)})
    message = r"1 faults: b3\.dw\.weight is \(144, 1, 5, 5\), not \(144, 1, 3, 3\)"
    with pytest.raises(ValueError, match=message):
        load_imagenet_mobilenet(backbone, path)

    np.savez(path, **{**arrays, "b3.dw.bias": np.full(144, np.nan, np.float32)})
    with pytest.raises(ValueError, match=r"b3\.dw\.bias is not finite"):
        load_imagenet_mobilenet(backbone, path)

    for name, value in backbone.state_dict().items():
        torch.testing.assert_close(value, before[name])


def test_imagenet_files_of_another_kind(tmp_path: Path) -> None:
    backbone = MobileNetV2()
    text = tmp_path / "text.npz"
    text.write_text("not an archive")
    empty = tmp_path / "empty.npz"
    empty.touch()
    single = tmp_path / "single.npz"
    with single.open("wb") as stream:
        np.save(stream, np.zeros(3))
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, stem=np.array([{"a": 1}], dtype=object))
    damaged = tmp_path / "damaged.npz"
    with zipfile.ZipFile(damaged, "w") as archive:
        archive.writestr("stem.weight.npy", b"garbage")
    for path in (text, empty, single, pickled):
        with pytest.raises(ValueError, match=r"is not an \.npz of plain arrays"):
            load_imagenet_mobilenet(backbone, path)
    with pytest.raises(ValueError, match=r"stem\.weight is \|S7, not floating point"):
        load_imagenet_mobilenet(backbone, damaged)
    with pytest.raises(ValueError, match="not ResNet50"):
        load_imagenet_mobilenet(ResNet50(), text)  # type: ignore[arg-type]


def test_imagenet_weights_classify_a_photo() -> None:
    """With the file's classifier the trunk must still know what it learned."""
    path = os.environ.get("ICL_MESH_IMAGENET_NPZ")
    if not path:
        pytest.skip("set ICL_MESH_IMAGENET_NPZ to the MobileNetV2 weights to check them")
    matplotlib = pytest.importorskip("matplotlib", reason="its sample photo is needed")
    file = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    photo = cv2.imread(str(file))[:, :, ::-1]  # 512 x 600, RGB
    photo = cv2.resize(photo[:512], (224, 224), interpolation=cv2.INTER_AREA)
    normalised = (photo / 255 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    backbone = MobileNetV2().eval()
    load_imagenet_mobilenet(backbone, path)
    with np.load(path, allow_pickle=False) as arrays, torch.inference_mode():
        head = {
            f"{name}.{kind}": torch.from_numpy(arrays[f"{name}.{kind}"])
            for name in ("head_conv", "classifier")
            for kind in ("weight", "bias")
        }
        x = backbone.features(torch.from_numpy(normalised).float().permute(2, 0, 1)[None])[-1]
        x = torch.conv2d(x, head["head_conv.weight"], head["head_conv.bias"]).clamp(0, 6)
        x = x.mean(dim=(2, 3), keepdim=True)
        scores = torch.conv2d(x, head["classifier.weight"], head["classifier.bias"]).flatten()
    assert scores.argmax() == MILITARY_UNIFORM
    assert scores.softmax(0).max() > 0.5
