"""A small network, images for it, and a cache folder per test."""

import numpy as np
import pytest
import torch

from icl_mesh.network import build_network

SIZE = 64


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = build_network("mobilenet_v2", head_width=0.125)
    for module in network.modules():  # statistics as after training, which engines fold away
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    torch.nn.init.normal_(network.smpl_branch.merge[-1].weight, std=0.5)
    return network.eval()


@pytest.fixture
def places():
    """Images and cells (x, y) of seven people in three images: corners, edges, centre."""
    image = np.array([0, 2, 1, 1, 0, 2, 0])
    cell = np.array([[0, 0], [7, 0], [0, 7], [7, 7], [3, 0], [4, 5], [6, 2]])
    return image, cell


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ICL_MESH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def images():
    return torch.randn(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
