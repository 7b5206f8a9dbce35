"""Outputs publishes, and requests meshes, by parameters and subscribers."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from rclpy.duration import Duration
from rclpy.serialization import deserialize_message
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from icl_mesh.body.joint_sets import JOINT_SETS
from icl_mesh.tracking.tracker import TrackState
from icl_mesh_ros.msg import HumanArray
from icl_mesh_ros.outputs.publishers import Outputs
from icl_mesh_ros.parameters.mesh_node import MeshParameters
from icl_mesh_ros.pipeline.frame import FrameResult

HEADER = Header(frame_id="camera_optical_frame")
INTERFACES = Path(__file__).parents[2] / "ros" / "interfaces"


class FakePublisher:
    def __init__(self, topic: str) -> None:
        self.topic_name, self.listeners, self.sent = topic, 0, []
        self.publish = self.sent.append
        self.waited = 0

    def get_subscription_count(self) -> int:
        return self.listeners

    def wait_for_all_acked(self, timeout: Duration) -> bool:
        self.waited = len(self.sent)
        return timeout > Duration()


class FakeNode:
    """A stand-in for a node whose publishers store the messages, by topic."""

    def __init__(self) -> None:
        self.publishers: dict[str, FakePublisher] = {}
        self.warnings: list[str] = []

    def get_logger(self) -> SimpleNamespace:
        return SimpleNamespace(warning=self.warnings.append)

    def resolve_topic_name(self, name: str) -> str:
        return f"/cam/{name}"

    def create_publisher(self, _kind: type, topic: str, _qos: object) -> FakePublisher:
        assert topic not in self.publishers
        self.publishers[topic] = FakePublisher(topic)
        return self.publishers[topic]

    def destroy_publisher(self, publisher: FakePublisher) -> None:
        del self.publishers[publisher.topic_name]


@pytest.fixture
def node() -> FakeNode:
    return FakeNode()


@pytest.fixture
def result(make_tracks):
    """A frame's result for people of these ids, with meshes or without."""

    def make(ids=(7, 9), *, meshes: bool = True) -> FrameResult:
        tracks = make_tracks(ids=ids)
        if not meshes:
            people = dataclasses.replace(tracks.people, vertices_m=None)
            tracks = dataclasses.replace(tracks, people=people)
        tracks.people.bbox_px[:] = (100.2, 50.0, 300.7, 420.0)
        return FrameResult(np.zeros((480, 640, 3), np.uint8), tracks, "", {})

    return make


def test_meshes_are_requested_only_if_they_are_published(node):
    outputs = Outputs(node)
    defaults = MeshParameters()
    assert not outputs.wants_vertices(defaults)
    assert outputs.wants_vertices(MeshParameters(publish_vertices=True))
    node.publishers["humans/markers"].listeners = 1
    assert outputs.wants_vertices(defaults)
    assert not outputs.wants_vertices(MeshParameters(marker_mesh="none"))
    node.publishers["humans/overlay"].listeners = 1
    assert outputs.wants_vertices(MeshParameters(marker_mesh="none"))


def test_markers_follow_the_parameters_and_need_no_mesh_for_skeletons(node, result):
    outputs = Outputs(node)
    markers = node.publishers["humans/markers"]
    outputs.publish(result(), HEADER, MeshParameters())
    assert markers.sent == []  # no subscriber
    markers.listeners = 1
    bones = MeshParameters(marker_mesh="none", marker_skeleton=True, marker_labels=False)
    outputs.publish(result(meshes=False), HEADER, bones)
    array = deserialize_message(markers.sent[-1], MarkerArray)
    assert [(marker.ns, marker.id) for marker in array.markers] == [
        ("skeletons", 7),
        ("skeletons", 9),
    ]
    # A subscriber that came after the frame was started gets markers with the next one.
    outputs.publish(result(meshes=False), HEADER, MeshParameters())
    assert len(markers.sent) == 1
    assert len(node.publishers["humans"].sent) == 3


def test_the_end_deletes_markers_and_publishes_no_people(node, result):
    outputs = Outputs(node)
    markers, humans = node.publishers["humans/markers"], node.publishers["humans"]
    outputs.end()
    assert markers.sent == []  # nothing was shown
    markers.listeners = 1
    outputs.publish(result(), HEADER, MeshParameters())
    outputs.end()
    (last,) = markers.sent[-1].markers
    assert (last.action, last.header) == (Marker.DELETEALL, HEADER)
    assert markers.waited == len(markers.sent) == 2
    assert len(humans.sent) == 1  # an empty message would mean that nobody is there
    outputs.end()
    assert len(markers.sent) == 2
    # Active again with one person less: DELETEALL has already deleted that person.
    outputs.publish(result((9,)), HEADER, MeshParameters())
    array = deserialize_message(markers.sent[-1], MarkerArray)
    assert {(marker.id, marker.action) for marker in array.markers} == {(9, Marker.ADD)}


def test_every_publisher_is_destroyed(node):
    Outputs(node).destroy()
    assert node.publishers == {}


def constants(message: str) -> dict[str, int]:
    """The constants of hri_msgs' public definition."""
    path = INTERFACES / "hri_msgs" / "msg" / f"{message}.msg"
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = (line.split()[1].split("=") for line in lines if "=" in line)
    return {name: int(number) for name, number in pairs}


@pytest.fixture
def stand_ins(monkeypatch) -> None:
    """Stand-ins for hri_msgs and tf2_msgs whose messages store their fields."""
    known = importlib.util.find_spec
    names = {
        "hri_msgs": (
            "IdsList",
            "NormalizedRegionOfInterest2D",
            "NormalizedPointOfInterest2D",
            "Skeleton2D",
        ),
        "tf2_msgs": ("TFMessage",),
    }
    for package, messages in names.items():
        module = ModuleType(package)
        module.msg = ModuleType(f"{package}.msg")
        for message in messages:
            setattr(module.msg, message, type(message, (SimpleNamespace,), constants(message)))
        monkeypatch.setitem(sys.modules, package, module)
        monkeypatch.setitem(sys.modules, f"{package}.msg", module.msg)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name in names or known(name))


def test_bodies_exist_as_long_as_their_people(node, result, stand_ins):
    """rep155 is switched on, a person leaves, it is switched off."""
    outputs = Outputs(node)
    plain = set(node.publishers)
    settings = MeshParameters(rep155=True, body_id_prefix="left_")
    assert outputs.wants_vertices(settings)
    outputs.publish(result((7, 9)), HEADER, settings)

    def bodies() -> set[str]:
        return {topic.split("/")[2] for topic in node.publishers if "/bodies/left" in topic}

    assert bodies() == {"left_7", "left_9"}
    assert node.publishers["humans/bodies/tracked"].sent[-1].ids == ["left_7", "left_9"]
    roi = node.publishers["humans/bodies/left_7/roi"].sent[-1]
    # By hand: pixels count from pixel centres, so the image starts at -0.5.
    assert (roi.xmin, roi.xmax) == pytest.approx((100.7 / 640, 301.2 / 640))
    assert (roi.ymin, roi.ymax) == pytest.approx((50.5 / 480, 420.5 / 480))
    skeleton = node.publishers["humans/bodies/left_7/skeleton2d"].sent[-1].skeleton
    assert len(skeleton) == 18
    assert all(0 <= value <= 1 for point in skeleton for value in (point.x, point.y, point.c))
    cropped = node.publishers["humans/bodies/left_7/cropped"]
    assert cropped.sent == []  # no subscriber
    cropped.listeners = 1
    second = result((7, 8))
    second.tracks.state[1] = TrackState.TENTATIVE
    outputs.publish(second, HEADER, settings)
    assert bodies() == {"left_7"}
    assert (cropped.sent[0].width, cropped.sent[0].height) == (302 - 100, 421 - 50)
    frames = node.publishers["/tf"].sent[-1].transforms
    assert [frame.child_frame_id for frame in frames] == ["body_left_7", "head_left_7"]
    tracked = node.publishers["humans/bodies/tracked"]
    outputs.publish(result((7,)), HEADER, MeshParameters())
    assert set(node.publishers) == {*plain, "/tf"}
    assert tracked.sent[-1].ids == []  # a subscriber must learn that the bodies are gone
    assert tracked.waited == len(tracked.sent)
    outputs.publish(result((7,)), HEADER, settings)
    outputs.end()
    assert bodies() == set()
    assert node.publishers["humans/bodies/tracked"].sent[-1].ids == []
    outputs.destroy()
    assert node.publishers == {}


def test_the_points_of_a_skeleton_are_in_the_order_of_hri_msgs(node, result, stand_ins):
    """Left and right eye and ear are swapped with respect to OpenPose."""
    from hri_msgs.msg import Skeleton2D

    assert (Skeleton2D.LEFT_EYE, Skeleton2D.RIGHT_EYE) == (14, 15)
    assert (Skeleton2D.LEFT_EAR, Skeleton2D.RIGHT_EAR) == (16, 17)
    frame = result((7,))
    people = frame.tracks.people
    px = people.keypoints_px("openpose18")[0]
    Outputs(node).publish(frame, HEADER, MeshParameters(rep155=True))
    skeleton = node.publishers["humans/bodies/p7/skeleton2d"].sent[-1].skeleton
    for name, point in zip(JOINT_SETS["openpose18"], px, strict=True):
        there = skeleton[getattr(Skeleton2D, name.replace("mid_shoulders", "neck").upper())]
        expected = np.clip((point + 0.5) / (640, 480), 0, 1)
        assert (there.x, there.y) == pytest.approx(expected, abs=1e-6)
    assert len({(point.x, point.y) for point in skeleton}) == 18


@pytest.mark.parametrize(("given", "parent"), [("/cam", "cam"), ("//cam/optical", "cam/optical")])
def test_tf_and_markers_remove_a_leading_slash_with_a_warning(
    node, result, stand_ins, given, parent
):
    outputs, header = Outputs(node), Header(frame_id=given)
    node.publishers["humans/markers"].listeners = 1
    for _ in range(3):
        outputs.publish(result((7,)), header, MeshParameters(publish_tf=True))
    body, head = node.publishers["/tf"].sent[-1].transforms
    assert (body.header.frame_id, head.header.frame_id) == (parent, "body_p7")
    array = deserialize_message(node.publishers["humans/markers"].sent[-1], MarkerArray)
    assert {marker.header.frame_id for marker in array.markers} == {parent}
    humans = deserialize_message(node.publishers["humans"].sent[-1], HumanArray)
    assert humans.header.frame_id == given  # that of the image, unchanged
    (warning,) = node.warnings  # once
    assert f"such as the image's '{given}': on /tf, people stand under '{parent}'" in warning


@pytest.mark.parametrize("given", ["", "/"])
def test_without_frame_id_nothing_goes_to_tf_with_one_warning(node, result, stand_ins, given):
    outputs = Outputs(node)
    for _ in range(3):
        outputs.publish(result((7,)), Header(frame_id=given), MeshParameters(publish_tf=True))
    assert node.publishers["/tf"].sent == []
    assert len(node.publishers["humans"].sent) == 3
    (warning,) = node.warnings
    assert "images on '/cam/image' name no frame" in warning
    assert "the camera driver should set frame_id" in warning
    outputs.publish(result((7,)), HEADER, MeshParameters(publish_tf=True))
    assert len(node.publishers["/tf"].sent) == 1
