"""People as RViz markers (visualization_msgs/MarkerArray): meshes, skeletons and labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker

from icl_mesh.body import BodyModel
from icl_mesh.body.reduction import reduced_faces
from icl_mesh.colors import person_color
from icl_mesh.human_fields import track_ids, vertices_of
from icl_mesh.tracking import Tracks
from icl_mesh_ros.marker_bytes import Geometry, serialize_markers

MESHES, SKELETONS, LABELS = "humans", "skeletons", "labels"
#: People who are only predicted show through.
OCCLUDED_OPACITY = 0.4
BONE_WIDTH_M = 0.03
LABEL_HEIGHT_M = 0.18
#: How far above the joint at the base of the skull a label stands, m.
LABEL_ABOVE_HEAD_M = 0.35
HEAD = 15
_GREY = 0.55


@dataclass(frozen=True)
class MarkerStyle:
    """What is drawn. mesh: "full", "reduced" or "none"; lifetime_s 0: markers stay."""

    mesh: str = "reduced"
    skeleton: bool = False
    labels: bool = True
    alpha: float = 0.9
    lifetime_s: float = 1.0


def color_of(person: int, alpha: float) -> ColorRGBA:
    """The colour of a person's id, the same as in overlays."""
    red, green, blue = (channel / 255 for channel in person_color(person))
    return ColorRGBA(r=red, g=green, b=blue, a=alpha)


class HumanMarkers:
    """Turns tracked people into the bytes of a MarkerArray, and remembers what RViz still shows."""

    def __init__(self) -> None:
        self._shown: set[tuple[str, int]] = set()
        self._reduced: tuple[BodyModel, npt.NDArray[np.int32]] | None = None
        self._points = np.empty((0, 0, 3))

    def serialized(self, tracks: Tracks, header: Header, style: MarkerStyle) -> bytes:
        """CDR bytes of a MarkerArray: up to three markers per person, each under the person's id
        in a namespace of its kind, and DELETE for what is no longer there.

        tracks: with vertices_m where style.mesh asks for a mesh. header: of their image.
        Publisher.publish takes the bytes.
        """
        ids = track_ids(tracks.people).tolist()
        opacity = np.where(tracks.detected, style.alpha, OCCLUDED_OPACITY * style.alpha).tolist()
        drawn: list[tuple[Marker, Geometry | None]] = []
        for kind in self._kinds(tracks, style):
            for i, geometry in enumerate(kind.geometries):
                marker = _marker(header, kind.namespace, ids[i], opacity[i], style.lifetime_s)
                marker.type = kind.type
                marker.scale.x = marker.scale.y = marker.scale.z = kind.scale
                if kind.type == Marker.TEXT_VIEW_FACING:
                    _fill_label(marker, tracks, i)
                drawn.append((marker, geometry))
        now = {(marker.ns, marker.id) for marker, _ in drawn}
        for namespace, person in sorted(self._shown - now):
            gone = Marker(header=header, ns=namespace, id=person, action=Marker.DELETE)
            drawn.append((gone, None))
        self._shown = now
        return serialize_markers(drawn)

    def forget(self) -> None:
        """Nobody has been listening: whoever listens next starts with an empty scene."""
        self._shown.clear()

    def _kinds(self, tracks: Tracks, style: MarkerStyle) -> Iterator[_Kind]:
        people = tracks.people
        if style.mesh != "none":
            corners = self._faces(people.body, style.mesh).ravel().astype(np.intp)
            meshes = [Geometry(points) for points in self._gathered(vertices_of(people), corners)]
            yield _Kind(MESHES, Marker.TRIANGLE_LIST, 1.0, meshes)
        if style.skeleton:
            bones = [_bones(tracks, i, style.alpha) for i in range(len(people))]
            yield _Kind(SKELETONS, Marker.LINE_LIST, BONE_WIDTH_M, bones)
        if style.labels:
            nothing: list[Geometry | None] = [None] * len(people)
            yield _Kind(LABELS, Marker.TEXT_VIEW_FACING, LABEL_HEIGHT_M, nothing)

    def _gathered(
        self, meshes: npt.NDArray[np.float32], corners: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.float64]:
        """Corners [P] of meshes [N, V, 3] -> [N, P, 3], in memory that the next frame takes again:
        fresh pages for megabytes cost several times as much as filling them."""
        shape = (len(meshes), len(corners), 3)
        if self._points.shape != shape:
            self._points = np.empty(shape)
        for mesh, points in zip(meshes, self._points, strict=True):
            np.take(mesh.astype(np.float64), corners, axis=0, out=points, mode="clip")
        return self._points

    def _faces(self, body: BodyModel, mesh: str) -> npt.NDArray[np.int32]:
        if mesh == "full":
            return body.faces
        if self._reduced is None or self._reduced[0] is not body:
            self._reduced = body, reduced_faces(body)
        return self._reduced[1]


@dataclass(frozen=True)
class _Kind:
    """One kind of marker, with a geometry per person."""

    namespace: str
    type: int
    scale: float
    geometries: list[Geometry] | list[Geometry | None]


def _marker(header: Header, namespace: str, person: int, alpha: float, lifetime_s: float) -> Marker:
    marker = Marker(header=header, ns=namespace, id=person, action=Marker.ADD)
    marker.color = color_of(person, alpha)
    nanoseconds = round(lifetime_s * 1e9)
    marker.lifetime = Duration(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)
    return marker


def _fill_label(marker: Marker, tracks: Tracks, row: int) -> None:
    """Id and distance; "~" before a distance that rests on an assumed focal length."""
    x, y, z = tracks.people.joints_m[row, HEAD].tolist()
    marker.pose.position = Point(x=x, y=y - LABEL_ABOVE_HEAD_M, z=z)
    about = "~" if tracks.people.camera.focal_assumed else ""
    distance = float(np.linalg.norm(tracks.position_m[row]))
    hidden = "" if tracks.detected[row] else " (hidden)"
    marker.text = f"{marker.id}: {about}{distance:.1f} m{hidden}"


def _bones(tracks: Tracks, row: int, alpha: float) -> Geometry:
    """The skeleton as line segments; joints fade to grey as their confidence falls."""
    people = tracks.people
    children = np.arange(1, len(people.body.parents))
    ends = np.stack((np.asarray(people.body.parents)[1:], children), axis=1).ravel()
    sure = people.joint_confidence[row, ends, None].astype(np.float64)
    own = np.array(person_color(int(track_ids(people)[row]))) / 255
    rgb = sure * own + (1 - sure) * _GREY
    return Geometry(
        people.joints_m[row, ends],
        np.concatenate((rgb, alpha * (0.25 + 0.75 * sure)), axis=1),
    )
