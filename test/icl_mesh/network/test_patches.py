"""The SMPL branch at single cells against its dense map."""

from __future__ import annotations

import pytest
import torch

from icl_mesh.network import IclMeshNetwork, build_network
from icl_mesh.network.patches import cut_patches

SIDE = 160
CELLS = SIDE // 8


def trained(name: str, head_width: float, smpl_width: float | None = None) -> IclMeshNetwork:
    """A network with statistics as after training: no layer's output is centred, and the last one
    is not near its bias."""
    torch.manual_seed(0)
    network = build_network(name, head_width, smpl_width)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.normal_(module.bias, std=0.3)
    torch.nn.init.normal_(network.smpl_branch.merge[-1].weight, std=0.5)
    return network.eval()


def all_cells(images: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Every cell (x, y) of a map, of each of the images."""
    y, x = torch.meshgrid(torch.arange(CELLS), torch.arange(CELLS), indexing="ij")
    cells = torch.stack((x.flatten(), y.flatten()), dim=1)
    return torch.arange(images).repeat_interleave(len(cells)), cells.repeat(images, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "head_width", "smpl_width"),
    [("mobilenet_v2", 0.25, None), ("movenet", 0.25, 0.5), ("resnet50", 0.125, None)],
)
def test_every_cell_is_that_of_the_dense_map(name, head_width, smpl_width) -> None:
    network = trained(name, head_width, smpl_width)
    images = torch.randn(2, 3, SIDE, SIDE)
    image, cell = all_cells(2)
    with torch.inference_mode():
        dense = network(images)
        maps = network.inference_maps(images)
        found = network.smpl_at(maps, image, cell)
    for field in maps._fields[:5]:
        assert torch.equal(getattr(maps, field), getattr(dense, field)), field
    channels = network.backbone.out_channels + 2
    assert maps.features.shape == (2, channels, SIDE // 4, SIDE // 4)
    assert found.shape == (2 * CELLS * CELLS, 142) and found.dtype == torch.float32
    wanted = dense.smpl[image, :, cell[:, 1], cell[:, 0]]
    assert wanted.std(dim=0).min() > 0.05  # every channel differs from cell to cell
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_a_patch_holds_all_that_a_cell_depends_on_and_no_more() -> None:
    """By the dense map's gradient: it reaches each border of the patch and not beyond."""
    network = trained("mobilenet_v2", 0.25)
    maps = network.inference_maps(torch.randn(1, 3, SIDE, SIDE))
    features = maps.features.detach().requires_grad_()
    hints = [one.detach() for one in (*maps[:2], maps.center_instance, maps.joint_instance)]
    network.smpl_branch(features, *hints)[0, :, 9, 10].square().sum().backward()
    y, x = features.grad[0].abs().sum(dim=0).nonzero().T
    patches = cut_patches(maps, torch.tensor([0]), torch.tensor([[10, 9]]))
    first_x, first_y = 2 * (10 - 5) - 1, 2 * (9 - 5) - 1
    assert (int(x.min()), int(y.min())) == (first_x, first_y)
    assert (int(x.max()), int(y.max())) == (first_x + 22, first_y + 22)
    wanted = maps.features[0, :, first_y : first_y + 23, first_x : first_x + 23]
    assert torch.equal(patches.features[0], wanted)


def test_nobody() -> None:
    network = trained("mobilenet_v2", 0.25)
    none = torch.zeros(0, dtype=torch.int64)
    with torch.inference_mode():
        maps = network.inference_maps(torch.randn(1, 3, SIDE, SIDE))
        assert network.smpl_at(maps, none, none.view(0, 2)).shape == (0, 142)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_lower_precision_gives_float32(kind) -> None:
    network = trained("mobilenet_v2", 0.25)
    images = torch.randn(1, 3, SIDE, SIDE)
    image, cell = all_cells(1)
    with torch.inference_mode():
        wanted = network.smpl_at(network.inference_maps(images), image, cell)
        network.to(kind)
        maps = network.inference_maps(images.to(kind))
        found = network.smpl_at(maps, image, cell)
    assert {one.dtype for one in (*maps, found)} == {torch.float32}
    torch.testing.assert_close(found, wanted, atol=0.1, rtol=0.1)
