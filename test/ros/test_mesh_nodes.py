"""mesh_nodes: several cameras, one process, one model."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_prefix

PROGRAM = Path(get_package_prefix("icl_mesh_ros"), "lib", "icl_mesh_ros", "mesh_nodes")


@pytest.fixture
def run(tmp_path):
    processes = []

    def run(*arguments: str) -> tuple[subprocess.Popen, Path]:
        log = tmp_path / "mesh_nodes.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(PROGRAM), *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ.copy(),
            )
        processes.append(process)
        return process, log

    yield run
    for process in processes:
        process.kill()
        process.wait()


def test_two_cameras_are_served_in_parallel(run, mesh_peers, random_weights):
    front, left = mesh_peers("robot/front"), mesh_peers("left")
    process, log = run("robot/front", "left", "--ros-args", "-p", f"weights:={random_weights}")
    for peer in (front, left):
        peer.wait_for_node()
    # Each camera has its own tracks, body ids and parameters.
    assert left.set_parameter("detection_threshold", 0.999).successful
    assert front.answer_to(front.picture()).humans
    assert not left.answer_to(left.picture()).humans
    assert not front.answer(left.picture())
    from rcl_interfaces.srv import GetParameters

    for peer, prefix in ((front, "robot_front_"), (left, "left_")):
        answer = peer.call(GetParameters, "mesh_node/get_parameters", names=["body_id_prefix"])
        assert answer.values[0].string_value == prefix
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "needs the namespaces of the cameras; usage: ros2 run"),
        (("left", "/left"), "mesh_nodes names 'left' twice (left,left): each camera needs"),
    ],
)
def test_namespaces_are_needed_and_differ(run, arguments, said):
    process, log = run(*arguments, "--ros-args", "-p", "weights:=default")
    assert process.wait(90) == 1
    assert said in log.read_text()
    assert "Traceback" not in log.read_text()
