"""People as RViz triangle meshes (visualization_msgs/MarkerArray), fast enough for every frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point
from rclpy.serialization import serialize_message
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from icl_mesh.colors import person_color
from icl_mesh.tracking import Tracks
from icl_mesh_ros.messages import track_ids, vertices_of

NAMESPACE = "humans"
#: People who are only predicted show through.
OCCLUDED_OPACITY = 0.4
#: A point that no other field can hold by chance: it marks in the bytes where points go.
_SENTINEL = Point(x=-7.125e218, y=3.0625e-197, z=1.9375e241)
_SENTINEL_BYTES = np.array([_SENTINEL.x, _SENTINEL.y, _SENTINEL.z]).tobytes()


def color_of(person_id: int, alpha: float = 1.0) -> ColorRGBA:
    """A colour that stays with an id, as in overlays; neighbouring ids differ strongly."""
    red, green, blue = (value / 255 for value in person_color(person_id))
    return ColorRGBA(r=red, g=green, b=blue, a=alpha)


class MeshMarkers:
    """Turns People into the bytes of a MarkerArray, and remembers whom RViz still shows."""

    def __init__(self) -> None:
        self._shown: set[int] = set()

    def serialized(self, tracks: Tracks, header: Header, alpha: float, lifetime_s: float) -> bytes:
        """CDR bytes of a MarkerArray: a triangle list per person, DELETE for those who left.

        tracks: with vertices_m. header: of their image. Publisher.publish takes the bytes.
        """
        people = tracks.people
        meshes, ids = vertices_of(people), track_ids(people).tolist()
        gone = sorted(self._shown - set(ids))
        self._shown = set(ids)
        opacity = np.where(tracks.detected, alpha, OCCLUDED_OPACITY * alpha).tolist()
        markers = [
            _mesh_marker(header, person, opacity[i], lifetime_s) for i, person in enumerate(ids)
        ]
        markers += [
            Marker(header=header, ns=NAMESPACE, id=person, action=Marker.DELETE) for person in gone
        ]
        corners = people.body.faces.ravel()
        return serialize_with_points(markers, [mesh[corners] for mesh in meshes])

    def forget(self) -> None:
        """Nobody has been listening: whoever listens next starts with an empty scene."""
        self._shown.clear()


def _mesh_marker(header: Header, person: int, alpha: float, lifetime_s: float) -> Marker:
    marker = Marker(header=header, ns=NAMESPACE, id=person, action=Marker.ADD)
    marker.type = Marker.TRIANGLE_LIST
    marker.scale.x = marker.scale.y = marker.scale.z = 1.0
    marker.color = color_of(person, alpha)
    nanoseconds = round(lifetime_s * 1e9)
    marker.lifetime = Duration(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)
    return marker


def serialize_with_points(
    markers: Sequence[Marker], points: Sequence[npt.NDArray[np.floating]]
) -> bytes:
    """A MarkerArray in CDR whose first ``len(points)`` markers hold these points [P, 3].

    Equal to what rclpy makes of the same markers with Point objects, without making the objects:
    the markers are serialised with one point each, and the others are spliced in. A point takes
    24 bytes, a multiple of CDR's largest alignment, so that whatever follows keeps its padding.
    """
    if any(len(block) == 0 for block in points):
        raise ValueError("a marker with no points is an error in RViz: send DELETE instead")
    for marker, _ in zip(markers, points, strict=False):
        marker.points = [_SENTINEL]
    template = serialize_message(MarkerArray(markers=list(markers)))
    pieces: list[bytes] = []
    done = 0
    for block in points:
        start = template.index(_SENTINEL_BYTES, done)
        # The sequence's length (one, here) stands right before, or before 4 bytes of padding.
        length_at = start - 4 if _uint32(template, start - 4) == 1 else start - 8
        pieces += [
            template[done:length_at],
            np.uint32(len(block)).tobytes(),
            template[length_at + 4 : start],
            np.ascontiguousarray(block, dtype=np.float64).tobytes(),
        ]
        done = start + len(_SENTINEL_BYTES)
    return b"".join([*pieces, template[done:]])


def _uint32(data: bytes, at: int) -> int:
    return int(np.frombuffer(data, np.uint32, 1, at)[0])
