"""MarkerArrays as CDR bytes with long lists of points, without an object per marker or point.

icl_mesh_ros.cdr says how; test_marker_bytes holds the bytes against rclpy's.
"""

from __future__ import annotations

import functools
import io
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rclpy.serialization import serialize_message
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from icl_mesh import kernels
from icl_mesh_ros import cdr

#: Type, action and so on are numbers of visualization_msgs/Marker.
_NUMBERS = struct.Struct("=iii")  # id, type, action
#: Pose, scale, colour, lifetime, frame_locked, and how many points there are.
_BLOCK = struct.Struct("=7d3d4fiI?3xI")
_COUNT = struct.Struct("=I")
_POINT_SIZE, _COLOR_SIZE = 24, 16
#: A text that no other field holds, of a length that needs no padding.
_TEXT_MARK = "here is the marker's text!!"


class Geometry(NamedTuple):
    """What a marker draws: points [P, 3], m, and no colours or one RGBA (0 to 1) per point.

    corners [C]: the points, float32, to draw by their rows, as triangles share vertices; without,
    all.
    """

    points: npt.NDArray[np.floating[Any]]
    colors: npt.NDArray[np.floating[Any]] | None = None
    corners: npt.NDArray[np.intp] | None = None

    @property
    def point_count(self) -> int:
        """How many points are drawn."""
        return len(self.points if self.corners is None else self.corners)

    @property
    def byte_count(self) -> int:
        """Of the points, and of the colours behind their length."""
        return self.point_count * (_POINT_SIZE + (0 if self.colors is None else _COLOR_SIZE)) + 4


class MarkerFields(NamedTuple):
    """The fields of a visualization_msgs/Marker that differ from its defaults.

    scale: of all three axes. color: RGBA, 0 to 1. position: m, in the header's frame.
    """

    ns: str
    id: int
    type: int = Marker.ARROW
    action: int = Marker.ADD
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: float = 0.0
    color: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    lifetime_ns: int = 0
    text: str = ""
    geometry: Geometry | None = None


class MarkerWriter:
    """Makes the bytes of MarkerArrays, in memory that the next array of the same size takes again.

    Points are gathered straight into the message: with a list of pieces to be joined, megabytes
    would be copied once more.
    """

    def __init__(self) -> None:
        self._memory = io.BytesIO()

    def serialized(self, markers: Sequence[MarkerFields], header: Header) -> bytes:
        """CDR bytes of a MarkerArray; all markers have the same header. Padding holds
        anything, as in rclpy's.

        Raises ValueError for a marker with no points, or with another number of colours.
        """
        behind_colors, behind_text = _constant_parts()
        start = cdr.header(header)
        pieces: list[bytes | Geometry] = [cdr.ENCAPSULATION, cdr.count(len(markers))]
        at = _COUNT.size
        for marker in markers:
            geometry = marker.geometry
            head = bytes(-at % 4) + start + cdr.string(marker.ns)
            head += _NUMBERS.pack(marker.id, marker.type, marker.action)
            # A marker may start at any multiple of 4; the pose is aligned to 8, and as the block
            # from there is of 14 times 8 bytes, so are the points.
            head += bytes(-(at + len(head)) % 8) + _block(marker)
            tail = behind_colors + cdr.string(marker.text) + behind_text
            if geometry is None:
                pieces += [head, bytes(_COUNT.size), tail]
                at += len(head) + _COUNT.size + len(tail)
            else:
                _check(geometry)
                pieces += [head, geometry, tail]
                at += len(head) + geometry.byte_count + len(tail)
        size = len(cdr.ENCAPSULATION) + at
        if self._memory.getbuffer().nbytes != size:
            self._memory = io.BytesIO(bytes(size))
        # Nobody sees bytes change that he was given: while they are held, this copies them first.
        with self._memory.getbuffer() as memory:
            at = 0
            for piece in pieces:
                if isinstance(piece, Geometry):
                    _write(piece, memory[at : at + piece.byte_count])
                    at += piece.byte_count
                else:
                    memory[at : at + len(piece)] = piece
                    at += len(piece)
        return self._memory.getvalue()  # not a copy


def _block(marker: MarkerFields) -> bytes:
    return _BLOCK.pack(
        *marker.position,
        *(0.0, 0.0, 0.0, 1.0),  # orientation
        *(marker.scale, marker.scale, marker.scale),
        *marker.color,
        *divmod(marker.lifetime_ns, 10**9),
        False,
        0 if marker.geometry is None else marker.geometry.point_count,
    )


def _write(geometry: Geometry, memory: memoryview) -> None:
    """Points, the number of colours, colours."""
    count = geometry.point_count
    _write_points(geometry, memory)
    at = _POINT_SIZE * count
    if geometry.colors is None:
        _COUNT.pack_into(memory, at, 0)
    else:
        _COUNT.pack_into(memory, at, count)
        np.frombuffer(memory, np.float32, offset=at + 4)[:] = geometry.colors.ravel()


def _write_points(geometry: Geometry, memory: memoryview) -> None:
    """The points alone, as doubles."""
    points, corners = np.ascontiguousarray(geometry.points), geometry.corners
    if corners is None:
        # As bytes: behind the encapsulation, numbers of 8 bytes lie across numpy's grid.
        memory[: _POINT_SIZE * len(points)] = points.astype(np.float64).data.cast("B")
    else:
        kernels.marker_points(points, corners, np.frombuffer(memory, np.uint8))


@functools.cache
def _constant_parts() -> tuple[bytes, bytes]:
    """What stands from behind a marker's colours to its text, and behind that: the
    fields that stay at their defaults, as rclpy serialises them. None is aligned to more than 4,
    and they start at multiples of 4, so that they are the same everywhere."""
    message = serialize_message(MarkerArray(markers=[Marker(text=_TEXT_MARK)]))
    head = _COUNT.size + len(cdr.header(Header())) + len(cdr.string("")) + _NUMBERS.size
    colors = len(cdr.ENCAPSULATION) + head + -head % 8 + _BLOCK.size + _COUNT.size
    text = message.index(cdr.string(_TEXT_MARK))
    return message[colors:text], message[text + len(cdr.string(_TEXT_MARK)) :]


def _check(geometry: Geometry) -> None:
    if geometry.point_count == 0:
        raise ValueError("a marker with no points is an error in RViz: send DELETE instead")
    if geometry.colors is not None and len(geometry.colors) != geometry.point_count:
        raise ValueError(
            f"a marker with {geometry.point_count} points needs as many colours, not "
            f"{len(geometry.colors)}"
        )
