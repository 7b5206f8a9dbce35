"""auto selects the fastest engine that agrees with PyTorch."""

import json
import logging

import pytest
import torch

from icl_mesh.engine import spec
from icl_mesh.engine.choose import choose_engine, map_difference

SIZE = 64  # of the fixture images


class _Fake:
    """An engine with `errors` in maps and bodies, and `steps` as the time of each."""

    def __init__(self, network, errors, steps, clock):
        self.network, self.errors, self.steps, self.clock = network, errors, steps, clock

    def __call__(self, images):
        self.clock[0] += self.steps[0]
        with torch.inference_mode():
            maps = self.network.inference_maps(images)
        return maps._replace(camera=maps.camera + self.errors[0])

    def smpl_at(self, maps, image, cell):
        self.clock[0] += self.steps[1]
        with torch.inference_mode():
            smpl = self.network.smpl_at(maps, torch.from_numpy(image), torch.from_numpy(cell))
        return smpl + self.errors[1]


@pytest.fixture
def choose(network, monkeypatch):
    """({name: (errors, times)}, each of both steps) -> name of the chosen engine, and how many were
    built."""
    clock = [0.0]
    monkeypatch.setattr("icl_mesh.engine.choose.time.perf_counter", lambda: clock[0])

    def run(engines):
        monkeypatch.setattr(
            "icl_mesh.engine.choose.candidates",
            lambda precision, kind: [spec.EngineSpec(name, precision) for name in engines],
        )
        built = []

        def make(chosen):
            built.append(chosen.name)
            errors, steps = engines[chosen.name]
            if errors is None:
                raise LookupError("its library is broken")  # any type of error
            fake = _Fake(network, errors, steps, clock)
            fake.spec = chosen.name
            return fake

        chosen = choose_engine(network, torch.device("cpu"), "f32", SIZE, make)
        return chosen.spec, len(built)

    return run


@pytest.mark.parametrize("errors", [(1.0, 0.0), (0.0, 1.0)])
def test_auto_takes_the_fastest_that_agrees_and_remembers_it(choose, caplog, cache, errors) -> None:
    engines = {
        "torch": ((0, 0), (3.0, 2.0)),
        "onnxruntime": ((1e-4, 1e-4), (2.0, 1.0)),
        "openvino": (errors, (1.0, 0.0)),  # fast and wrong
        "tensorrt": (None, (1.0, 0.0)),  # does not start
    }
    with caplog.at_level(logging.WARNING):
        assert choose(engines) == ("onnxruntime", 5)
    assert "engine openvino:f32 is left out: its maps differ from torch:f32 by" in caplog.text
    assert "engine tensorrt:f32 is left out: its library is broken" in caplog.text
    assert choose(engines) == ("onnxruntime", 1)  # from the record
    (record,) = cache.glob("engine-*.json")
    assert json.loads(record.read_text())["engine"] == "onnxruntime"
    # Damaged, or naming an engine that is not installed: chosen again.
    for text in ("{}", '{"engine": "abacus", "precision": "f32"}'):
        record.write_text(text)
        assert choose(engines) == ("onnxruntime", 5)


def test_auto_counts_the_time_of_both_steps(choose) -> None:
    exact = (0, 0)
    assert choose({"torch": (exact, (1.0, 3.0)), "openvino": (exact, (2.0, 1.0))})[0] == "openvino"


def test_auto_with_torch_alone(choose) -> None:
    assert choose({"torch": ((0, 0), (1.0, 1.0))}) == ("torch", 1)


def test_maps_that_are_not_finite_never_match(network, images) -> None:
    with torch.inference_mode():
        maps = network.inference_maps(images)
    broken = maps._replace(features=torch.full_like(maps.features, torch.nan))
    assert map_difference(broken, maps) == float("inf")
