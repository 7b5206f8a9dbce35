"""publish_tf and rep155 over DDS, with hri_msgs and tf2_msgs or stand-ins built for this test."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

INTERFACES = Path(__file__).parent / "interfaces"
BUILD_TIMEOUT_S = 600

#: A node in its own process, since this one cannot load packages built after its start. Prints
#: the received messages as JSON when it has one of every topic.
LISTENER = """
import json
import rclpy
from geometry_msgs.msg import PointStamped
from hri_msgs.msg import IdsList, NormalizedRegionOfInterest2D, Skeleton2D
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from tf2_msgs.msg import TFMessage

rclpy.init()
node = rclpy.create_node("rep155_listener")
heard = {}
node.create_subscription(IdsList, "humans/bodies/tracked", lambda m: heard.update(
    tracked=list(m.ids), frame=m.header.frame_id), 10)
node.create_subscription(TFMessage, "/tf", lambda m: heard.update(tf=[
    (t.header.frame_id, t.child_frame_id, t.transform.translation.z) for t in m.transforms]), 100)
print("listening", flush=True)
followed = None
while not {"tracked", "tf", "roi", "skeleton", "cropped"} <= set(heard):
    rclpy.spin_once(node, timeout_sec=0.1)
    if heard.get("tracked") and followed is None:
        followed = heard["tracked"][0]
        body = f"humans/bodies/{followed}/"
        node.create_subscription(NormalizedRegionOfInterest2D, body + "roi",
            lambda m: heard.update(roi=[m.xmin, m.ymin, m.xmax, m.ymax, m.c]), 10)
        node.create_subscription(Skeleton2D, body + "skeleton2d",
            lambda m: heard.update(skeleton=[(p.x, p.y, p.c) for p in m.skeleton]), 10)
        node.create_subscription(Image, body + "cropped",
            lambda m: heard.update(cropped=[m.width, m.height, m.encoding]), 10)
order = [Skeleton2D.LEFT_EYE, Skeleton2D.RIGHT_EYE, Skeleton2D.LEFT_EAR, Skeleton2D.RIGHT_EAR]
print(json.dumps({**heard, "followed": followed, "order": order}), flush=True)
while heard["tracked"]:
    rclpy.spin_once(node, timeout_sec=0.1)
print("nobody", flush=True)
"""


@pytest.fixture(scope="session")
def interfaces(request) -> dict[str, str]:
    """The environment under which hri_msgs and tf2_msgs can be imported."""
    if all(importlib.util.find_spec(name) for name in ("hri_msgs", "tf2_msgs")):
        return {}
    colcon = shutil.which("colcon")
    if colcon is None:
        pytest.skip("neither hri_msgs and tf2_msgs nor colcon, to build stand-ins, is installed")
    digest = hashlib.sha256(sys.executable.encode())
    for path in sorted(INTERFACES.rglob("*.*")):
        if path.is_file():
            digest.update(path.read_bytes())
    # Kept between runs: a build takes half a minute.
    where = request.config.cache.mkdir(f"interfaces-{digest.hexdigest()[:16]}")
    if not (where / "built").exists():
        packages = [str(INTERFACES / name) for name in ("hri_msgs", "tf2_msgs")]
        command = [colcon, "--log-base", str(where / "log"), "build", "--paths", *packages]
        command += ["--build-base", str(where / "build"), "--install-base", str(where / "install")]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (where / "built").touch()
    sourced = subprocess.run(
        ["bash", "-c", '. "$0" && env -0', str(where / "install" / "local_setup.bash")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    variables = dict(line.split("=", 1) for line in sourced.split("\0") if "=" in line)
    names = ("PYTHONPATH", "AMENT_PREFIX_PATH", "LD_LIBRARY_PATH")
    return {name: variables[name] for name in names if name in variables}


def test_each_body_has_its_topics_and_frames(
    interfaces, start, mesh_peer, random_weights, monkeypatch
):
    for name, value in interfaces.items():
        monkeypatch.setenv(name, value)
    node = start("mesh_node", weights=str(random_weights), rep155=True, track_timeout=60.0)
    peer = mesh_peer
    peer.wait_for_node()
    with subprocess.Popen(
        [sys.executable, "-c", LISTENER], stdout=subprocess.PIPE, text=True, env=os.environ.copy()
    ) as listener:
        try:
            assert listener.stdout.readline() == "listening\n"
            image = peer.picture()

            def heard() -> bool:
                image.header.stamp.sec += 1  # the same people, so that their tracks are confirmed
                peer.image.publish(image)
                peer.spin_for(0.2)
                return bool(select.select([listener.stdout], [], [], 0)[0])

            peer.until(heard, "every topic of a body")
            said = json.loads(listener.stdout.readline())
            # Inactive, the node tracks nobody: the list must become empty.
            assert peer.transition("deactivate")
            peer.until(lambda: listener.poll() is not None, "an empty list of bodies")
            assert listener.stdout.read() == "nobody\n"
        finally:
            listener.kill()
    assert node.ended() is None
    assert said["frame"] == "test_optical_frame"
    assert said["followed"].startswith("p")
    parents, frames, depths = zip(*said["tf"], strict=True)
    bodies = {f"body_{body}" for body in said["tracked"]}
    assert set(frames) == bodies | {f"head_{body}" for body in said["tracked"]}
    assert set(parents) == bodies | {"test_optical_frame"}
    in_camera = [z for parent, z in zip(parents, depths, strict=True) if parent not in bodies]
    assert min(in_camera) > 0
    xmin, ymin, xmax, ymax, score = said["roi"]
    assert 0 <= xmin < xmax <= 1
    assert 0 <= ymin < ymax <= 1
    assert 0 < score <= 1
    assert len(said["skeleton"]) == 18
    assert said["order"] == [14, 15, 16, 17]  # the assumed order of skeleton2d
    assert all(0 <= value <= 1 for point in said["skeleton"] for value in point)
    width, height, encoding = said["cropped"]
    assert encoding == "rgb8"
    assert (width - 2 <= (xmax - xmin) * 64 <= width) and (
        height - 2 <= (ymax - ymin) * 48 <= height
    )


def test_without_the_packages_the_node_says_what_to_install(start, peer, random_weights):
    if importlib.util.find_spec("hri_msgs") is not None:
        pytest.skip("hri_msgs is installed here")
    node = start("mesh_node", weights=str(random_weights), rep155=True)
    peer.until(lambda: node.ended() is not None, "mesh_node ends")
    assert "rep155 needs the ROS package hri_msgs, which is not installed" in node.last_lines()
    assert "Traceback" not in node.last_lines(100)
