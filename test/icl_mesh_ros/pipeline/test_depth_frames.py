"""People's distances with a depth image, and without a usable one."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from icl_mesh.depth.matching import DepthStore
from icl_mesh.tracking.tracker import Tracker
from icl_mesh_ros.inputs.camera_info_store import CameraInfoStore
from icl_mesh_ros.inputs.conversions import image_from_rgb
from icl_mesh_ros.msg import Human, HumanArray
from icl_mesh_ros.outputs.messages import serialized_humans
from icl_mesh_ros.parameters.mesh_node import MeshParameters
from icl_mesh_ros.pipeline.frame import FrameProcessor

SIZE = (640, 480)
K = [500.0, 0.0, 319.5, 0.0, 510.0, 239.5, 0.0, 0.0, 1.0]


def stamp(seconds: float) -> Time:
    return Time(nanoseconds=round(seconds * 1e9))


def human_array(tracks) -> HumanArray:
    return deserialize_message(serialized_humans(tracks, Header()), HumanArray)


def depth_message(seconds: float, metres: float = 2.2, size=SIZE, encoding="16UC1") -> Image:
    width, height = size
    data = np.full((height, width), round(metres * 1000), np.uint16)
    return Image(
        header=Header(stamp=stamp(seconds).to_msg()),
        width=width,
        height=height,
        encoding=encoding,
        step=2 * width,
        data=data.tobytes(),
    )


@pytest.fixture
def process(make_tracks):
    """(depth messages, use_depth) -> the result of a frame with two people 2 and 3 m away; for
    several images, a list of results."""

    def process(
        *depths: Image,
        use_depth: bool = True,
        info: CameraInfo | None = None,
        depth_scale: float = 1.0,
        images: int = 0,
    ):
        infos, store = CameraInfoStore(), DepthStore("/cam/depth")
        infos.put(info or CameraInfo(width=640, height=480, k=K))
        for depth in depths:
            store.put(depth)

        def estimator(rgb, camera, *, vertices, threshold, times, refine):
            people = make_tracks(camera=camera).people
            sure = np.full((2, 24), 0.5, np.float32)
            center = people.joints_px[:, 0]
            return dataclasses.replace(
                people, track_id=None, joint_confidence=sure, center_px=center
            )

        frames = FrameProcessor(estimator, Tracker(), infos, "/image", "/info", depths=store)
        image = image_from_rgb(np.zeros((480, 640, 3), np.uint8), Header(stamp=stamp(5).to_msg()))
        settings = MeshParameters(use_depth=use_depth, depth_scale=depth_scale)
        results = [frames(image, settings, vertices=False) for _ in range(images or 1)]
        return results if images else results[0]

    return process


def test_people_are_moved_to_their_distance_in_the_depth_image(process):
    result = process(depth_message(5.01, metres=2.2))
    people = result.tracks.people
    assert (result.warnings, result.errors) == ((), ())
    assert people.distance_from_depth.all()
    # The surface is at 2.2 m: the pelvis lies behind it, inside the body.
    assert ((people.position_m[:, 2] > 2.1) & (people.position_m[:, 2] < 2.5)).all()
    assert result.times_ms["depth"] > 0
    message = human_array(result.tracks)
    assert [human.distance_source for human in message.humans] == [Human.DEPTH] * 2


def test_some_people_are_measured_and_some_are_not(process):
    """A depth of 1.2 m is less than half of 3 m, and taken for another object."""
    result = process(depth_message(5.0, metres=1.2))
    message = human_array(result.tracks)
    sources = [human.distance_source for human in message.humans]
    assert sources == [Human.DEPTH, Human.CAMERA_INFO]


@pytest.mark.parametrize(
    ("depth", "kind", "said"),
    [
        (None, "warnings", "no depth image on '/cam/depth' within 0.03 s.*depth_tolerance"),
        (depth_message(4.9), "warnings", "no depth image on '/cam/depth'"),
        (
            depth_message(5.0, size=(320, 240)),
            "errors",
            "'/cam/depth' is 320x240, the image 640x480.*should register depth.*body size",
        ),
        (
            depth_message(5.0, encoding="8UC2"),
            "errors",
            "'/cam/depth' has encoding '8UC2'.*16UC1.*32FC1.*body size",
        ),
    ],
)
def test_without_usable_depth_distances_come_from_size(process, depth, kind, said):
    result = process(*([] if depth is None else [depth]))
    texts = getattr(result, kind)
    assert len(texts) == len(result.warnings) + len(result.errors) == 1
    assert re.search(said, texts[0])
    assert result.unmeasured and result.unmeasured in texts[0]
    assert not result.tracks.people.distance_from_depth.any()
    message = human_array(result.tracks)
    assert [human.distance_source for human in message.humans] == [Human.CAMERA_INFO] * 2


def test_depth_in_another_unit_is_reported_and_scaled_by_the_parameter(process):
    result = process(depth_message(5.0, metres=4 * 2.2))
    assert not result.tracks.people.distance_from_depth.any()
    assert re.search(r"times the distance by body size, beyond the factor 2", result.unmeasured)
    scaled = process(depth_message(5.0, metres=4 * 2.2), depth_scale=0.25)
    assert scaled.tracks.people.distance_from_depth.all()
    assert scaled.unmeasured == ""
    assert ((people := scaled.tracks.people).position_m[:, 2] > 2.1).all()
    assert (people.position_m[:, 2] < 2.5).all()


def test_depth_images_are_ignored_without_use_depth(process):
    result = process(depth_message(5.0), use_depth=False)
    assert not result.tracks.people.distance_from_depth.any()
    assert (result.warnings, result.errors) == ((), ())


def test_a_camera_warning_is_given_once(process):
    k = [500.0, 0.0, 700.0, 0.0, 510.0, 239.5, 0.0, 0.0, 1.0]
    first, *others = process(use_depth=False, info=CameraInfo(width=640, height=480, k=k), images=3)
    assert len(first.warnings) == 1
    assert "the principal point (cx 700, cy 239.5) lies outside" in first.warnings[0]
    assert [result.warnings for result in others] == [(), ()]


def test_an_implausible_calibration_marks_people(process):
    k = [772.0, 0.0, 320.0, 0.0, 1.0, 240.0, 0.0, 0.0, 1.0]
    result = process(use_depth=False, info=CameraInfo(width=640, height=480, k=k))
    assert "cannot be true (fx 772 and fy 1 differ" in result.camera_note
    message = human_array(result.tracks)
    assert [human.distance_source for human in message.humans] == [Human.ASSUMED_FOCAL] * 2


def test_an_unknown_lens_is_warned_of(process):
    info = CameraInfo(width=640, height=480, k=K, distortion_model="omni", d=[0.1] * 4)
    result = process(use_depth=False, info=info)
    assert len(result.warnings) == 1
    assert "lens distortion on '/info' is not undone" in result.warnings[0]
    assert len(result.tracks.people) == 2
