"""Compares marker bytes with rclpy's serialisation of the same markers."""

from __future__ import annotations

import numpy as np
import pytest
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point
from rclpy.serialization import deserialize_message, serialize_message
from rosidl_parser.definition import AbstractSequence, NamespacedType, UnboundedString
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from icl_mesh_ros.outputs import marker_bytes
from icl_mesh_ros.outputs.marker_bytes import Geometry, MarkerFields, MarkerWriter
from icl_mesh_ros.outputs.markers import HumanMarkers, MarkerStyle


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


def with_objects(fields: MarkerFields, header: Header) -> Marker:
    """The same marker as a message, its points and colours as ROS objects."""
    marker = Marker(header=header, ns=fields.ns, id=fields.id, action=fields.action)
    marker.type, marker.text = fields.type, fields.text
    x, y, z = fields.position
    marker.pose.position = Point(x=x, y=y, z=z)
    marker.scale.x = marker.scale.y = marker.scale.z = fields.scale
    red, green, blue, alpha = fields.color
    marker.color = ColorRGBA(r=red, g=green, b=blue, a=alpha)
    marker.lifetime = Duration(sec=fields.lifetime_ns // 10**9, nanosec=fields.lifetime_ns % 10**9)
    if fields.geometry is not None:
        points, colors, corners = fields.geometry
        drawn = points if corners is None else points[corners]
        marker.points = [Point(x=x, y=y, z=z) for x, y, z in drawn.tolist()]
        if colors is not None:
            marker.colors = [ColorRGBA(r=r, g=g, b=b, a=a) for r, g, b, a in colors.tolist()]
    return marker


def assert_rclpys_bytes(ours: bytes, message: MarkerArray) -> None:
    """Compares all values, but not padding, which rclpy does not set."""
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
    """Triangles, coloured lines, text, DELETE, at offsets that the strings' lengths shift."""
    rng = np.random.default_rng(0)
    header = Header(stamp=Time(sec=1, nanosec=2), frame_id=frame_id)
    markers: list[MarkerFields] = []
    for i, count in enumerate((3, 1, 6)):
        mesh = rng.normal(size=(count + 2, 3)).astype(np.float32)
        corners = rng.integers(0, len(mesh), 3 * count)
        triangles = Geometry(mesh, corners=corners)
        place, color = (0.5, -1.5, 2.25 * i), (0.25, 0.5, 0.75, 0.9)
        markers += [
            MarkerFields(
                *("n" * i, i, Marker.TRIANGLE_LIST),
                position=place,
                scale=1.0,
                color=color,
                lifetime_ns=i * 10**9 + 4,
                text="t" * (3 * i),
                geometry=triangles,
            ),
            MarkerFields(
                *("l" * i, i, Marker.LINE_LIST),
                geometry=Geometry(
                    rng.normal(size=(2 * count, 3)), rng.random((2 * count, 4), dtype=np.float32)
                ),
            ),
            MarkerFields("", i, Marker.TEXT_VIEW_FACING, text="7: 3.2 m" + i * "x"),
        ]
    markers.append(MarkerFields("humans", 9, action=Marker.DELETE))
    message = MarkerArray(markers=[with_objects(one, header) for one in markers])
    assert_rclpys_bytes(MarkerWriter().serialized(markers, header), message)


def test_the_node_sends_the_bytes_of_rclpy(make_tracks, monkeypatch):
    """Every kind of marker of two people, and DELETE for a third one."""
    sent = []
    write = MarkerWriter.serialized

    def spy(writer, markers, header):
        sent.append(MarkerArray(markers=[with_objects(one, header) for one in markers]))
        return write(writer, markers, header)

    monkeypatch.setattr(MarkerWriter, "serialized", spy)
    style = MarkerStyle(mesh="reduced", skeleton=True, labels=True)
    human_markers = HumanMarkers()
    header = Header(stamp=Time(sec=12, nanosec=34), frame_id="camera_optical_frame")
    human_markers.serialized(make_tracks(ids=(7, 8, 9)), header, style)
    ours = human_markers.serialized(make_tracks(ids=(7, 9)), header, style)
    kinds = [(marker.ns, marker.type, marker.action) for marker in sent[1].markers]
    assert len(set(kinds)) == 6
    assert_rclpys_bytes(ours, sent[1])


def test_nothing_to_draw():
    assert_rclpys_bytes(MarkerWriter().serialized([], Header()), MarkerArray())


def test_returned_bytes_do_not_change():
    """The writer reuses its memory, but not while a caller still holds the bytes."""
    writer = MarkerWriter()
    first, second = ([MarkerFields("a", number)] for number in (1, 2))
    held = writer.serialized(first, Header())
    kept = bytes(bytearray(held))
    assert writer.serialized(second, Header()) != kept
    assert held == kept


def test_a_marker_without_points_or_with_too_few_colours_is_refused():
    def write(geometry):
        MarkerWriter().serialized([MarkerFields("a", 1, geometry=geometry)], Header())

    with pytest.raises(ValueError, match="no points is an error in RViz"):
        write(Geometry(np.zeros((0, 3))))
    with pytest.raises(ValueError, match="3 points needs as many colours, not 2"):
        write(Geometry(np.zeros((3, 3)), np.zeros((2, 4))))


@pytest.mark.parametrize("corners", [[1], [4], [0, 4], [4, 4, 2], [3, 1, 0, 2, 4, 4, 9, -3]])
@pytest.mark.parametrize("offset", [0, 4])
def test_corners_of_a_mesh_are_written_as_points(corners, offset):
    """Also for the last vertex, behind which nothing may be read, for the last point, behind which
    nothing may be written, and for corners that there are not."""
    mesh = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    geometry = Geometry(mesh, corners=np.array(corners))
    memory = bytearray(b"\xa5" * (offset + geometry.byte_count + 16))
    marker_bytes._write(geometry, memoryview(memory)[offset : offset + geometry.byte_count])
    points = np.frombuffer(memory, np.float64, 3 * len(corners), offset=offset)
    wanted = mesh[np.clip(corners, 0, 4)].astype(np.float64)
    np.testing.assert_array_equal(points.reshape(-1, 3), wanted)
    end = offset + geometry.byte_count
    assert memory[end - 4 : end] == bytes(4)  # no colours
    assert memory[:offset] == b"\xa5" * offset and memory[end:] == b"\xa5" * 16


def test_a_mesh_of_another_type_is_named():
    exact = Geometry(np.zeros((2, 3)), corners=np.array([0, 1]))
    with pytest.raises(
        TypeError, match=r"vertices must be an array float32 .* got float64 \[2, 3\]"
    ):
        MarkerWriter().serialized([MarkerFields("a", 1, geometry=exact)], Header())
