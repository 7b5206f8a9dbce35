"""Start and end of a process of nodes: signals at any time, no leftovers, one line for
a wrong environment."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import rclpy
from ament_index_python.packages import get_package_prefix

from icl_mesh_ros.nodes import model_node
from icl_mesh_ros.nodes.mesh_node import MeshNode
from icl_mesh_ros.nodes.rclpy_inside import EndableNode

#: mesh_node whose library converts exceptions to its own, as torch does.
LOADING = """
import os, time
from icl_mesh_ros.nodes.mesh_node import THREADS_PER_NODE, MeshNode
from icl_mesh_ros.pipeline.model_store import ModelStore
from icl_mesh_ros.nodes.run import run_nodes

class Models(ModelStore):
    def load(self, *names, **options):
        print("LOADING", flush=True)
        try:
            time.sleep(120)
        except BaseException:
            raise ValueError("could not determine the shape of an object")

os._exit(run_nodes([lambda: MeshNode(models=Models())], threads=THREADS_PER_NODE))
"""


@pytest.fixture
def alone(monkeypatch):
    """Isolates the started nodes from all others."""
    monkeypatch.setenv("ROS_DOMAIN_ID", "101")


def shared_memory(process: int) -> set[Path]:
    """The segments of its DDS participant, mapped by a process; ports are others' as well."""
    maps = Path(f"/proc/{process}/maps").read_text()
    return {Path(name) for name in re.findall(r"/dev/shm/fastrtps_[0-9a-f]{16}\b", maps)}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_model_loads_says_nothing_and_leaves_nothing(number, alone):
    command = [sys.executable, "-c", LOADING]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout.readline() == "LOADING\n"
        shared = shared_memory(process.pid)
        assert shared
        process.send_signal(number)
        assert process.stdout.read() == ""
        assert process.wait(60) == 0
    assert not [path for path in shared if path.exists()]


@pytest.mark.parametrize("name", ["mesh_node", "camera_node"])
def test_no_shared_memory_is_left(name, start, alone, random_weights, tmp_path):
    import cv2
    import numpy as np

    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.zeros((48, 64, 3), np.uint8))
    given = {"weights": str(random_weights), "engine": "torch"}
    node = start(name, **given if name == "mesh_node" else {"source": str(photo), "loop": True})
    end = time.monotonic() + 60
    while not any(word in node.log.read_text() for word in ("active on", "publishing")):
        assert time.monotonic() < end
        time.sleep(0.1)
    shared = shared_memory(node._process.pid)
    assert shared
    node.stop()
    assert node.ended() == 0
    assert not [path for path in shared if path.exists()]


def run_node(name: str, *arguments: str, seconds: float = 60) -> tuple[int, str]:
    """(exit status, output) of a node that ends by itself; -1: it had to be stopped."""
    program = Path(get_package_prefix("icl_mesh_ros"), "lib", "icl_mesh_ros", name)
    process = subprocess.Popen(
        [str(program), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return -1, process.communicate()[0]
    return process.returncode, output


@pytest.mark.parametrize("home", ["/dev/null", None])
def test_a_home_that_is_missing_or_not_writable(home, start, alone, random_weights, monkeypatch):
    if home is None:
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", home)
    for name in ("ROS_HOME", "ROS_LOG_DIR"):
        monkeypatch.delenv(name, raising=False)
    node = start("mesh_node", weights=str(random_weights), engine="torch")
    end = time.monotonic() + 60
    while "active on" not in node.log.read_text():
        assert node.ended() is None, node.log.read_text()
        assert time.monotonic() < end
        time.sleep(0.1)
    text = node.log.read_text()
    assert "log files cannot be written" in text
    assert ("/dev/null/.ros/log" if home else "HOME is not set") in text
    assert "set ROS_LOG_DIR to a folder that can be written" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-p", "weights"], "Couldn't parse parameter override rule: '-p weights'"),
        (["--params-file", "/none.yaml"], "Couldn't parse params file: '--params-file /none.yaml'"),
    ],
)
def test_ros_arguments_that_rcl_refuses(alone, arguments, said):
    status, text = run_node("camera_node", "--ros-args", *arguments)
    assert status == 1
    assert said in text
    assert "Traceback" not in text


def test_a_node_whose_constructor_failed_is_destroyed_silently(ros, monkeypatch):
    """Kilted's try_shutdown destroys every node of the context."""
    made = []

    def refuse(node):
        made.append(node)
        raise ValueError("a parameter of a wrong type")

    monkeypatch.setattr(model_node, "declare_parameters", refuse)
    with pytest.raises(ValueError, match="of a wrong type"):
        MeshNode()
    (node,) = made
    assert node in EndableNode._alive
    EndableNode.destroy_all()
    assert node not in EndableNode._alive
    assert rclpy.ok()
