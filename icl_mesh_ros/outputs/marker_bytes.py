"""MarkerArrays with long lists of points as CDR bytes, without an object per marker or point.

icl_mesh_ros.outputs.cdr describes the format. test_marker_bytes compares the bytes with rclpy's.
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
from icl_mesh_ros.outputs import cdr

_NUMBERS = struct.Struct("=iii")  # id, type, action
#: Pose, scale, colour, lifetime, frame_locked, number of points.
_BLOCK = struct.Struct("=7d3d4fiI?3xI")
_COUNT = struct.Struct("=I")
_POINT_SIZE, _COLOR_SIZE = 24, 16
#: A text that no other field contains; with its terminator a multiple of 4 bytes.
_TEXT_MARK = "here is the marker's text!!"


class Geometry(NamedTuple):
    """What a marker draws: points [P, 3], m; colors: RGBA (0 to 1) of each drawn point, or None.

    corners [C]: rows of the points (float32) to draw, since triangles share vertices. None: all.
    """

    points: npt.NDArray[np.floating[Any]]
    colors: npt.NDArray[np.floating[Any]] | None = None
    corners: npt.NDArray[np.intp] | None = None

    @property
    def point_count(self) -> int:
        """Number of drawn points."""
        return len(self.points if self.corners is None else self.corners)

    @property
    def byte_count(self) -> int:
        """Bytes of the points, the number of colours, and the colours."""
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
    """Writes MarkerArrays as bytes. An array of the same size as the last reuses its memory.

    Points are written straight into the message: joining pieces would copy megabytes once more.
    """

    def __init__(self) -> None:
        self._memory = io.BytesIO()

    def serialized(self, markers: Sequence[MarkerFields], header: Header) -> bytes:
        """CDR bytes of a MarkerArray whose markers all have this header. The content of padding is
        undefined, as in rclpy's.

        Raises ValueError for a geometry without points, or with another number of colours.
        """
        behind_colors, behind_text = _constant_parts()
        start = cdr.header(header)
        pieces: list[bytes | Geometry] = [cdr.ENCAPSULATION, cdr.count(len(markers))]
        at = _COUNT.size
        for marker in markers:
            geometry = marker.geometry
            head = bytes(-at % 4) + start + cdr.string(marker.ns)
            head += _NUMBERS.pack(marker.id, marker.type, marker.action)
            # A marker starts at any multiple of 4. The pose is aligned to 8, and so are the points,
            # since the block from the pose on has 14 times 8 bytes.
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
        # Bytes that a caller still holds never change: BytesIO then copies before it writes.
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
    """Write the points, the number of colours, and the colours."""
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
    """The fields between a marker's colours and its text, and those after the text, with their
    defaults as rclpy serialises them. Their bytes do not depend on their offset: all are aligned
    to 4 or less, and they start at multiples of 4."""
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
