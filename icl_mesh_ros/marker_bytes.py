"""MarkerArrays as CDR bytes with long lists of points, without an object per point."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point
from rclpy.serialization import serialize_message
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

#: Values that no field holds by chance: they mark in the bytes where a lifetime and points are.
_LIFETIME_MARK = Duration(sec=-1928374655, nanosec=4192837465)
_LIFETIME_BYTES = struct.pack("=iI", _LIFETIME_MARK.sec, _LIFETIME_MARK.nanosec)
_POINT_MARK = Point(x=-7.125e218, y=3.0625e-197, z=1.9375e241)
_POINT_BYTES = struct.pack("=ddd", _POINT_MARK.x, _POINT_MARK.y, _POINT_MARK.z)
_COLOR_SIZE = 16


class Geometry(NamedTuple):
    """What a marker draws: points [P, 3], m, and no colours or one RGBA (0 to 1) per point."""

    points: npt.NDArray[np.floating]
    colors: npt.NDArray[np.floating] | None = None


def serialize_markers(markers: Sequence[tuple[Marker, Geometry | None]]) -> bytes:
    """A MarkerArray in CDR, whose markers have the points and colours given beside them.

    Equal to what rclpy makes of the same markers with Point and ColorRGBA objects, but for
    padding, which nobody reads and rclpy leaves unset; and made without the objects: rclpy
    serialises the markers with one point (and colour) each, and the others are spliced in. A point
    takes 24 bytes and a colour 16, multiples of CDR's largest alignment, so that whatever follows
    keeps its padding. The markers come back as they were, without points.

    Raises ValueError for a marker with no points, or with another number of colours.
    """
    drawn = [(marker, geometry) for marker, geometry in markers if geometry is not None]
    for _, geometry in drawn:
        _check(geometry)
    lifetimes = [marker.lifetime for marker, _ in drawn]
    for marker, geometry in drawn:
        marker.lifetime, marker.points = _LIFETIME_MARK, [_POINT_MARK]
        marker.colors = [] if geometry.colors is None else [ColorRGBA()]
    template = serialize_message(MarkerArray(markers=[marker for marker, _ in markers]))
    pieces: list[bytes | memoryview] = []  # arrays are copied once, when all is joined
    done = 0
    for (marker, (points, colors)), lifetime in zip(drawn, lifetimes, strict=True):
        marker.lifetime, marker.points, marker.colors = lifetime, [], []
        # Before the points: lifetime (8 bytes), frame_locked (1, padded to 4), the length of
        # the sequence (4). Padding bytes hold anything, so only the marks tell where this is.
        at = template.index(_LIFETIME_BYTES, done)
        start = template.index(_POINT_BYTES, at)
        pieces += [
            template[done:at],
            struct.pack("=iI", lifetime.sec, lifetime.nanosec),
            template[at + 8 : at + 12],
            struct.pack("=I", len(points)),
            template[at + 16 : start],
            np.ascontiguousarray(points, dtype=np.float64).data,
        ]
        done = start + len(_POINT_BYTES)
        if colors is not None:  # right behind the points: the length, then 4 floats each
            pieces += [
                struct.pack("=I", len(colors)),
                np.ascontiguousarray(colors, dtype=np.float32).data,
            ]
            done += 4 + _COLOR_SIZE
    return b"".join([*pieces, template[done:]])


def _check(geometry: Geometry) -> None:
    points, colors = geometry
    if len(points) == 0:
        raise ValueError("a marker with no points is an error in RViz: send DELETE instead")
    if colors is not None and len(colors) != len(points):
        raise ValueError(
            f"a marker with {len(points)} points needs as many colours, not {len(colors)}"
        )
