"""mesh_node as a managed node, over DDS: legal and illegal transitions, memory, shutdown."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from rcl_interfaces.msg import Log
from rclpy.serialization import deserialize_message
from visualization_msgs.msg import Marker, MarkerArray


def facts_in_state(peer, statuses: list, state: str) -> dict[str, str]:
    """The next /diagnostics of a node in this state, as pairs."""
    statuses.clear()
    pairs: dict[str, str] = {}

    def arrived() -> bool:
        for message in statuses:
            pairs.update((pair.key, pair.value) for pair in message.status[0].values)
        return pairs.get("state") == state

    peer.until(arrived, f"diagnostics of an {state} node")
    return pairs


def actions(array: bytes) -> list[int]:
    return [marker.action for marker in deserialize_message(array, MarkerArray).markers]


def test_a_managed_node_goes_through_its_states_and_refuses_illegal_transitions(
    start, mesh_peer, random_weights, make_weights
):
    peer = mesh_peer
    node = start("mesh_node", autostart=False, engine="torch", device="cpu")
    logs, statuses = peer.listen(Log, "/rosout", 100), peer.listen(DiagnosticArray, "/diagnostics")
    assert peer.state() == "unconfigured"

    def logged(text: str) -> bool:
        return any(text in log.msg for log in logs)

    # Illegal transitions are refused, and the node continues.
    for label in ("activate", "deactivate", "cleanup", "nonsense"):
        assert not peer.transition(label)
    for number in (Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_CLEANUP, 99):
        assert not peer.transition(number=number)  # these raise in rclpy
    # From Kilted on, rclpy logs it in other words.
    peer.until(lambda: logged("transition 99 "), "the refusal in the log")
    assert peer.state() == "unconfigured"
    assert node.ended() is None
    assert facts_in_state(peer, statuses, "unconfigured")["state"] == "unconfigured"
    assert statuses[-1].status[0].level == DiagnosticStatus.OK

    # A failed configure logs the reason. Unconfigured, at_configure parameters can be set.
    assert peer.set_parameter("weights", "none.safetensors").successful
    assert not peer.transition("configure")
    peer.until(lambda: logged("failed: none.safetensors: no such weights file"), "the reason")
    assert peer.state() == "unconfigured"
    large = make_weights(backbone="resnet50", head_width=0.5)
    assert peer.set_parameter("weights", str(large)).successful
    assert peer.set_parameter("body", "default").successful
    assert peer.set_parameter("image_reliability", "reliable").successful
    before_mb = float(facts_in_state(peer, statuses, "unconfigured")["process memory (MB)"])

    # Configured, but inactive: the body is announced, images are not subscribed to.
    assert peer.transition("configure")
    peer.until(lambda: peer.body_models, "the body model")
    facts = facts_in_state(peer, statuses, "inactive")
    assert facts["weights"] == peer.body_models[-1].weights_version
    assert peer.image.get_subscription_count() == 0
    refused = peer.set_parameter("image_reliability", "best_effort")
    assert not refused.successful
    assert refused.reason.startswith("image_reliability cannot change while the node is configured")

    # After cleanup the topics are gone and the memory is released.
    assert peer.transition("cleanup")
    after_mb = float(facts_in_state(peer, statuses, "unconfigured")["process memory (MB)"])
    taken_mb, left_mb = float(facts["process memory (MB)"]) - before_mb, after_mb - before_mb
    assert taken_mb > large.stat().st_size / 1e6  # so the next line would notice a leak
    assert left_mb < taken_mb / 2
    peer.until(lambda: peer.node.count_publishers("humans/body_model") == 0, "no topics")

    assert peer.set_parameter("weights", str(random_weights)).successful
    assert peer.transition("configure")
    check_two_activations(peer, statuses)
    assert peer.state() == "inactive"
    assert peer.transition("shutdown")
    assert peer.state() == "finalized"
    assert not peer.transition("configure")
    assert node.ended() is None
    node.stop()
    assert node.ended() == 0
    assert "Traceback" not in node.last_lines(1000)


def check_two_activations(peer, statuses):
    """Each of two activations answers images."""
    markers = peer.listen(MarkerArray, "humans/markers", raw=True)
    peer.humans.clear()
    for _ in range(2):
        assert peer.transition("activate")
        assert not peer.transition(number=Transition.TRANSITION_ACTIVATE)
        peer.until(peer.image.get_subscription_count, "a subscription")
        assert len(peer.answer_to(peer.picture()).humans) >= 1
        assert facts_in_state(peer, statuses, "active")["results, total"] != "0"
        assert peer.transition("deactivate")
        peer.until(lambda: peer.image.get_subscription_count() == 0, "no subscription")
        # RViz shows nothing; a planner sees stale people, not an empty scene.
        peer.until(lambda: markers and actions(markers[-1]) == [Marker.DELETEALL], "no markers")
        assert all(message.humans for message in peer.humans)


#: mesh_node with a network that hangs in C code, without the GIL, and
#: ignores signals (a mutex locked twice). argv: where it hangs, "frame" or "load".
HANGING = """
import ctypes, os, sys, threading
from icl_mesh_ros.nodes.mesh_node import THREADS_PER_NODE, MeshNode
from icl_mesh_ros.pipeline.model_store import ModelStore, SharedModel
from icl_mesh_ros.nodes.run import run_nodes

def hang():
    print("HANGING", flush=True)
    mutex = ctypes.create_string_buffer(64)
    while True:  # the second time is for ever
        ctypes.CDLL(None).pthread_mutex_lock(mutex)

class Models(ModelStore):
    def load(self, *names):
        if sys.argv[1] == "load":
            hang()
        return super().load(*names)

SharedModel.__call__ = lambda *arguments, **options: hang()
os._exit(run_nodes([lambda: MeshNode(models=Models())], threads=THREADS_PER_NODE))
"""


@pytest.fixture
def run_script(tmp_path, random_weights):
    """Run a program with nodes; returns the process, which is stopped after the test."""
    processes = []

    def run(text: str, *arguments: str) -> subprocess.Popen:
        script = tmp_path / "script.py"
        script.write_text(text)
        ros = ["--ros-args", "-p", f"weights:={random_weights}", "-p", "engine:=torch"]
        ros += ["-p", "image_reliability:=reliable"]  # one image is enough
        processes.append(
            subprocess.Popen(
                [sys.executable, str(script), *arguments, *ros],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("where", "number"), [("frame", signal.SIGINT), ("load", signal.SIGTERM)])
def test_a_signal_ends_a_process_that_hangs_in_its_network(where, number, run_script, mesh_peer):
    process = run_script(HANGING, where)
    if where == "frame":
        mesh_peer.wait_for_node()
        mesh_peer.image.publish(mesh_peer.picture())
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "HANGING" in line:
            break
    process.send_signal(number)
    process.send_signal(number)  # an impatient operator
    lines += process.stdout.readlines()
    assert process.wait(60) == 0, "".join(lines)  # it would hang for ever
    assert "Traceback" not in "".join(lines)


SHARED = """
import functools, os
from icl_mesh_ros.nodes.mesh_node import THREADS_PER_NODE, MeshNode
from icl_mesh_ros.pipeline.model_store import ModelStore
from icl_mesh_ros.nodes.run import run_nodes

models = ModelStore()
makes = [functools.partial(MeshNode, namespace=name, models=models) for name in ("left", "right")]
os._exit(run_nodes(makes, threads=2 * THREADS_PER_NODE))
"""


def test_one_process_serves_several_cameras(run_script, mesh_peers, make_weights):
    process = run_script(SHARED)
    left, right = mesh_peers("left"), mesh_peers("right")
    left.wait_for_node()
    right.wait_for_node()
    first = left.answer_to(left.picture()).weights_version
    assert right.answer_to(right.picture()).weights_version == first
    assert left.set_parameter("weights", str(make_weights(seed=1))).successful
    assert left.answer_to(left.picture()).weights_version != first
    assert right.answer_to(right.picture()).weights_version == first
    assert left.transition("deactivate")
    assert left.transition("cleanup")
    assert right.answer_to(right.picture()).weights_version == first
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
