"""A widened SMPL branch keeps its output, and learns."""

from __future__ import annotations

import pytest
import torch

from icl_mesh.network import build_network
from icl_mesh_training.training.widening import widen_smpl_branch


def test_the_wide_network_gives_the_same_maps_and_all_of_it_can_learn() -> None:
    torch.manual_seed(0)
    narrow = build_network("mobilenet_v2", head_width=0.25)
    for module in narrow.modules():  # batch norms that are not the identity
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.3, 0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    narrow.eval()
    torch.nn.init.normal_(narrow.smpl_branch.merge[-1].weight)
    wide = widen_smpl_branch(narrow, 0.75)
    assert wide.config == {"architecture": "mobilenet_v2", "head_width": 0.25, "smpl_width": 0.75}
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        for before, after in zip(narrow(images), wide(images), strict=True):
            torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)

    wide.train()(images).smpl.square().mean().backward()
    last = wide.smpl_branch.merge[-1].weight.grad
    new_channels = [*range(16, 48), *range(48 + 16, 96)]
    assert (last[:, new_channels].abs().sum(dim=(0, 2, 3)) > 0).float().mean() > 0.9


def test_a_branch_is_only_widened() -> None:
    narrow = build_network("mobilenet_v2", head_width=0.5)
    with pytest.raises(ValueError, match=r"smpl_width must be above the network's 0\.5, got 0\.25"):
        widen_smpl_branch(narrow, 0.25)
