"""Nodes in separate processes, tested over DDS.

DDS is kept to this machine and to a domain of this test process. A machine under load is slow:
the timeouts are long, and no test depends on how long anything takes.
"""

from __future__ import annotations

import importlib.util
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 90.0
RESEND_S = 5.0
WORKSPACE = importlib.util.find_spec("rclpy") is not None and (
    importlib.util.find_spec("icl_mesh_ros.msg") is not None
)
collect_ignore_glob = [] if WORKSPACE else ["*"]
sys.path.insert(0, str(ROOT / "scripts"))  # the demo's NodeProcess


def pytest_report_header() -> str | None:
    if WORKSPACE:
        return None
    return "test/ros: left out, no built workspace is sourced (scripts/setup; . scripts/env)"


def own_domain() -> int:
    """A ROS_DOMAIN_ID of 1 to 100 for this process; the next one is free for a test that needs a
    second. Workers of pytest-xdist are children of the session's process."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if not worker:
        return 1 + os.getpid() % 100
    return 1 + (os.getppid() + 2 * int(worker.removeprefix("gw"))) % 100


@pytest.fixture(scope="session", autouse=True)
def ros() -> Iterator[None]:
    """rclpy, in a private domain with room for images in shared memory."""
    from icl_mesh_ros.launching.dds import profile_variables

    profile = str(ROOT / "config" / "fastdds.xml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(own_domain()))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        for name in profile_variables():
            patch.setenv(name, profile)
        patch.setenv("OMP_NUM_THREADS", "1")
        import rclpy

        rclpy.init()
        yield
        rclpy.try_shutdown()


@pytest.fixture(scope="session")
def make_weights(tmp_path_factory) -> Callable[..., Path]:
    """Writes weights of untrained networks that detect people everywhere: they only exercise the
    transport. spoil: changes the network before it is saved."""
    import torch

    from icl_mesh.body import BodyModel
    from icl_mesh.network import build_network
    from icl_mesh.weights import save_weights

    def make(
        seed: int = 0,
        backbone: str = "mobilenet_v2",
        head_width: float = 0.25,
        input_size: int = 128,
        spoil: Callable = lambda network: None,
    ) -> Path:
        torch.manual_seed(seed)
        path = tmp_path_factory.mktemp("weights") / f"random{seed}.safetensors"
        network = build_network(backbone, head_width=head_width)
        spoil(network)
        metadata = {"input_size": input_size, "body": BodyModel.load().name, "threshold": 0.02}
        save_weights(path, network, metadata)
        return path

    return make


@pytest.fixture(scope="session")
def random_weights(make_weights) -> Path:
    return make_weights()


@pytest.fixture
def start(tmp_path):
    """Start a node of the package; it is stopped after the test."""
    from demo_lib.processes import NodeProcess

    started = []

    def start(name: str, **parameters) -> NodeProcess:
        process = NodeProcess(name, parameters, tmp_path / f"{name}{len(started)}.log")
        started.append(process)
        return process

    yield start
    for process in started:
        process.stop()


@pytest.fixture
def peer(ros) -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.node.destroy_node()


class Peer:
    """The test's node, which uses the tested node's topics and services."""

    def __init__(self, namespace: str = "") -> None:
        import rclpy

        self.node = rclpy.create_node("test_peer", namespace=namespace)
        self.clients: dict = {}

    def listen(self, kind: type, topic: str, qos: object = 20, **options) -> list:
        """Subscribe; returns the list that fills while this peer waits for something."""
        messages: list = []
        self.node.create_subscription(kind, topic, messages.append, qos, **options)
        return messages

    def until(self, done: Callable[[], object], what: str, timeout_s: float = TIMEOUT_S) -> None:
        """Spin until done() is true; fails the test with `what` after the timeout."""
        import rclpy

        end = time.monotonic() + timeout_s
        while not done():
            assert time.monotonic() < end, f"{what}: did not happen in {timeout_s:g} s"
            rclpy.spin_once(self.node, timeout_sec=0.05)

    def spin_for(self, seconds: float) -> None:
        import rclpy

        end = time.monotonic() + seconds
        while time.monotonic() < end:
            rclpy.spin_once(self.node, timeout_sec=0.05)

    def ask(self, kind: type, service: str, **request):
        """Call a service; returns a future, which is done while this peer waits for something."""
        client = self.clients.get(service)
        if client is None:
            client = self.clients[service] = self.node.create_client(kind, service)
        self.until(client.service_is_ready, f"the service {service}")
        return client.call_async(kind.Request(**request))

    def call(self, kind: type, service: str, **request):
        """Call a service and wait for its response."""
        future = self.ask(kind, service, **request)
        self.until(future.done, f"an answer of {service}")
        return future.result()

    def set_parameter(self, name: str, value: object, node: str = "mesh_node"):
        """Returns rcl_interfaces/SetParametersResult."""
        from rcl_interfaces.srv import SetParameters
        from rclpy.parameter import Parameter

        message = Parameter(name, value=value).to_parameter_msg()
        service = f"{node}/set_parameters"
        return self.call(SetParameters, service, parameters=[message]).results[0]

    def transition(self, label: str = "", number: int = 0, node: str = "mesh_node") -> bool:
        """Ask for a lifecycle transition, by label or number; returns whether it succeeded."""
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        wanted = Transition(id=number, label=label)
        return self.call(ChangeState, f"{node}/change_state", transition=wanted).success

    def state(self, node: str = "mesh_node") -> str:
        from lifecycle_msgs.srv import GetState

        return self.call(GetState, f"{node}/get_state").current_state.label


class MeshPeer(Peer):
    """The camera and the planner of a mesh_node, in its namespace."""

    def __init__(self, namespace: str = "") -> None:
        from rclpy.qos import DurabilityPolicy, QoSProfile
        from sensor_msgs.msg import CameraInfo, Image

        from icl_mesh_ros.msg import BodyModel, HumanArray

        super().__init__(namespace)
        self.image = self.node.create_publisher(Image, "image", 10)
        self.info = self.node.create_publisher(CameraInfo, "camera_info", 10)
        self.humans = self.listen(HumanArray, "humans")
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.body_models = self.listen(BodyModel, "humans/body_model", latched)
        self.frame = 0

    def wait_for_node(self) -> None:
        """Until mesh_node has loaded its weights and its subscriptions are matched."""
        self.until(lambda: self.body_models, "mesh_node's body model")
        self.until(self.image.get_subscription_count, "mesh_node subscribes to image")
        self.until(self.info.get_subscription_count, "mesh_node subscribes to camera_info")

    def picture(self, size: tuple[int, int] = (64, 48)):
        """A new noise image (rgb8) with a unique stamp."""
        from builtin_interfaces.msg import Time
        from std_msgs.msg import Header

        from icl_mesh_ros.inputs.conversions import image_from_rgb

        self.frame += 1
        rgb = np.random.default_rng(self.frame).integers(0, 256, (size[1], size[0], 3), np.uint8)
        stamp = Time(sec=1000 + self.frame // 10, nanosec=self.frame % 10 * 100_000_000)
        return image_from_rgb(rgb, Header(stamp=stamp, frame_id="test_optical_frame"))

    def answer_to(self, image):
        """Publish an image until its people arrive: best effort may lose an image."""
        sent_at = -math.inf

        def answered() -> bool:
            nonlocal sent_at
            if time.monotonic() - sent_at > RESEND_S:
                sent_at = time.monotonic()
                self.image.publish(image)
            return self.answer(image) is not None

        self.until(answered, "people for the image")
        return self.answer(image)

    def answer(self, image):
        return next((m for m in self.humans if m.header.stamp == image.header.stamp), None)


@pytest.fixture
def mesh_peers(ros) -> Iterator[Callable[..., MeshPeer]]:
    """Makes MeshPeers, one per namespace."""
    peers: list[MeshPeer] = []

    def make(namespace: str = "") -> MeshPeer:
        peers.append(MeshPeer(namespace))
        return peers[-1]

    yield make
    for peer in peers:
        peer.node.destroy_node()


@pytest.fixture
def mesh_peer(mesh_peers) -> MeshPeer:
    return mesh_peers()
