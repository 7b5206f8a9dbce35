"""New weights for an active mesh_node, over DDS: each image is answered, each answer comes
from one model, and a failed update keeps the old weights."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from rcl_interfaces.srv import GetParameters
from rclpy.parameter import Parameter

from icl_mesh import Camera, Estimator
from icl_mesh_ros.inputs.conversions import image_from_rgb
from icl_mesh_ros.msg import Human
from icl_mesh_ros.nodes.mesh_node import MeshNode
from icl_mesh_ros.pipeline.model_store import ModelStore
from icl_mesh_ros.srv import UpdateModel

UPDATE = "mesh_node/update_model"


@pytest.fixture
def node(start, mesh_peer, random_weights):
    # Reliable, and one image after the other: each must be answered.
    node = start(
        "mesh_node", weights=str(random_weights), engine="torch", image_reliability="reliable"
    )
    mesh_peer.wait_for_node()
    return node


def test_weights_change_between_two_images(node, mesh_peer, random_weights, make_weights):
    peer = mesh_peer
    other = make_weights(seed=1)
    models = {}
    for path in (random_weights, other):
        model = Estimator.load(path, engine="torch", device="cpu")
        models[model.weights_version] = model
    before, after = models
    picture = peer.picture()
    rgb = np.frombuffer(picture.data, np.uint8).reshape(48, 64, 3)
    scores = {
        version: model(rgb, Camera.assumed(64, 48)).score for version, model in models.items()
    }

    shown = [before]

    def answer() -> str:
        """The answer to the same image with a new stamp, sent once, and its weights version."""
        image = image_from_rgb(rgb, peer.picture().header)
        peer.image.publish(image)
        peer.until(lambda: peer.answer(image), "an answer to every image")
        people = peer.answer(image)
        if people.weights_version != shown[-1]:  # no people of the other model
            assert not any(human.tracking_state == Human.OCCLUDED for human in people.humans)
        shown.append(people.weights_version)
        seen = [human.score for human in people.humans if human.tracking_state != Human.OCCLUDED]
        np.testing.assert_allclose(seen, scores[people.weights_version], atol=1e-4)
        return people.weights_version

    versions = [answer()]
    future = peer.ask(UpdateModel, UPDATE, weights=str(other))
    while not future.done():
        versions.append(answer())
    response = future.result()
    assert response.success, response.message
    assert response.message == f"{before} -> {after}"
    assert response.weights_version == after
    assert answer() == after
    assert versions == sorted(versions, key=[before, after].index)  # one change, no way back
    assert versions[0] == before
    # The body model message, the parameter and /diagnostics have the new weights.
    peer.until(lambda: peer.body_models[-1].weights_version == after, "the body model again")
    values = peer.call(GetParameters, "mesh_node/get_parameters", names=["weights"]).values
    assert values[0].string_value == str(other)

    # The same path with another content is another model.
    other.write_bytes(random_weights.read_bytes())
    assert peer.set_parameter("weights", str(other)).successful
    assert answer() == before
    assert node.ended() is None


def spoiled(network) -> None:
    """A network after a diverged training."""
    for parameter in network.parameters():
        parameter.data.fill_(float("nan"))


def test_a_failed_update_says_why_and_keeps_the_old_weights(
    node, mesh_peer, random_weights, make_weights, tmp_path
):
    peer = mesh_peer
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(random_weights.read_bytes()[:5000])
    text = tmp_path / "text.safetensors"
    text.write_text("weights")
    before = peer.answer_to(peer.picture()).weights_version
    refused = {
        "none.safetensors": "none.safetensors: no such weights file",
        "": "no such weights file",
        str(cut): str(cut),
        str(text): str(text),
        str(make_weights(spoil=spoiled)): "not finite",
    }
    for weights, why in refused.items():
        response = peer.call(UpdateModel, UPDATE, weights=weights)
        assert not response.success
        assert why in response.message
        assert response.weights_version == before
        result = peer.set_parameter("weights", weights)
        assert (result.successful, result.reason) == (False, response.message)
        assert peer.answer_to(peer.picture()).weights_version == before
    values = peer.call(GetParameters, "mesh_node/get_parameters", names=["weights"]).values
    assert values[0].string_value == str(random_weights)
    assert {model.weights_version for model in peer.body_models} == {before}

    # Only a configured node can change its model.
    assert peer.transition("deactivate")
    assert peer.call(UpdateModel, UPDATE, weights=str(random_weights)).success
    assert peer.transition("cleanup")
    response = peer.call(UpdateModel, UPDATE, weights=str(random_weights))
    assert (response.success, response.weights_version) == (False, "")
    assert "not configured" in response.message


class _BrokenLater(ModelStore):
    """A store that raises an unexpected exception."""

    broken = False

    def load(self, *names: str):
        if self.broken:
            raise LookupError("an error of a library's own")
        return super().load(*names)


def test_an_unexpected_error_is_answered(ros, random_weights):
    """In rclpy it would leave spin and end the process."""
    models = _BrokenLater()
    given = {"weights": str(random_weights), "engine": "torch", "device": "cpu"}
    node = MeshNode(
        models=models, parameter_overrides=[Parameter(k, value=v) for k, v in given.items()]
    )
    try:
        models.broken = True
        (result,) = node.set_parameters([Parameter("weights", value="other.safetensors")])
        assert not result.successful
        assert "LookupError: an error of a library's own" in result.reason
        assert node.get_parameter("weights").value == str(random_weights)
    finally:
        node.destroy_node()


class _SlowLater(ModelStore):
    """A store whose models, once it is slow, arrive when they are released."""

    slow = False

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def load(self, *names: str):
        if self.slow:
            assert self.released.wait(60.0)
        return super().load(*names)


@pytest.fixture
def limited(ros, random_weights, make_weights, tmp_path):
    """Makes a node with a weights_folder and other parameters, and a valid weights file."""
    nodes = []
    (tmp_path / "weights").mkdir()
    first, second = tmp_path / "weights" / "a.safetensors", tmp_path / "weights" / "b.safetensors"
    first.write_bytes(random_weights.read_bytes())
    second.write_bytes(make_weights(seed=1).read_bytes())

    def make(models=None, **given):
        given |= {"weights": str(first), "engine": "torch", "device": "cpu"}
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        nodes.append(MeshNode(models=models, parameter_overrides=overrides))
        return nodes[-1], first, second

    yield make
    for node in nodes:
        node.destroy_node()


def asked(node, weights) -> UpdateModel.Response:
    request = UpdateModel.Request(weights=str(weights))
    return node._on_update_model(request, UpdateModel.Response())


def test_weights_outside_of_their_folder_are_refused_both_ways(limited, tmp_path):
    node, _, second = limited(weights_folder=str(tmp_path / "weights"))
    (tmp_path / "outside.safetensors").write_bytes(second.read_bytes())
    (tmp_path / "weights" / "link.safetensors").symlink_to("../outside.safetensors")
    for path in (tmp_path / "outside.safetensors", "../outside.safetensors", "link.safetensors"):
        response = asked(node, path)
        assert not response.success
        assert "lie outside of weights_folder" in response.message
        (result,) = node.set_parameters([Parameter("weights", value=str(path))])
        assert (result.successful, result.reason) == (False, response.message)
    (result,) = node.set_parameters([Parameter("weights_folder", value="")])
    assert not result.successful  # the limit cannot be changed
    assert asked(node, "b.safetensors").success


def test_a_node_whose_own_weights_lie_outside_does_not_start(limited, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="lie outside of weights_folder"):
        limited(weights_folder=str(tmp_path / "empty"))


def test_a_load_that_takes_too_long_is_given_up_and_the_old_weights_stay(limited):
    models = _SlowLater()
    node, _, second = limited(models, update_time_limit=0.2)
    before = node._loaded.model.weights_version
    models.slow = True
    response = asked(node, second)  # before the load ends
    assert (response.success, response.weights_version) == (False, before)
    assert "not loaded within 0.2 s (update_time_limit)" in response.message
    assert "an earlier load, given up before, still runs" in asked(node, second).message
    models.released.set()
    node._time_limit._running.join()
    assert node._loaded.model.weights_version == before


def test_updates_can_be_refused_and_limited_in_memory(limited):
    node, _, second = limited(update_time_limit=0.0)
    assert "update_time_limit is 0, so weights are not changed" in asked(node, second).message
    node, _, second = limited(update_memory_limit=50.0)
    message = asked(node, second).message
    assert "MB to load, update_memory_limit allows 50 MB" in message
