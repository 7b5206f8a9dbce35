"""Marker bytes against rclpy's own serialisation of the same markers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point
from rclpy.serialization import deserialize_message, serialize_message
from rosidl_parser.definition import AbstractSequence, NamespacedType, UnboundedString
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from icl_mesh_ros.markers import MeshMarkers, serialize_with_points

HEADER = Header(stamp=Time(sec=12, nanosec=34), frame_id="camera_optical_frame")


def read(data: bytes) -> list[Marker]:
    return deserialize_message(data, MarkerArray).markers


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


@pytest.mark.parametrize("frame_id", ["", "a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg"])
def test_bytes_equal_rclpys_own_at_every_alignment(frame_id):
    """The strings' lengths shift what follows. Padding is left out: rclpy does not set it."""
    rng = np.random.default_rng(0)
    blocks = [rng.normal(size=(count, 3)) for count in (3, 1, 6)]

    def markers() -> list[Marker]:
        header = Header(stamp=Time(sec=1, nanosec=2), frame_id=frame_id)
        made = [
            Marker(header=header, ns="n" * i, id=i, type=Marker.TRIANGLE_LIST, text="t" * (3 * i))
            for i in range(3)
        ]
        made[1].lifetime = Duration(sec=3, nanosec=4)
        return [*made, Marker(header=header, ns="humans", id=9, action=Marker.DELETE)]

    expected = markers()
    for marker, block in zip(expected, blocks, strict=False):
        marker.points = [Point(x=x, y=y, z=z) for x, y, z in block.tolist()]
    message = MarkerArray(markers=expected)
    rclpys = serialize_message(message)
    ours = serialize_with_points(markers(), blocks)
    spans, end = cdr_spans(message)
    assert len(ours) == len(rclpys)
    assert len(rclpys) - end in range(4)  # the whole is padded to 4 bytes
    assert ours[:4] == rclpys[:4]
    for start, stop in spans:
        assert ours[start:stop] == rclpys[start:stop], f"bytes {start} to {stop}"
    assert deserialize_message(ours, MarkerArray) == message


def test_a_person_is_a_triangle_list_of_the_mesh(make_tracks):
    tracks = make_tracks()
    markers = read(MeshMarkers().serialized(tracks, HEADER, 0.9, 1.5))
    assert len(markers) == 2
    faces = tracks.people.body.faces
    for i, marker in enumerate(markers):
        assert (marker.type, marker.action) == (Marker.TRIANGLE_LIST, Marker.ADD)
        assert (marker.ns, marker.id) == ("humans", tracks.people.track_id[i])
        assert marker.header == HEADER
        assert (marker.scale.x, marker.scale.y, marker.scale.z) == (1.0, 1.0, 1.0)
        assert (marker.lifetime.sec, marker.lifetime.nanosec) == (1, 500_000_000)
        assert marker.color.a == pytest.approx(0.9)
        assert len(marker.colors) == 0  # colours per vertex would turn RViz's lighting off
        points = np.array([(p.x, p.y, p.z) for p in marker.points])
        corners = tracks.people.vertices_m[i][faces.ravel()]
        np.testing.assert_array_equal(points, corners.astype(np.float64))


def test_who_left_is_deleted_once(make_tracks):
    markers = MeshMarkers()
    markers.serialized(make_tracks(ids=(7, 9)), HEADER, 1.0, 0.0)
    left = read(markers.serialized(make_tracks(ids=(9,)), HEADER, 1.0, 0.0))
    assert [(m.id, m.action) for m in left] == [(9, Marker.ADD), (7, Marker.DELETE)]
    after = read(markers.serialized(make_tracks(ids=(9,)), HEADER, 1.0, 0.0))
    assert [(m.id, m.action) for m in after] == [(9, Marker.ADD)]
    assert len(left[1].points) == 0


def test_colour_stays_with_the_id_and_differs_between_ids(make_tracks):
    def colors(ids):
        markers = read(MeshMarkers().serialized(make_tracks(ids=ids), HEADER, 1.0, 0.0))
        return {m.id: (m.color.r, m.color.g, m.color.b) for m in markers}

    first, second = colors((1, 2)), colors((2, 3))
    assert first[2] == second[2]
    assert len({*first.values(), *second.values()}) == 3


def test_a_predicted_person_shows_through(make_tracks):
    markers = read(MeshMarkers().serialized(make_tracks(occluded=True), HEADER, 1.0, 0.0))
    assert markers[1].color.a < 0.5 < markers[0].color.a


def test_nobody_gives_an_empty_array(make_tracks):
    assert read(MeshMarkers().serialized(make_tracks(ids=()), HEADER, 1.0, 0.0)) == []


def test_people_without_meshes_or_ids_are_refused(make_tracks):
    tracks = make_tracks()
    for field, said in (("vertices_m", "vertices=True"), ("track_id", r"tracking\.Tracker")):
        people = dataclasses.replace(tracks.people, **{field: None})
        with pytest.raises(ValueError, match=said):
            MeshMarkers().serialized(dataclasses.replace(tracks, people=people), HEADER, 1.0, 0.0)


def test_a_marker_without_points_is_refused():
    with pytest.raises(ValueError, match="no points is an error in RViz"):
        serialize_with_points([Marker()], [np.zeros((0, 3))])
