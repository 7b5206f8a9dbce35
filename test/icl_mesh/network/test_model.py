"""The assembled network against Table 1, the paper's counts and its own interface."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from icl_mesh.geometry.rotation import matrix_from_6d
from icl_mesh.network import BACKBONES, NetworkMaps, build_network
from icl_mesh.network.model import absolute_camera


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameter_counts_of_the_paper() -> None:
    # Supplementary, 2.1: 35.6 M and 3.1 M without the backbone; with the 142 channels of Table 1
    # the public release's count becomes 35.65 = 32.55 + 3.10.
    net = build_network("resnet50")
    assert count(net) / 1e6 == pytest.approx(35.65, abs=0.01)
    assert count(net.backbone) / 1e6 == pytest.approx(32.55, abs=0.01)
    assert (count(net) - count(net.backbone)) / 1e6 == pytest.approx(3.10, abs=0.01)


def conv_block(inputs: int, outputs: int) -> int:
    return 9 * inputs * outputs + outputs + 2 * outputs


def res_block(channels: int) -> int:
    return 2 * (9 * channels * channels + 2 * channels)


def last(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def test_branches_are_those_of_table_1() -> None:
    net = build_network("hrnet_w32")  # the backbone whose C_in Table 1 prints: 32 + 2
    plain = conv_block(34, 64) + 2 * res_block(64)
    assert count(net.center_branch) == plain + last(64, 1)
    assert count(net.joint_branch) == plain + last(64, 24)
    assert count(net.camera_branch) == plain + last(64, 3)
    instance = conv_block(34, 128) + res_block(128) + conv_block(128 + 1 + 24, 128)
    instance += res_block(128) + last(128, 64)
    assert count(net.center_instance_branch) == instance
    assert count(net.joint_instance_branch) == instance
    smpl = conv_block(34, 64) + conv_block(64 + 1 + 64, 64) + conv_block(64 + 24 + 64, 64)
    assert count(net.smpl_branch) == smpl + 2 * res_block(128) + last(128, 142)
    assert count(net.center_projector) == count(net.joint_projector) == 3 * 64 * 64


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("side", [256, 384, 512])
def test_map_shapes(name: str, side: int) -> None:
    net = build_network(name, head_width=0.25).eval()
    with torch.inference_mode():
        maps = net(torch.zeros(1, 3, side, side))
    cells = side // 8
    assert isinstance(maps, NetworkMaps)
    assert [tuple(x.shape) for x in maps] == [
        (1, channels, cells, cells) for channels in (1, 24, 3, 64, 64, 142)
    ]
    assert all(x.dtype == torch.float32 for x in maps)


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    torch.manual_seed(0)
    net = build_network(name, head_width=0.25)
    maps = net(torch.randn(2, 3, 64, 64))
    loss = sum((x * torch.randn_like(x)).sum() for x in maps)
    center, joint = maps.center_instance.movedim(1, -1), maps.joint_instance.movedim(1, -1)
    loss = loss + (net.project_center(center) * net.project_joint(joint)).sum()
    loss.backward()
    # A convolution's bias just before a batch norm is cancelled by it: its gradient is rounding.
    cancelled = {
        f"{block}.0.bias"
        for block, module in net.named_modules()
        if isinstance(module, nn.Sequential)
        and [type(layer) for layer in list(module)[:2]] == [nn.Conv2d, nn.BatchNorm2d]
    }
    checked = 0
    for parameter_name, parameter in net.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter_name in cancelled or parameter.grad.any(), parameter_name
        checked += 1
    assert checked == len(list(net.parameters())) > 150


def test_a_person_of_equal_pixels_is_the_same_at_every_input_size() -> None:
    """At twice the input size the same pixels are half the share of the square (8 px a cell)."""
    answer = torch.tensor([0.5, 0.1, -0.2])[None, :, None, None]
    small = absolute_camera(answer.expand(1, 3, 32, 32))
    large = absolute_camera(answer.expand(1, 3, 64, 64))
    assert small[0, 0, 0, 0].item() == pytest.approx(0.5)
    pixels_per_metre = [(1.1 ** m[0, 0, 0, 0] / 2 * 8 * m.shape[-1]).item() for m in (small, large)]
    assert pixels_per_metre[0] == pytest.approx(pixels_per_metre[1], rel=1e-5)
    # The root in pixels; the corner cell's centre is at 4 px.
    for maps, side in ((small, 256), (large, 512)):
        root_px = (maps[0, 1:, 0, 0] + 1) / 2 * side
        assert (root_px - 4).tolist() == pytest.approx([0.1 * 128, -0.2 * 128], rel=1e-4)


def test_first_estimates() -> None:
    torch.manual_seed(0)
    maps = build_network("mobilenet_v2", head_width=0.5)(torch.randn(2, 3, 128, 128))
    # CenterNet's start: probability 0.1.
    assert maps.center_heatmap.mean().item() == pytest.approx(0.1, abs=0.02)
    assert maps.joint_heatmaps.mean().item() == pytest.approx(0.1, abs=0.02)
    # 0.45 of a 256-pixel square per metre, which is all but the whole of a 128-pixel one.
    assert (1.1 ** maps.camera[:, 0]).mean().item() == pytest.approx(1.8, abs=0.2)
    # The root starts in the centre of its cell: 16 cells of 1/8 over [-1, 1].
    middles = torch.linspace(-0.9375, 0.9375, 16)
    assert (maps.camera[:, 1] - middles[None, None, :]).abs().max() < 0.3
    assert (maps.camera[:, 2] - middles[None, :, None]).abs().max() < 0.3
    mean = maps.smpl.mean(dim=(0, 2, 3))
    rotations = matrix_from_6d(mean[:132].view(22, 6))
    # Body: y up, facing +z. Camera: y down, z forward. Head up is -y, facing the camera is -z.
    torch.testing.assert_close(
        rotations[0] @ torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.0, -1, 0]), atol=0.2, rtol=0
    )
    torch.testing.assert_close(
        rotations[0] @ torch.tensor([0.0, 0.0, 1.0]), torch.tensor([0.0, 0, -1]), atol=0.2, rtol=0
    )
    torch.testing.assert_close(rotations[1:], torch.eye(3).expand(21, 3, 3), atol=0.2, rtol=0)
    assert mean[132:].abs().max() < 0.2


def test_heatmaps_are_inputs_of_the_instance_branches() -> None:
    """Table 1: C_in 128 + 1 + 24; the heatmaps must reach the instance and SMPL maps."""
    torch.manual_seed(0)
    net = build_network("mobilenet_v2", head_width=0.25).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before = net(images)
        net.joint_branch[-1].bias += 3
        after = net(images)
    for name in ("joint_heatmaps", "center_instance", "joint_instance", "smpl"):
        assert not torch.allclose(getattr(before, name), getattr(after, name)), name
    for name in ("center_heatmap", "camera"):
        torch.testing.assert_close(getattr(before, name), getattr(after, name))


def test_config_makes_the_network_again() -> None:
    net = build_network("mobilenet_v2", head_width=0.5)
    assert net.config == {
        "architecture": "mobilenet_v2",
        "head_width": 0.5,
        "smpl_width": 0.5,
    }
    again = build_network(str(net.config["architecture"]), float(net.config["head_width"]))
    again.load_state_dict(net.state_dict(), strict=True)


def test_default_network_file_stays_small() -> None:
    net = build_network("mobilenet_v2", head_width=0.5)
    size = sum(x.numel() * x.element_size() for x in net.state_dict().values())
    assert size < 25e6


def test_bfloat16_autocast_and_channels_last() -> None:
    torch.manual_seed(0)
    net = build_network("mobilenet_v2", head_width=0.5).eval()
    images = torch.randn(1, 3, 128, 128)
    with torch.inference_mode():
        expected = net(images)
        net.to(memory_format=torch.channels_last)
        swapped = net(images.to(memory_format=torch.channels_last))
        with torch.autocast("cpu", torch.bfloat16):
            rough = net(images)
    for a, b, c in zip(expected, swapped, rough, strict=True):
        torch.testing.assert_close(b, a, atol=1e-4, rtol=1e-4)
        assert c.dtype == torch.float32
        torch.testing.assert_close(c, a, atol=0.05, rtol=0.05)


@pytest.mark.slow
def test_exports_as_a_static_graph() -> None:
    net = build_network("mobilenet_v2", head_width=0.125).eval()
    images = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        expected = net(images)
        exported = torch.export.export(net, (images,)).module()(images)
        with warnings.catch_warnings():  # it bakes the size in and says so
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            traced = torch.jit.trace(net, images)(images)
    for a, b, c in zip(expected, exported, traced, strict=True):
        torch.testing.assert_close(b, a)
        torch.testing.assert_close(c, a)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 64, 64), r"takes images \[B, 3, S, S\], got shape \(3, 64, 64\)"),
        ((1, 1, 64, 64), r"takes images \[B, 3, S, S\], got shape \(1, 1, 64, 64\)"),
        ((1, 3, 64, 96), r"square images, got 96x64 \(width x height\); letterbox them first"),
        ((1, 3, 80, 80), "side must be a multiple of 32, got 80"),
        ((1, 3, 0, 0), "side must be a multiple of 32, got 0"),
    ],
)
def test_refuses_other_image_shapes(shape: tuple[int, ...], message: str) -> None:
    net = build_network("mobilenet_v2", head_width=0.125)
    with pytest.raises(ValueError, match=message):
        net(torch.zeros(shape))


def test_refuses_bytes() -> None:
    net = build_network("mobilenet_v2", head_width=0.125)
    with pytest.raises(ValueError, match=r"floating-point images, got torch\.uint8"):
        net(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))


def test_refuses_unknown_backbones_and_widths() -> None:
    with pytest.raises(ValueError, match="'vgg'; known are resnet50, hrnet_w32, mobilenet_v2"):
        build_network("vgg")
    for width in (0.1, 2.5, float("nan")):
        with pytest.raises(ValueError, match=r"head_width must lie in \[0\.125, 2\]"):
            build_network("resnet50", head_width=width)
    assert count(build_network("mobilenet_v2", head_width=2.0).smpl_branch) > 2.6e6
