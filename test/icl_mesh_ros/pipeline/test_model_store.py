"""Models are shared, tested, released."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest
import torch

from icl_mesh.estimator import Estimator
from icl_mesh.geometry.camera import Camera
from icl_mesh.network import build_network
from icl_mesh.weights import save_weights
from icl_mesh_ros.pipeline.model_store import ModelStore, SharedModel, memory_mb, release_memory

CPU = torch.device("cpu")


@pytest.fixture
def weights(tmp_path, body):
    torch.manual_seed(0)
    path = tmp_path / "random.safetensors"
    metadata = {"input_size": 64, "body": body.name, "threshold": 0.02}
    save_weights(path, build_network("mobilenet_v2", head_width=0.25), metadata)
    return path


def load(store: ModelStore, weights) -> SharedModel:
    return store.load(str(weights), "default", "cpu", "torch")


def test_a_model_is_shared_as_long_as_it_is_referenced(weights, body):
    store = ModelStore()
    model = load(store, weights)
    assert load(store, weights) is model
    assert load(ModelStore(), weights) is not model
    watched = weakref.ref(model._estimator)
    del model
    gc.collect()
    assert watched() is None


def test_a_file_that_changed_is_another_model(weights):
    store = ModelStore()
    model = load(store, weights)
    weights.write_bytes(weights.read_bytes())
    assert load(store, weights) is not model


def test_a_shared_model_returns_its_estimators_people(weights):
    image = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)
    model, camera = load(ModelStore(), weights), Camera.assumed(64, 48)
    people = model(image, camera, threshold=0.001)
    wanted = Estimator.load(weights, device="cpu", engine="torch")(image, camera, threshold=0.001)
    assert len(people) == len(wanted) >= 1
    np.testing.assert_array_equal(people.joints_m, wanted.joints_m)
    assert people.weights_version == model.weights_version
    assert model.description.startswith(f"weights {model.weights_version}, body ")


def test_calls_of_several_threads_wait_for_each_other():
    inside, most = [0], [0]
    together = threading.Barrier(4)

    class Slow:
        def __call__(self) -> None:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            threading.Event().wait(0.02)
            inside[0] -= 1

    model = SharedModel(Slow())

    def call() -> None:
        together.wait()
        model()

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most[0] == 1


def test_a_network_that_does_not_work_is_refused(weights, tmp_path, body):
    network = build_network("mobilenet_v2", head_width=0.25)
    for parameter in network.parameters():
        parameter.data.fill_(float("nan"))
    broken = tmp_path / "nan.safetensors"
    save_weights(broken, network, {"input_size": 64, "body": body.name})
    with pytest.raises(ValueError, match=r"nan\.safetensors' do not work: .*not finite"):
        load(ModelStore(), broken)
    with pytest.raises(FileNotFoundError, match="no such weights file"):
        load(ModelStore(), tmp_path / "none.safetensors")


def test_memory_is_measured_and_released():
    release_memory(CPU)  # else the block would reuse memory that earlier tests freed
    before = memory_mb(CPU)["process memory (MB)"]
    block = [np.ones(12_500) for _ in range(3000)]  # 300 MB in pieces that glibc would keep
    taken = memory_mb(CPU)["process memory (MB)"] - before
    assert taken > 150
    del block
    release_memory(CPU)
    assert memory_mb(CPU)["process memory (MB)"] - before < taken / 2
