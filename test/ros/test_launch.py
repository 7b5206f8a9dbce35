"""The launch files, where the package launch is installed (it is not among the ROS wheels)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import Image

from icl_mesh_ros.msg import HumanArray

pytest.importorskip("launch_ros", reason="apt package ros-<distro>-launch-ros is not installed")

#: `ros2 launch icl_mesh_ros FILE ...` without ros2cli.
LAUNCH = """
import sys
from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
service = LaunchService()
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
    get_package_share_directory("icl_mesh_ros") + "/launch/" + sys.argv[1],
    launch_arguments=[argument.split(":=", 1) for argument in sys.argv[2:]],
)]))
sys.exit(service.run())
"""


@pytest.fixture
def launch(tmp_path):
    processes = []

    def launch(*arguments: str, file: str = "camera.launch.py") -> subprocess.Popen:
        with (tmp_path / "launch.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", LAUNCH, file, *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "ROS_LOG_DIR": str(tmp_path)},
                start_new_session=True,
            )
        processes.append(process)
        return process

    yield launch
    for process in processes:
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
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


@pytest.mark.parametrize("model", ["process", "shared"])
def test_several_cameras_in_namespaces_of_their_own(
    launch, mesh_peers, random_weights, tmp_path, model
):
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.zeros((48, 64, 3), np.uint8))
    front, left = mesh_peers("robot/front"), mesh_peers("left")
    launch(
        "cameras:=robot/front,left",
        f"sources:={photo},{photo}",
        "rate:=5",
        f"model:={model}",
        f"weights:={random_weights}",
        file="multi_camera.launch.py",
    )
    for peer, frame in ((front, "robot_front_optical_frame"), (left, "left_optical_frame")):
        peer.until(lambda peer=peer: peer.humans, "people of a camera")
        assert {message.header.frame_id for message in peer.humans} == {frame}
    names = front.node.get_node_names_and_namespaces()
    assert {("mesh_node", "/robot/front"), ("mesh_node", "/left")} <= set(names)


def test_a_bag_is_played_when_the_node_is_active_and_its_people_recorded(
    launch, peer, random_weights, tmp_path, monkeypatch
):
    """With a stand-in for `ros2 bag`, which notes how it is called: rosbag2 is not among the ROS
    wheels."""
    calls = tmp_path / "calls.txt"
    ros2 = tmp_path / "bin" / "ros2"
    ros2.parent.mkdir()
    # The recorder runs until it is told to end, the player until the file "over" is there.
    ros2.write_text(
        f"""#!/bin/sh
echo "$@" >> {calls}
[ "$2" = play ] || exec sleep 600
while [ ! -e {tmp_path}/over ]; do sleep 0.1; done
"""
    )
    ros2.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ros2.parent}:{os.environ['PATH']}")
    launched = launch(
        f"bag:={tmp_path}/drive", "image:=/camera/image", "depth:=/camera/depth", "use_depth:=true",
        "extra_topics:=/odom", "rate:=0.5", f"weights:={random_weights}", file="bag.launch.py",
    )  # fmt: skip
    peer.until(lambda: calls.exists() and "play" in calls.read_text(), "the bag is played")
    assert peer.state() == "active"
    record, play = calls.read_text().splitlines()
    assert record == (
        f"bag record --output {tmp_path}/drive_humans --storage mcap --use-sim-time "
        "--topics /humans /humans/body_model /odom"
    )
    assert play == f"bag play {tmp_path}/drive --clock 100 --rate 0.5"
    for topic in ("/camera/image", "/camera/depth"):
        (subscription,) = peer.node.get_subscriptions_info_by_topic(topic)
        # A bag is played as it was recorded: best effort hears both kinds of cameras.
        assert subscription.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    (tmp_path / "over").touch()
    peer.until(lambda: launched.poll() is not None, "everything ends with the bag")
