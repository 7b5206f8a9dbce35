"""An exception in a callback does not end the process: it is logged, and the node continues."""

from __future__ import annotations

import time

import pytest
import rclpy
from builtin_interfaces.msg import Time
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock

from icl_mesh_ros.nodes.camera_node import CameraNode
from icl_mesh_ros.nodes.mesh_node import THREADS_PER_NODE, MeshNode
from icl_mesh_ros.nodes.rclpy_inside import OneThreadExecutor, QuietExecutor

SAID = "nobody foresaw this"


def fail(*_):
    raise LookupError(SAID)


class _Log:
    """Stands in for a node's logger."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def error(self, line: str) -> None:
        self.lines.append(line)

    info = warning = error


def spin(executor, other, until, timeout_s: float = 60.0) -> None:
    """Spin both executors until `until()`; an exception out of the first one fails the test."""
    end = time.monotonic() + timeout_s
    while not until():
        assert time.monotonic() < end, "it did not happen"
        executor.spin_once(timeout_sec=0.02)
        other.spin_once(timeout_sec=0.02)


@pytest.fixture
def other(ros):
    """A node in its own context, as in another process, with its executor."""
    node, executor = rclpy.create_node("other"), SingleThreadedExecutor()
    executor.add_node(node)
    yield node, executor
    node.destroy_node()
    executor.shutdown()


@pytest.fixture
def mesh_node(random_weights):
    given = {"weights": str(random_weights), "engine": "torch", "device": "cpu", "use_depth": True}
    given |= {"image_reliability": "reliable", "use_sim_time": True}
    node = MeshNode(parameter_overrides=[Parameter(name, value=v) for name, v in given.items()])
    yield node
    node.destroy_node()


@pytest.fixture
def camera_node(tmp_path, monkeypatch):
    import cv2
    import numpy as np

    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.zeros((48, 64, 3), np.uint8))
    given = [Parameter("source", value=str(photo)), Parameter("loop", value=True)]
    given.append(Parameter("lockstep", value=True))
    make = rclpy.node.Node.__init__
    monkeypatch.setattr(
        rclpy.node.Node,
        "__init__",
        lambda self, name, **options: make(self, name, parameter_overrides=given, **options),
    )
    node = CameraNode()
    monkeypatch.undo()
    yield node
    node.destroy_node()


def entities(node) -> dict[str, object]:
    """All entities of a node that have a callback."""
    found = {f"topic {one.topic_name}": one for one in node.subscriptions}
    found |= {f"service {one.service_name}": one for one in node.services}
    return found | {f"timer {number}": one for number, one in enumerate(node.timers)}


@pytest.mark.parametrize(
    ("name", "make", "least"),
    [
        ("mesh_node", lambda: QuietExecutor(THREADS_PER_NODE), 18),
        ("camera_node", OneThreadExecutor, 9),
    ],
)
def test_an_exception_in_each_callback(name, make, least, request, other, monkeypatch):
    node, (peer, peer_executor) = request.getfixturevalue(name), other
    log = _Log()
    monkeypatch.setattr(node, "get_logger", lambda: log)
    callbacks = {kind: entity.callback for kind, entity in entities(node).items()}
    assert len(callbacks) >= least
    reached = set()
    for kind, entity in entities(node).items():

        def failing(*_, kind=kind):
            reached.add(kind)
            raise LookupError(SAID)

        failing.__qualname__ = kind  # the log tells timers apart by their callbacks
        if kind.startswith("topic"):
            entity.callback = lambda message, failing=failing: failing()
        else:
            entity.callback = failing
    executor = make()
    executor.add_node(node)
    publishers = [
        (peer.create_publisher(one.msg_type, one.topic_name, 10), one.msg_type)
        for one in node.subscriptions
    ]
    clients = [(peer.create_client(one.srv_type, one.service_name), one) for one in node.services]
    spin(executor, peer_executor, lambda: all(one.service_is_ready() for one, _ in clients))
    futures = [one.call_async(service.srv_type.Request()) for one, service in clients]

    def all_failed() -> bool:
        for publisher, kind in publishers:
            publisher.publish(kind())
        return reached >= set(callbacks) and all(future.done() for future in futures)

    spin(executor, peer_executor, all_failed)
    # Each exception is logged once with its traceback; each request is answered.
    spin(executor, peer_executor, lambda: len(log.lines) >= len(callbacks))
    for kind in callbacks:
        if not kind.startswith("timer"):
            assert sum(kind + ":" in line and "Traceback" in line for line in log.lines) == 1, kind
    assert sum(line.count("Traceback") for line in log.lines) == len(callbacks)
    assert all(SAID in line for line in log.lines)
    for future, (_, service) in zip(futures, clients, strict=True):
        assert isinstance(future.result(), service.srv_type.Response)
    # The node works again without the fault.
    (client, service) = next(pair for pair in clients if "list_parameters" in pair[1].service_name)
    service.callback = callbacks[f"service {service.service_name}"]
    again = client.call_async(service.srv_type.Request())
    spin(executor, peer_executor, again.done)
    assert "source" in again.result().result.names or "weights" in again.result().result.names
    executor.shutdown()


def test_an_image_and_a_clock_from_before_1970(start, mesh_peer, random_weights):
    """rclpy raises when it converts them to a Time, also in its own callback for /clock."""
    node = start(
        "mesh_node",
        weights=str(random_weights),
        engine="torch",
        image_reliability="reliable",
        use_sim_time=True,
    )
    mesh_peer.wait_for_node()
    clock = mesh_peer.node.create_publisher(Clock, "/clock", 10)

    def logged(text: str) -> bool:
        clock.publish(Clock(clock=Time(sec=-1)))
        mesh_peer.spin_for(0.2)
        return text in node.log.read_text()

    mesh_peer.until(lambda: logged("topic /clock: a callback failed"), "the clock in the log")
    image = mesh_peer.picture()
    image.header.stamp = Time(sec=-1)
    assert len(mesh_peer.answer_to(image).humans) >= 1
    said = (
        "images on '/image' are stamped before 1970 (-1 s): the driver should set the stamp right"
    )
    mesh_peer.until(lambda: logged(said), "the stamp in the log")

    # A parameter of a type that does not exist: ValueError in rclpy's own service.
    value = ParameterValue(type=99)
    asked = [ParameterMessage(name="smoothing", value=value)]
    mesh_peer.call(SetParameters, "mesh_node/set_parameters", parameters=asked)
    image = mesh_peer.picture()
    assert mesh_peer.answer_to(image).header == image.header
    assert node.ended() is None
    assert "Traceback" not in node.log.read_text()
