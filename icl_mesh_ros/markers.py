"""People as RViz triangle meshes (visualization_msgs/MarkerArray), fast enough for every frame."""

from __future__ import annotations

import struct
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
#: Values that no field holds by chance: they mark in the bytes where a lifetime and points are.
_LIFETIME_MARK = Duration(sec=-1928374655, nanosec=4192837465)
_LIFETIME_BYTES = struct.pack("=iI", _LIFETIME_MARK.sec, _LIFETIME_MARK.nanosec)
_POINT_MARK = Point(x=-7.125e218, y=3.0625e-197, z=1.9375e241)
_POINT_BYTES = struct.pack("=ddd", _POINT_MARK.x, _POINT_MARK.y, _POINT_MARK.z)


def color_of(person: int, alpha: float) -> ColorRGBA:
    """The colour of a person's id, the same as in overlays."""
    red, green, blue = (channel / 255 for channel in person_color(person))
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

    Equal to what rclpy makes of the same markers with Point objects, but for padding, which nobody
    reads and rclpy leaves unset; and made without the objects:
    rclpy serialises the markers with one point each, and the others are spliced in. A point takes
    24 bytes, a multiple of CDR's largest alignment, so that whatever follows keeps its padding.
    """
    if any(len(block) == 0 for block in points):
        raise ValueError("a marker with no points is an error in RViz: send DELETE instead")
    lifetimes = [marker.lifetime for marker, _ in zip(markers, points, strict=False)]
    for marker, _ in zip(markers, points, strict=False):
        marker.lifetime, marker.points = _LIFETIME_MARK, [_POINT_MARK]
    template = serialize_message(MarkerArray(markers=list(markers)))
    pieces: list[bytes] = []
    done = 0
    for lifetime, block in zip(lifetimes, points, strict=True):
        # Before the points: lifetime (8 bytes), frame_locked (1, padded to 4), the length of
        # the sequence (4). Padding bytes hold anything, so only the marks tell where this is.
        at = template.index(_LIFETIME_BYTES, done)
        start = template.index(_POINT_BYTES, at)
        pieces += [
            template[done:at],
            struct.pack("=iI", lifetime.sec, lifetime.nanosec),
            template[at + 8 : at + 12],
            struct.pack("=I", len(block)),
            template[at + 16 : start],
            np.ascontiguousarray(block, dtype=np.float64).tobytes(),
        ]
        done = start + len(_POINT_BYTES)
    return b"".join([*pieces, template[done:]])
