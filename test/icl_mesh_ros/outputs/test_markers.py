"""Markers for RViz: meshes, skeletons, labels, deletion."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from icl_mesh.geometry.camera import Camera
from icl_mesh_ros.outputs.markers import HumanMarkers, MarkerStyle

HEADER = Header(stamp=Time(sec=12, nanosec=34), frame_id="camera_optical_frame")
FULL = MarkerStyle(mesh="full", labels=False, lifetime_s=1.5)
LABELS = MarkerStyle(mesh="none")
BONES = MarkerStyle(mesh="none", skeleton=True, labels=False)


def draw(tracks, style: MarkerStyle = FULL, markers: HumanMarkers | None = None) -> list[Marker]:
    data = (markers or HumanMarkers()).serialized(tracks, HEADER, style)
    return deserialize_message(data, MarkerArray).markers


def points_of(marker: Marker) -> np.ndarray:
    return np.array([(p.x, p.y, p.z) for p in marker.points])


def test_a_person_is_a_triangle_list_of_the_mesh(make_tracks):
    tracks = make_tracks()
    markers = draw(tracks)
    assert len(markers) == 2
    faces = tracks.people.body.faces
    for i, marker in enumerate(markers):
        assert (marker.type, marker.action) == (Marker.TRIANGLE_LIST, Marker.ADD)
        assert (marker.ns, marker.id) == ("humans", tracks.people.track_id[i])
        assert marker.header == HEADER
        assert (marker.scale.x, marker.scale.y, marker.scale.z) == (1.0, 1.0, 1.0)
        assert (marker.lifetime.sec, marker.lifetime.nanosec) == (1, 500_000_000)
        assert marker.color.a == pytest.approx(0.9)
        assert marker.pose.orientation.w == 1.0
        assert len(marker.colors) == 0  # colours per vertex would turn RViz's lighting off
        corners = tracks.people.vertices_m[i][faces.ravel()]
        np.testing.assert_array_equal(points_of(marker), corners.astype(np.float64))


def test_the_reduced_mesh_has_a_sixth_of_the_triangles_on_the_same_vertices(make_tracks):
    tracks = make_tracks()
    markers = draw(tracks, MarkerStyle(mesh="reduced", labels=False))
    assert len(markers) == 2
    for i, marker in enumerate(markers):
        assert 6000 < len(marker.points) <= 7500
        own = {tuple(point) for point in tracks.people.vertices_m[i].astype(np.float64).tolist()}
        assert {tuple(point) for point in points_of(marker).tolist()} <= own


def test_bones_join_the_joints_and_fade_with_their_confidence(make_tracks):
    tracks = make_tracks()
    tracks.people.joint_confidence[:] = np.linspace(0, 1, 24)
    markers = draw(tracks, BONES)
    assert [(m.ns, m.type, m.id) for m in markers] == [
        ("skeletons", Marker.LINE_LIST, 7),
        ("skeletons", Marker.LINE_LIST, 9),
    ]
    points = points_of(markers[0])
    assert points.shape == (46, 3)
    joints = tracks.people.joints_m[0].astype(np.float64)
    # SMPL's parent of the left hip (1) is the pelvis (0), of the right hand (23) the wrist (21).
    np.testing.assert_array_equal(points[:2], joints[[0, 1]])
    np.testing.assert_array_equal(points[-2:], joints[[21, 23]])
    alphas = [color.a for color in markers[0].colors]
    assert len(alphas) == 46
    assert alphas[0] < alphas[1] < alphas[-2] < alphas[-1] == pytest.approx(0.9)
    assert markers[0].scale.x == pytest.approx(0.03)


def test_labels_give_id_and_distance_above_the_head(make_tracks):
    tracks = make_tracks(occluded=True)
    tracks.position_m[:] = [(0.0, 3.0, 4.0), (0.0, 0.0, 2.04)]
    markers = draw(tracks, LABELS)
    assert [m.text for m in markers] == ["7: 5.0 m", "9: 2.0 m (hidden)"]
    assert {(m.ns, m.type) for m in markers} == {("labels", Marker.TEXT_VIEW_FACING)}
    head = tracks.people.joints_m[0, 15]
    place = markers[0].pose.position
    assert (place.x, place.z) == pytest.approx((head[0], head[2]))
    assert place.y < head[1]  # y points down
    guessed = make_tracks(camera=Camera.assumed(640, 480, 60))
    assert draw(guessed, LABELS)[0].text.startswith("7: ~")


def test_a_person_who_left_is_deleted_once_in_every_kind(make_tracks):
    markers = HumanMarkers()
    style = MarkerStyle(skeleton=True)
    draw(make_tracks(ids=(7, 9)), style, markers)
    left = draw(make_tracks(ids=(9,)), style, markers)
    deleted = [(m.ns, m.id) for m in left if m.action == Marker.DELETE]
    assert deleted == [("humans", 7), ("labels", 7), ("skeletons", 7)]
    assert [(m.ns, m.id) for m in left if m.action == Marker.ADD] == [
        ("humans", 9),
        ("skeletons", 9),
        ("labels", 9),
    ]
    after = draw(make_tracks(ids=(9,)), style, markers)
    assert {m.action for m in after} == {Marker.ADD}


def test_kinds_that_are_switched_off_are_deleted(make_tracks):
    markers = HumanMarkers()
    draw(make_tracks(), MarkerStyle(skeleton=True), markers)
    after = draw(make_tracks(), LABELS, markers)
    assert [(m.ns, m.id) for m in after if m.action == Marker.DELETE] == [
        ("humans", 7),
        ("humans", 9),
        ("skeletons", 7),
        ("skeletons", 9),
    ]


def test_a_new_viewer_is_not_told_to_delete(make_tracks):
    markers = HumanMarkers()
    draw(make_tracks(ids=(7, 9)), FULL, markers)
    markers.forget()
    assert [m.action for m in draw(make_tracks(ids=(9,)), FULL, markers)] == [Marker.ADD]


def test_colour_stays_with_the_id_and_differs_between_ids(make_tracks):
    def colors(ids):
        return {m.id: (m.color.r, m.color.g, m.color.b) for m in draw(make_tracks(ids=ids))}

    first, second = colors((1, 2)), colors((2, 3))
    assert first[2] == second[2]
    assert len({*first.values(), *second.values()}) == 3


def test_a_predicted_person_is_translucent(make_tracks):
    markers = draw(make_tracks(occluded=True))
    assert markers[1].color.a < 0.5 < markers[0].color.a


def test_nobody_gives_an_empty_array(make_tracks):
    assert draw(make_tracks(ids=()), MarkerStyle(skeleton=True)) == []


def test_people_without_meshes_or_ids_are_refused(make_tracks):
    tracks = make_tracks()
    for field, said in (("vertices_m", "vertices=True"), ("track_id", r"tracking\.Tracker")):
        people = dataclasses.replace(tracks.people, **{field: None})
        with pytest.raises(ValueError, match=said):
            draw(dataclasses.replace(tracks, people=people))
