"""The launch files, if the package launch is installed (it is not among the ROS wheels)."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from rcl_interfaces.srv import GetParameters
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import Image

from icl_mesh_ros.launching import checks as launching
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


TIMEOUT_S = 90.0


@pytest.fixture
def log(tmp_path):
    return tmp_path / "launch.log"


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.zeros((48, 64, 3), np.uint8))
    return path


@pytest.fixture
def launch(tmp_path, log):
    processes = []

    def launch(*arguments: str, file: str = "camera.launch.py") -> subprocess.Popen:
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-c", LAUNCH, file, *arguments],
                stdout=stream,
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
    launch, peer, random_weights, photo
):
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
    launch, mesh_peers, random_weights, photo, model
):
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


#: A stand-in for `ros2 bag` that records its calls: rosbag2 is not among the ROS wheels.
#: The recorder runs until it is told to end, or fails, the player until the file "over" is there.
ROS2_BAG = """#!/bin/sh
cd {folder}
echo "$@" >> calls.txt
if [ "$2" = record ]; then
  [ ! -e no_recorder ] || {{ echo "[ERROR] [1764.5] [ros2bag]: no space" >&2; exit 1; }}
  exec sleep 600
fi
[ ! -e no_player ] || exit 3
while [ ! -e over ]; do sleep 0.1; done
"""


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """The file with the calls of the stand-in; beside it a bag of the name drive."""
    ros2 = tmp_path / "bin" / "ros2"
    ros2.parent.mkdir()
    ros2.write_text(ROS2_BAG.format(folder=tmp_path))
    ros2.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ros2.parent}:{os.environ['PATH']}")
    (tmp_path / "drive").mkdir()
    (tmp_path / "drive" / "metadata.yaml").touch()
    return tmp_path / "calls.txt"


def test_a_bag_is_played_when_the_node_is_active_and_its_people_recorded(
    launch, peer, random_weights, tmp_path, calls
):
    launched = launch(
        f"bag:={tmp_path}/drive", "image:=/camera/image", "depth:=/camera/depth", "use_depth:=true",
        "extra_topics:=/odom", "rate:=0.5", f"weights:={random_weights}", file="bag.launch.py",
    )  # fmt: skip
    peer.until(lambda: calls.exists() and "bag play" in calls.read_text(), "the bag is played")
    assert peer.state() == "active"
    record, play = calls.read_text().splitlines()
    assert record == (
        f"bag record --output {tmp_path}/drive_humans --storage mcap --use-sim-time "
        "--topics /humans /humans/body_model /odom"
    )
    assert play == f"bag play {tmp_path}/drive --clock 100 --rate 0.5"
    for topic in ("/camera/image", "/camera/depth"):
        (subscription,) = peer.node.get_subscriptions_info_by_topic(topic)
        # The player uses the recorded QoS: best effort receives from reliable cameras too.
        assert subscription.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    (tmp_path / "over").touch()
    assert launched.wait(TIMEOUT_S) == 0  # everything ends with the bag


def the_end(launched: subprocess.Popen, log: Path) -> str:
    """Wait for the end of a launch that fails; returns the last line of its log."""
    assert launched.wait(TIMEOUT_S) == 1
    text = log.read_text()
    assert "Traceback" not in text
    *_, last = text.splitlines()
    prefix = "[ERROR] [launch]: Caught exception in launch (see debug for traceback): "
    assert last.startswith(prefix)
    return last.removeprefix(prefix)


def test_a_bag_ends_with_the_node_that_dies(launch, tmp_path, calls, log):
    launched = launch(f"bag:={tmp_path}/drive", "weights:=/nowhere", file="bag.launch.py")
    assert the_end(launched, log) == (
        "mesh_node-2 ended with exit status 1, and everything with it: /nowhere: no such weights "
        "file; it should be a .safetensors file"
    )
    assert "bag play" not in calls.read_text()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            "no_recorder",
            "ros2-1 ended with exit status 1, and everything with it: no space",
        ),
        ("no_player", "ros2-3 ended with exit status 3, and everything with it"),
    ],
)
def test_a_bag_ends_with_its_recorder_and_with_its_player(
    launch, random_weights, tmp_path, calls, log, fault, said
):
    (tmp_path / fault).touch()
    launched = launch(f"bag:={tmp_path}/drive", f"weights:={random_weights}", file="bag.launch.py")
    assert the_end(launched, log) == said


def test_a_second_run_records_under_another_name(launch, random_weights, tmp_path, calls, log):
    (tmp_path / "drive_humans").mkdir()
    (tmp_path / "no_recorder").touch()
    launched = launch(f"bag:={tmp_path}/drive/", "weights:=/nowhere", file="bag.launch.py")
    assert launched.wait(TIMEOUT_S) == 1
    assert f"--output {tmp_path}/drive_humans_2 " in calls.read_text()


@pytest.mark.parametrize(
    ("file", "arguments", "said"),
    [
        ("bag", ["bag:=/nowhere"], "bag is '/nowhere', which does not exist"),
        ("bag", ["bag:={}/drive", "output:={}/drive"], "output is '{}/drive', which exists, and a"),
        ("bag", ["bag:={}/drive", "params_file:=/nowhere"], "params_file is '/nowhere', which do"),
        ("camera", ["params_file:=/nowhere"], "params_file is '/nowhere', which does not exist"),
        ("camera", ["dds_profile:=/nowhere"], "dds_profile is '/nowhere', which does not exist"),
        ("camera", ["width:=1280"], "width is 1280, but height is not given: a webcam is asked"),
        ("camera", ["rviz:=maybe"], "rviz is 'maybe', but must be true or false, as in rviz:=t"),
        ("camera", ["max_rate:=fast"], "max_rate is 'fast', but must be a number, as in max_rat"),
        ("camera", ["namespace:=1"], "namespace holds '1', which is no namespace: letters, digi"),
        ("multi_camera", ["cameras:=front,front"], "cameras names 'front' twice (front,front):"),
        ("multi_camera", ["params_file:=/nowhere"], "params_file is '/nowhere', which does not"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_starts(
    launch, monkeypatch, tmp_path, calls, log, file, arguments, said
):
    for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(name, raising=False)  # or dds_profile does not count
    arguments = [argument.format(tmp_path) for argument in arguments]
    launched = launch(*arguments, file=f"{file}.launch.py")
    assert the_end(launched, log).startswith(said.format(tmp_path))
    assert "process started" not in log.read_text()


def test_a_camera_that_dies_ends_everything(launch, peer, random_weights, photo, log):
    launched = launch(f"source:={photo}", f"weights:={random_weights}", "rviz:=false")
    nodes = {"mesh_node", "camera_node"}
    peer.until(lambda: nodes <= set(peer.node.get_node_names()), "both nodes")
    pid = re.search(r"camera_node-2\]: process started with pid \[(\d+)\]", log.read_text())[1]
    os.kill(int(pid), signal.SIGKILL)
    assert the_end(launched, log) == ("camera_node-2 was ended by SIGKILL, and everything with it")


@pytest.mark.parametrize("model", ["process", "shared"])
def test_one_of_several_cameras_that_dies_ends_everything(launch, photo, log, model):
    launched = launch(
        "cameras:=front,left", f"sources:={photo},{photo}.gone", "weights:=/nowhere",
        f"model:={model}", file="multi_camera.launch.py",
    )  # fmt: skip
    assert "and everything with it: " in the_end(launched, log)


def test_without_rviz_the_others_run(launch, peer, monkeypatch, random_weights, photo, log):
    if launching.missing_for_rviz(True) == "":
        pytest.skip("RViz is installed")
    humans = peer.listen(HumanArray, "/humans")
    launch(f"source:={photo}", f"weights:={random_weights}", "device:=cpu")
    peer.until(lambda: humans, "people, without RViz")
    assert log.read_text().count("not installed, going on without RViz: apt install") == 1


@pytest.fixture
def rviz(tmp_path, monkeypatch):
    """Stand-ins for RViz, which runs the given shell lines, and for the static transform."""

    def rviz(lines: str) -> None:
        scripts = {"rviz2": ("rviz2", lines)}
        scripts["tf2_ros"] = "static_transform_publisher", "exec sleep 600"
        for package, (name, text) in scripts.items():
            index = tmp_path / "share" / "ament_index" / "resource_index" / "packages" / package
            script = tmp_path / "lib" / package / name
            for path in (index, script):
                path.parent.mkdir(parents=True, exist_ok=True)
            index.touch()
            script.write_text(f"#!/bin/sh\n{text}\n")
            script.chmod(0o755)
        monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path}:{os.environ['AMENT_PREFIX_PATH']}")

    return rviz


def test_rviz_and_a_file_may_end_without_an_error(launch, peer, random_weights, photo, log, rviz):
    rviz("exit 0")
    launched = launch(f"source:={photo}", "loop:=false", f"weights:={random_weights}")
    peer.until(lambda: log.read_text().count("process has finished cleanly") == 2, "both end")
    assert peer.state() == "active"
    assert launched.poll() is None


def test_rviz_that_finds_no_display_ends_everything(launch, random_weights, photo, log, rviz):
    rviz("echo 'could not connect to display' >&2; exit 1")
    launched = launch(f"source:={photo}", f"weights:={random_weights}")
    last = the_end(launched, log)
    assert last.startswith("rviz2-")
    assert last.endswith("exit status 1, and everything with it: could not connect to display")


@pytest.mark.parametrize("file", ["camera", "multi_camera"])
def test_a_log_line_says_what_a_driver_needs(launch, monkeypatch, log, peer, file):
    for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(name, raising=False)
    camera = ["camera:=none"] if file == "camera" else []
    launched = launch(*camera, "weights:=/nowhere", "rviz:=false", file=f"{file}.launch.py")
    assert launched.wait(TIMEOUT_S) == 1
    assert log.read_text().count("started without this DDS profile loses many large images") == 1


def test_frames_and_rep155_are_arguments(launch, peer, random_weights, photo):
    launch(
        f"source:={photo}", f"weights:={random_weights}", "device:=cpu", "rviz:=false",
        "publish_tf:=true", "rep155:=false",
    )  # fmt: skip
    names = ["publish_tf", "rep155"]
    answer = peer.call(GetParameters, "mesh_node/get_parameters", names=names)
    assert [value.bool_value for value in answer.values] == [True, False]
