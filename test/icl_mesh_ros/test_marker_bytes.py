"""Marker bytes against rclpy's own serialisation of the same markers."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point
from rclpy.serialization import deserialize_message, serialize_message
from rosidl_parser.definition import AbstractSequence, NamespacedType, UnboundedString
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from icl_mesh_ros.marker_bytes import Geometry, serialize_markers
from icl_mesh_ros.markers import HumanMarkers, MarkerStyle


def cdr_spans(message, at: int = 4) -> tuple[list[tuple[int, int]], int]:
    """(start, end) of every value of a message in CDR, and where it ends; the rest is padding.

    By the rules of CDR (XCDR1): a value of n bytes starts at a multiple of n after the 4 bytes of
    encapsulation; strings and sequences are preceded by their length.
    """
    spans: list[tuple[int, int]] = []

    def put(size: int, count: int = 1) -> None:
        nonlocal at
        if count:
            at += -(at - 4) % size
            spans.append((at, at + size * count))
            at += size * count

    def walk(kind, value) -> None:
        nonlocal at
        if isinstance(kind, NamespacedType):
            for name, inner in zip(
                value.get_fields_and_field_types(), value.SLOT_TYPES, strict=True
            ):
                walk(inner, getattr(value, name))
        elif isinstance(kind, AbstractSequence):
            put(4)
            for item in value:
                walk(kind.value_type, item)
        elif isinstance(kind, UnboundedString):
            put(4)
            put(1, len(value) + 1)
        else:
            put({"double": 8, "float": 4, "boolean": 1, "uint8": 1}.get(kind.typename, 4))

    walk(NamespacedType([], ""), message)
    return spans, at


def with_objects(marker: Marker, geometry: Geometry | None) -> Marker:
    """The same marker with its points and colours as ROS objects."""
    marker = copy.deepcopy(marker)
    if geometry is not None:
        marker.points = [Point(x=x, y=y, z=z) for x, y, z in geometry.points.tolist()]
        if geometry.colors is not None:
            marker.colors = [
                ColorRGBA(r=r, g=g, b=b, a=a) for r, g, b, a in geometry.colors.tolist()
            ]
    return marker


def assert_rclpys_bytes(ours: bytes, message: MarkerArray) -> None:
    """Padding is left out: rclpy does not set it."""
    rclpys = serialize_message(message)
    spans, end = cdr_spans(message)
    assert len(ours) == len(rclpys)
    assert len(rclpys) - end in range(4)  # the whole is padded to 4 bytes
    assert ours[:4] == rclpys[:4]
    for start, stop in spans:
        assert ours[start:stop] == rclpys[start:stop], f"bytes {start} to {stop}"
    assert deserialize_message(ours, MarkerArray) == deserialize_message(rclpys, MarkerArray)


@pytest.mark.parametrize("frame_id", ["", "a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg"])
def test_every_kind_at_every_alignment(frame_id):
    """The strings' lengths shift what follows: triangles, coloured lines, text, DELETE."""
    rng = np.random.default_rng(0)
    header = Header(stamp=Time(sec=1, nanosec=2), frame_id=frame_id)
    markers: list[tuple[Marker, Geometry | None]] = []
    for i, count in enumerate((3, 1, 6)):
        marker = Marker(header=header, ns="n" * i, id=i, type=Marker.TRIANGLE_LIST)
        marker.text, marker.lifetime = "t" * (3 * i), Duration(sec=i, nanosec=4)
        markers.append((marker, Geometry(rng.normal(size=(count, 3)))))
        line = Marker(header=header, ns="l" * i, id=i, type=Marker.LINE_LIST)
        colors = rng.random((2 * count, 4), dtype=np.float32)
        markers.append((line, Geometry(rng.normal(size=(2 * count, 3)), colors)))
        text = Marker(header=header, id=i, type=Marker.TEXT_VIEW_FACING, text="7: 3.2 m" + i * "x")
        markers.append((text, None))
    markers.append((Marker(header=header, ns="humans", id=9, action=Marker.DELETE), None))
    message = MarkerArray(markers=[with_objects(*pair) for pair in markers])
    assert_rclpys_bytes(serialize_markers(markers), message)


def test_what_the_node_sends_is_what_rclpy_would_send(make_tracks, monkeypatch):
    """Every kind of marker of two people, and DELETE for a third one."""
    sent = []
    monkeypatch.setattr(
        "icl_mesh_ros.markers.serialize_markers",
        lambda markers: (
            sent.append(MarkerArray(markers=[with_objects(*pair) for pair in markers]))
            or serialize_markers(markers)
        ),
    )
    style = MarkerStyle(mesh="reduced", skeleton=True, labels=True)
    human_markers = HumanMarkers()
    header = Header(stamp=Time(sec=12, nanosec=34), frame_id="camera_optical_frame")
    human_markers.serialized(make_tracks(ids=(7, 8, 9)), header, style)
    ours = human_markers.serialized(make_tracks(ids=(7, 9)), header, style)
    kinds = [(marker.ns, marker.type, marker.action) for marker in sent[1].markers]
    assert len(set(kinds)) == 6
    assert_rclpys_bytes(ours, sent[1])


def test_a_marker_without_points_or_with_too_few_colours_is_refused():
    with pytest.raises(ValueError, match="no points is an error in RViz"):
        serialize_markers([(Marker(), Geometry(np.zeros((0, 3))))])
    with pytest.raises(ValueError, match="3 points needs as many colours, not 2"):
        serialize_markers([(Marker(), Geometry(np.zeros((3, 3)), np.zeros((2, 4))))])
