"""People as RViz markers (visualization_msgs/MarkerArray): meshes, skeletons and labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from icl_mesh.body import BodyModel
from icl_mesh.body.reduction import reduced_faces
from icl_mesh.formats.human import track_ids, vertices_of
from icl_mesh.io.colors import person_color
from icl_mesh.tracking.tracker import Tracks, TrackState
from icl_mesh_ros.outputs.marker_bytes import Geometry, MarkerFields, MarkerWriter

MESHES, SKELETONS, LABELS = "humans", "skeletons", "labels"
#: Opacity of predicted people, relative to the style's.
OCCLUDED_OPACITY = 0.4
BONE_WIDTH_M = 0.03
LABEL_HEIGHT_M = 0.18
#: Height of a label's centre above the joint at the base of the skull, m.
LABEL_ABOVE_HEAD_M = 0.35
HEAD = 15
_GREY = 0.55


@dataclass(frozen=True)
class MarkerStyle:
    """What is drawn. mesh: "full", "reduced" or "none". lifetime_s: 0: markers stay."""

    mesh: str = "reduced"
    skeleton: bool = False
    labels: bool = True
    alpha: float = 0.9
    lifetime_s: float = 1.0


def rgba(person: int, alpha: float) -> tuple[float, float, float, float]:
    """The RGBA colour (0 to 1) of a person's id, as in overlays."""
    red, green, blue = (channel / 255 for channel in person_color(person))
    return red, green, blue, alpha


class HumanMarkers:
    """Converts tracked people to MarkerArrays, and remembers which markers RViz still shows."""

    def __init__(self) -> None:
        self._shown: set[tuple[str, int]] = set()
        self._corners: tuple[BodyModel, str, npt.NDArray[np.intp]] | None = None
        self._writer = MarkerWriter()

    def serialized(self, tracks: Tracks, header: Header, style: MarkerStyle) -> bytes:
        """CDR bytes of a MarkerArray, for Publisher.publish: up to three markers per person, and a
        DELETE for each marker that is gone. A marker's id is the person's; its ns is its kind.

        tracks: with vertices_m unless style.mesh is "none". header: of their image.
        """
        ids = track_ids(tracks.people).tolist()
        hidden = OCCLUDED_OPACITY * style.alpha
        colors = [
            rgba(person, hidden if state == TrackState.OCCLUDED else style.alpha)
            for person, state in zip(ids, tracks.state.tolist(), strict=True)
        ]
        lifetime_ns = round(style.lifetime_s * 1e9)
        drawn = [
            MarkerFields(
                ns=kind.namespace,
                id=ids[i],
                type=kind.type,
                position=kind.positions[i] if kind.positions else (0.0, 0.0, 0.0),
                scale=kind.scale,
                color=colors[i],
                lifetime_ns=lifetime_ns,
                text=kind.texts[i] if kind.texts else "",
                geometry=kind.geometries[i] if kind.geometries else None,
            )
            for kind in self._kinds(tracks, style)
            for i in range(len(ids))
        ]
        now = {(marker.ns, marker.id) for marker in drawn}
        drawn += [
            MarkerFields(ns=namespace, id=person, action=Marker.DELETE)
            for namespace, person in sorted(self._shown - now)
        ]
        self._shown = now
        return self._writer.serialized(drawn, header)

    def forget(self) -> None:
        """Forget the shown markers: the next subscriber starts with an empty scene."""
        self._shown.clear()

    def _kinds(self, tracks: Tracks, style: MarkerStyle) -> Iterator[_Kind]:
        people = tracks.people
        if style.mesh != "none":
            corners = self._corners_of(people.body, style.mesh)
            meshes = [Geometry(mesh, corners=corners) for mesh in vertices_of(people)]
            yield _Kind(MESHES, Marker.TRIANGLE_LIST, 1.0, meshes)
        if style.skeleton:
            bones = [_bones(tracks, i, style.alpha) for i in range(len(people))]
            yield _Kind(SKELETONS, Marker.LINE_LIST, BONE_WIDTH_M, bones)
        if style.labels:
            heads = people.joints_m[:, HEAD].astype(np.float64)
            heads[:, 1] -= LABEL_ABOVE_HEAD_M  # y points down
            positions = [(x, y, z) for x, y, z in heads.tolist()]
            yield _Kind(
                *(LABELS, Marker.TEXT_VIEW_FACING, LABEL_HEIGHT_M),
                positions=positions,
                texts=_labels(tracks),
            )

    def _corners_of(self, body: BodyModel, mesh: str) -> npt.NDArray[np.intp]:
        """Vertex indices [C] of the triangles, three each."""
        kept = self._corners
        if kept is None or kept[0] is not body or kept[1] != mesh:
            faces = body.faces if mesh == "full" else reduced_faces(body)
            self._corners = kept = body, mesh, faces.ravel().astype(np.intp)
        return kept[2]


@dataclass(frozen=True)
class _Kind:
    """One kind of marker. A list is empty or has one entry per person."""

    namespace: str
    type: int
    scale: float
    geometries: list[Geometry] = field(default_factory=list)
    positions: list[tuple[float, float, float]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def _labels(tracks: Tracks) -> list[str]:
    """Id and distance; "~" marks a distance from an assumed focal length."""
    about = "~" if tracks.people.camera.focal_assumed else ""
    ids = track_ids(tracks.people).tolist()
    distances = np.linalg.norm(tracks.position_m, axis=1).tolist()
    return [
        f"{person}: {about}{distance:.1f} m{'' if seen else ' (hidden)'}"
        for person, distance, seen in zip(ids, distances, tracks.detected.tolist(), strict=True)
    ]


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
