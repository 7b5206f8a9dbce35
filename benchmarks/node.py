"""What the node adds to a frame: everything but the estimator, over real publishers.

The steps are those of MeshNode's worker, in its order, made of the same public parts; in place of
the estimator stands one that has the people ready. Another process subscribes.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from benchmarks.model import Model
from benchmarks.planted import planted_estimator
from benchmarks.report import Row, Section
from benchmarks.stages import estimator_case, noise_image
from benchmarks.timing import Case, Samples, Spread, Stopwatch, in_turns, total
from benchmarks.topics import Topics, open_topics
from icl_mesh.camera import Camera
from icl_mesh.people import People
from icl_mesh.tracking import Tracker, Tracks
from icl_mesh_ros.camera_info import info_from_camera
from icl_mesh_ros.camera_info_store import CameraInfoStore
from icl_mesh_ros.conversions import image_from_rgb
from icl_mesh_ros.frames import FrameProcessor
from icl_mesh_ros.markers import MESHES, HumanMarkers, MarkerStyle, color_of
from icl_mesh_ros.messages import serialized_humans
from icl_mesh_ros.parameters import MeshParameters

PEOPLE = (1, 4, 8)
CAMERA = Camera(580.0, 580.0, 319.5, 239.5, 640, 480)
FRAME_PERIOD_NS = 33_333_333
FULL_MESHES = MarkerStyle(mesh="full", labels=False)
#: Point objects take so long that fewer repetitions must do.
SLOW_SHARE = 4


def measure_node(
    model: Model, repetitions: int, people: Sequence[int] = PEOPLE
) -> tuple[Section, Section]:
    """The node's own cost per frame, and its markers against Point objects."""
    with open_topics() as topics:
        nodes = {count: FrameSteps(topics, ready_people(model, count)) for count in people}
        cases: dict[tuple[str, int], Case] = {}
        for count, node in nodes.items():
            cases["off", count] = node.case(markers=False)
            cases["on", count] = node.case(markers=True)
            cases["estimator", count] = estimator_case(
                model, model.input_size, (CAMERA.width, CAMERA.height), count
            )
        frames = in_turns(cases, repetitions)
        ways = {"bytes": bytes_case, "objects": objects_case}
        both = {
            (way, count): make_case(topics, node.tracks())
            for count, node in nodes.items()
            for way, make_case in ways.items()
        }
        fewer = max(1, repetitions // SLOW_SHARE)
        markers = in_turns(both, fewer, warm_up=1)
    return _frames_section(people, frames), _markers_section(people, markers, fewer)


def ready_people(model: Model, count: int) -> People:
    """Planted people as the estimator describes them, with meshes."""
    image = noise_image(CAMERA.width, CAMERA.height)
    return planted_estimator(model, model.input_size, count)(image, CAMERA, vertices=True)


class FrameSteps:
    """One node's worker: from the bytes of an image on the wire to published messages."""

    def __init__(self, topics: Topics, people: People) -> None:
        """people: with vertices_m; what the estimator finds in every frame."""
        self._topics = topics
        estimator: Any = _ReadyEstimator(people)
        infos = CameraInfoStore()
        infos.put(info_from_camera(CAMERA, Header()))
        self._processor = FrameProcessor(estimator, Tracker(), infos, "image", "camera_info")
        self._parameters = MeshParameters()
        self._markers = HumanMarkers()
        self._stamps = itertools.count(FRAME_PERIOD_NS, FRAME_PERIOD_NS)
        image = image_from_rgb(noise_image(CAMERA.width, CAMERA.height), Header(frame_id="camera"))
        image.encoding = "bgr8"  # what most camera drivers send; rgb8 would need no conversion
        self._on_the_wire = serialize_message(image)

    def case(self, *, markers: bool) -> Case:
        """A frame, with or without somebody who listens to markers; measures the steps."""

        def case() -> Mapping[str, float]:
            self._topics.rest()
            watch = Stopwatch()
            image = self._receive()
            watch.lap("receive")
            tracks = self._track(image, vertices=markers)
            watch.lap("convert, track")
            humans = serialized_humans(tracks, image.header)
            watch.lap("fill humans")
            self._topics.humans.publish(humans)
            watch.lap("publish humans")
            if markers:
                data = self._markers.serialized(tracks, image.header, FULL_MESHES)
                watch.lap("fill markers")
                self._topics.markers.publish(data)
                watch.lap("publish markers")
            return watch.times

        return case

    def tracks(self) -> Tracks:
        """One frame's people with their meshes."""
        return self._track(self._receive(), vertices=True)

    def _receive(self) -> Image:
        image: Image = deserialize_message(self._on_the_wire, Image)
        seconds, nanoseconds = divmod(next(self._stamps), 10**9)
        image.header.stamp = Time(sec=seconds, nanosec=nanoseconds)
        return image

    def _track(self, image: Image, *, vertices: bool) -> Tracks:
        return self._processor(image, self._parameters, vertices=vertices).tracks


class _ReadyEstimator:
    """Stands in for the estimator: it has found the people already."""

    def __init__(self, people: People) -> None:
        self._with_meshes = people
        self._without = dataclasses.replace(people, vertices_m=None)

    def __call__(self, image: object, camera: Camera, *, vertices: bool, **_: object) -> People:
        return self._with_meshes if vertices else self._without


def bytes_case(topics: Topics, tracks: Tracks) -> Case:
    """Markers as the node publishes them."""
    maker, header = HumanMarkers(), Header(frame_id="camera")

    def publish() -> None:
        topics.markers.publish(maker.serialized(tracks, header, FULL_MESHES))

    return _after_a_rest(topics, publish)


def objects_case(topics: Topics, tracks: Tracks) -> Case:
    """The same markers the plain way: a Point object for every corner of every triangle."""
    header, people = Header(frame_id="camera"), tracks.people
    if people.vertices_m is None or people.track_id is None:
        raise ValueError("markers need tracked people with meshes")
    corners = people.body.faces.ravel()
    meshes, ids = people.vertices_m, people.track_id.tolist()

    def publish() -> None:
        message = MarkerArray()
        for mesh, person in zip(meshes, ids, strict=True):
            marker = Marker(header=header, ns=MESHES, id=person, type=Marker.TRIANGLE_LIST)
            marker.scale.x = marker.scale.y = marker.scale.z = 1.0
            marker.color, marker.lifetime = color_of(person, 0.9), Duration(sec=1)
            marker.points = [Point(x=x, y=y, z=z) for x, y, z in mesh[corners].tolist()]
            message.markers.append(marker)
        topics.markers.publish(message)

    return _after_a_rest(topics, publish)


def _after_a_rest(topics: Topics, publish: Callable[[], None]) -> Case:
    def case() -> Mapping[str, float]:
        topics.rest()
        watch = Stopwatch()
        publish()
        watch.lap("time")
        return watch.times

    return case


def _frames_section(
    people: Sequence[int], measured: Mapping[tuple[str, int], Mapping[str, Samples]]
) -> Section:
    rows = []
    for count in people:
        for markers in ("off", "on"):
            steps = measured[markers, count]
            everything = total(steps)
            share = everything / total(measured["estimator", count])
            values = {f"{step} (ms)": Spread.of(samples) for step, samples in steps.items()}
            values = {
                "total (ms)": Spread.of(everything),
                "over the estimator": Spread.of(share),
                **values,
            }
            rows.append(Row({"people": count, "markers": markers}, values))
    note = (
        f"Everything but the estimator, for {CAMERA.width}x{CAMERA.height} bgr8 images: from the "
        "serialised image to published humans and, where markers are on, full meshes for RViz. A "
        "second process subscribes to both. The ratio is to the estimator in the same turn."
    )
    return Section("node", "Node, per frame", note, rows)


def _markers_section(
    people: Sequence[int],
    measured: Mapping[tuple[str, int], Mapping[str, Samples]],
    repetitions: int,
) -> Section:
    rows = []
    for count in people:
        fast, slow = (measured[way, count]["time"] for way in ("bytes", "objects"))
        values = {
            "as bytes (ms)": Spread.of(fast),
            "as Point objects (ms)": Spread.of(slow),
            "Point objects over bytes": Spread.of(slow / fast),
        }
        rows.append(Row({"people": count}, values))
    note = (
        "Filling and publishing the same meshes as a MarkerArray: as CDR bytes made with numpy, as "
        f"the node does, or as messages full of Point objects. Repetitions: {repetitions}."
    )
    return Section("markers", "Markers against Point objects", note, rows)
