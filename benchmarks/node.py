"""Measures mesh_node's time per frame without the network, in the node's worker function.

The node is real, with its publishers; another process subscribes. The network runs and is timed; a
given number of people is planted in its maps.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import rclpy
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.serialization import serialize_message
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from benchmarks.model import Model
from benchmarks.planted import planted_estimator
from benchmarks.report import Row, Section
from benchmarks.stages import noise_image
from benchmarks.timing import Case, Samples, Spread, Stopwatch, interleaved, total
from benchmarks.topics import REST_S, listening
from icl_mesh.engine import create_engine
from icl_mesh.estimator import Estimator
from icl_mesh.geometry.camera import Camera
from icl_mesh.people import People
from icl_mesh.tracking.tracker import Tracker, Tracks
from icl_mesh_ros.inputs.conversions import image_from_rgb
from icl_mesh_ros.inputs.raw_image import image_from_cdr
from icl_mesh_ros.nodes.mesh_node import MeshNode
from icl_mesh_ros.outputs.markers import MESHES, HumanMarkers, MarkerStyle, rgba
from icl_mesh_ros.pipeline.model_store import ModelStore, SharedModel

PEOPLE = (1, 4, 8)
MARKERS = ("off", "on")
WIDTH, HEIGHT = 640, 480
FRAME_PERIOD_NS = 33_333_333
FULL_MESHES = MarkerStyle(mesh="full", labels=False)
#: Point objects are slow: repetitions are divided by this.
SLOW_SHARE = 4
#: Steps of a frame outside the estimator.
NODE_STEPS = ("receive", "convert", "track", "messages")


def measure_node(
    model: Model, repetitions: int, people: Sequence[int] = PEOPLE
) -> tuple[Section, Section]:
    """The node's time per frame, and its markers against Point objects."""
    namespace = f"/benchmark_{os.getpid()}"
    places = {(c, m): f"{namespace}/people_{c}/markers_{m}" for c in people for m in MARKERS}
    own_topic = f"{namespace}/humans/markers"
    topics = [f"{place}/humans" for place in places.values()]
    topics += [f"{place}/humans/markers" for (_, m), place in places.items() if m == "on"]
    engine = create_engine("auto", model.network, "cpu", model.input_size)
    estimators = {
        count: planted_estimator(model, model.input_size, count, engine) for count in people
    }
    with listening([*topics, own_topic]) as listener:
        node = rclpy.create_node("benchmark")
        publisher = node.create_publisher(MarkerArray, own_topic, 1)
        frames = {key: NodeFrames(estimators[key[0]], place) for key, place in places.items()}
        listener.wait(node)
        measured = interleaved({key: one.case for key, one in frames.items()}, repetitions)
        ways = {"bytes": bytes_case, "objects": objects_case}
        both = {
            (way, count): make_case(publisher, tracks_of(estimator))
            for count, estimator in estimators.items()
            for way, make_case in ways.items()
        }
        fewer = max(1, repetitions // SLOW_SHARE)
        markers = interleaved(both, fewer, warm_up=1)
        for one in frames.values():
            one.destroy()
        node.destroy_node()
    return _frames_section(measured), _markers_section(people, markers, fewer)


class NodeFrames:
    """A mesh_node whose estimator always finds the same people. Measures its frames."""

    def __init__(self, estimator: Estimator, namespace: str) -> None:
        self._model = _ObservedModel(estimator)
        models: Any = _OneModel(self._model)
        full = [Parameter("marker_mesh", value="full")]
        self._node = MeshNode(namespace=namespace, models=models, parameter_overrides=full)
        self._stamps = itertools.count(FRAME_PERIOD_NS, FRAME_PERIOD_NS)
        image = image_from_rgb(noise_image(WIDTH, HEIGHT), Header(frame_id="camera"))
        image.encoding = "bgr8"  # what most camera drivers send; rgb8 would need no conversion
        self._on_the_wire = serialize_message(image)

    def case(self) -> Mapping[str, float]:
        """Times of one frame by step, from the serialised image to published messages, ms."""
        time.sleep(REST_S)
        watch = Stopwatch()
        image = image_from_cdr(self._on_the_wire, "image")
        seconds, nanoseconds = divmod(next(self._stamps), 10**9)
        image.header.stamp = Time(sec=seconds, nanosec=nanoseconds)
        watch.lap("receive")
        self._node.work_on(image)
        watch.lap("messages")
        stages = self._model.times
        watch.times["messages"] -= sum(stages.values())
        return {"receive": watch.times["receive"], **stages, "messages": watch.times["messages"]}

    def destroy(self) -> None:
        self._node.destroy_node()


class _ObservedModel(SharedModel):
    """Keeps the times of the current frame by stage, which estimator and node fill."""

    times: dict[str, float]

    def __call__(
        self, *arguments: Any, times: dict[str, float] | None = None, **options: Any
    ) -> People:
        self.times = {} if times is None else times
        return super().__call__(*arguments, times=self.times, **options)


class _OneModel(ModelStore):
    """Returns the same model for all arguments."""

    def __init__(self, model: SharedModel) -> None:
        super().__init__()
        self._model = model

    def load(self, weights: str, body: str, device: str, engine: str) -> SharedModel:
        return self._model


def tracks_of(estimator: Estimator) -> Tracks:
    """One frame's people with their meshes."""
    image = noise_image(WIDTH, HEIGHT)
    people = estimator(image, Camera.assumed(WIDTH, HEIGHT), vertices=True)
    return Tracker().update(people, 1.0)


def bytes_case(publisher: Publisher, tracks: Tracks) -> Case:
    """Markers as the node publishes them."""
    maker, header = HumanMarkers(), Header(frame_id="camera")

    def publish() -> None:
        publisher.publish(maker.serialized(tracks, header, FULL_MESHES))

    return _after_a_rest(publish)


def objects_case(publisher: Publisher, tracks: Tracks) -> Case:
    """The same markers with a Point object for every corner of every triangle."""
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
            red, green, blue, alpha = rgba(person, 0.9)
            marker.color = ColorRGBA(r=red, g=green, b=blue, a=alpha)
            marker.lifetime = Duration(sec=1)
            marker.points = [Point(x=x, y=y, z=z) for x, y, z in mesh[corners].tolist()]
            message.markers.append(marker)
        publisher.publish(message)

    return _after_a_rest(publish)


def _after_a_rest(publish: Callable[[], None]) -> Case:
    def case() -> Mapping[str, float]:
        time.sleep(REST_S)
        watch = Stopwatch()
        publish()
        watch.lap("time")
        return watch.times

    return case


def _frames_section(measured: Mapping[tuple[int, str], Mapping[str, Samples]]) -> Section:
    rows = []
    for (count, markers), steps in measured.items():
        own = {step: samples for step, samples in steps.items() if step != "network"}
        values = {
            "total (ms)": Spread.of(total(own)),
            "without the estimator (ms)": Spread.of(total({s: own[s] for s in NODE_STEPS})),
            "over the network": Spread.of(total(own) / steps["network"]),
            **{f"{step} (ms)": Spread.of(samples) for step, samples in own.items()},
        }
        rows.append(Row({"people": count, "markers": markers}, values))
    note = (
        f"Everything but the network, for {WIDTH}x{HEIGHT} bgr8 images, in mesh_node's own worker "
        "function: from the serialised image to published humans and, where markers are on, full "
        "meshes and labels for RViz; messages: made and published. A second process subscribes. "
        "Without the estimator: receive, convert, track and messages alone. The ratio is to the "
        "network in the same frame."
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
