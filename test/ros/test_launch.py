"""camera.launch.py, where the package launch is installed (it is not among the ROS wheels)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import Image

from icl_mesh_ros.msg import HumanArray

pytest.importorskip("launch_ros", reason="apt package ros-<distro>-launch-ros is not installed")

#: `ros2 launch icl_mesh_ros camera.launch.py ...` without ros2cli.
LAUNCH = """
import sys
from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
service = LaunchService()
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
    get_package_share_directory("icl_mesh_ros") + "/launch/camera.launch.py",
    launch_arguments=[argument.split(":=", 1) for argument in sys.argv[1:]],
)]))
sys.exit(service.run())
"""


@pytest.fixture
def launch(tmp_path):
    processes = []

    def launch(*arguments: str) -> subprocess.Popen:
        with (tmp_path / "launch.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", LAUNCH, *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "ROS_LOG_DIR": str(tmp_path)},
                start_new_session=True,
            )
        processes.append(process)
        return process

    yield launch
    for process in processes:
        os.killpg(process.pid, signal.SIGINT)  # Ctrl-C in a terminal reaches launch and nodes
        process.wait(30)


def test_launched_camera_and_node_find_each_other_under_other_names(
    launch, peer, random_weights, tmp_path
):
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.zeros((48, 64, 3), np.uint8))
    images = peer.listen(Image, "/robot/front/image")
    humans = peer.listen(HumanArray, "/robot/people")
    launch(
        f"source:={photo}",
        f"weights:={random_weights}",
        "rviz:=false",
        "device:=cpu",
        "rate:=5",
        "namespace:=robot",
        "image:=front/image",
        "camera_info:=front/camera_info",
        "humans:=people",
        "frame_id:=front_optical",
    )
    peer.until(lambda: humans, "people from the launched nodes")
    assert humans[0].header.frame_id == "front_optical"
    peer.until(lambda: images, "the camera's images")
    peer.until(
        lambda: (
            {("mesh_node", "/robot"), ("camera_node", "/robot")}
            <= set(peer.node.get_node_names_and_namespaces())
        ),
        "both nodes in the namespace",
    )


def test_a_driver_that_already_runs_is_used(launch, mesh_peer, random_weights):
    launch("camera:=none", f"weights:={random_weights}", "rviz:=false")
    mesh_peer.wait_for_node()
    image = mesh_peer.picture()
    assert mesh_peer.answer_to(image).header == image.header
    assert "camera_node" not in mesh_peer.node.get_node_names()
