"""Threads: one for the small operations around the network, the engine's own for the network."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from icl_mesh import Estimator
from icl_mesh.body import BodyModel
from icl_mesh.engine.threads import torch_threads
from icl_mesh.network import build_network


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_the_number_comes_back_after_an_error(three_threads: None) -> None:
    with pytest.raises(ValueError, match="meanwhile"), torch_threads(1):
        assert torch.get_num_threads() == 1
        raise ValueError("meanwhile")
    assert torch.get_num_threads() == 3


def test_only_the_network_uses_several_threads(
    three_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = build_network("mobilenet_v2", 0.125)
    estimator = Estimator(network, BodyModel.load(), input_size=64, threshold=0.01)
    seen: dict[str, int] = {}

    def watched(name: str, function):  # type: ignore[no-untyped-def]
        def call(*arguments, **named):  # type: ignore[no-untyped-def]
            seen[name] = torch.get_num_threads()
            return function(*arguments, **named)

        return call

    for name in ("inference_maps", "smpl_at"):
        monkeypatch.setattr(network, name, watched(name, getattr(network, name)))
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    assert len(estimator(image)) > 0
    assert seen == {"inference_maps": 3, "smpl_at": 3}
    assert torch.get_num_threads() == 3
