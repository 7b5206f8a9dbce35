"""What `icl-mesh bag` does: every image of a bag, none dropped, to a bag of people."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from icl_mesh.appearance import looks_of
from icl_mesh.bag.topics import IMAGE, CameraInfos, image_connections, info_topic_of
from icl_mesh.bag.types import BODY_MODEL, HUMAN_ARRAY, body_model, human_array, make_typestore
from icl_mesh.calibration import camera_from_info
from icl_mesh.estimator import Estimator
from icl_mesh.pixels import rgb_from_compressed, rgb_from_image
from icl_mesh.tracking import Tracker, Tracks

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader
    from rosbags.interfaces import Connection
    from rosbags.rosbag2 import Writer
    from rosbags.typesys.store import Typestore


def convert(options: argparse.Namespace) -> int:
    """Run over the bag that the command line names; 1 if any image failed, else 0.

    Raises ValueError or FileNotFoundError where nothing could be done.
    """
    if options.out.exists():
        raise ValueError(f"{options.out} exists already: choose another name, or remove it")
    typestore = make_typestore()
    with open_bag(options.input, typestore) as reader:
        images = image_connections(reader, options.image_topic)
        if options.copy:
            _check_names(reader, options.humans_topic)
        info_topic = options.camera_info_topic or info_topic_of(images[0].topic)
        infos = CameraInfos(reader, info_topic)
        estimator = Estimator.load(options.weights, options.body, options.device, options.engine)
        frames = _Frames(options, estimator, infos)
        with _writer(options) as writer:
            people = _Output(writer, typestore, options, estimator)
            failed = _run(reader, images, frames, people)
    print(frames.summary(failed, options.out))
    return 1 if failed else 0


def _check_names(reader: AnyReader, humans_topic: str) -> None:
    """Raise ValueError where copied people would lie among the new ones."""
    names = {connection.topic for connection in reader.connections}
    taken = sorted(names & {humans_topic, f"{humans_topic}/body_model"})
    if taken:
        raise ValueError(
            f"the bag has {' and '.join(taken)} already: choose another --humans-topic, or leave "
            "--copy out"
        )


def _run(reader: AnyReader, images: list[Connection], frames: _Frames, output: _Output) -> int:
    """Returns how many images failed."""
    failed = 0
    count = sum(connection.msgcount for connection in images)
    chosen = {connection.id for connection in images}
    kept = reader.connections if output.copies else images
    with tqdm(total=count, unit="image") as bar:
        for connection, time_ns, data in reader.messages(connections=kept):
            if output.copies:
                output.copy(connection, time_ns, data)
            if connection.id not in chosen:
                continue
            bar.update()
            try:
                message = _read(reader, connection, data)
                tracks = frames(message, connection, time_ns)
            except ValueError as error:  # one broken image among thousands must not cost the others
                failed += 1
                tqdm.write(str(error), file=sys.stderr)
            else:
                output.write(tracks, message.header, time_ns)
    return failed


def _read(reader: AnyReader, connection: Connection, data: bytes) -> Any:
    """The image message. Raises ValueError where its bytes are cut off or damaged."""
    try:
        return reader.deserialize(data, connection.msgtype)
    except Exception as error:  # rosbags reads with numpy and struct, and hands on their errors
        raise ValueError(
            f"a message on '{connection.topic}' of {len(data)} bytes is damaged: {error}"
        ) from error


class _Frames:
    """Image message -> tracks, as the node has them."""

    def __init__(
        self, options: argparse.Namespace, estimator: Estimator, infos: CameraInfos
    ) -> None:
        self._options, self._estimator, self._infos = options, estimator, infos
        self._tracker = Tracker(options.track_timeout, smoothing_s=options.smoothing)
        self._notes: set[str] = set()
        self._seen = Counter[str]()

    def __call__(self, message: Any, connection: Connection, time_ns: int) -> Tracks:
        convert = rgb_from_image if connection.msgtype == IMAGE else rgb_from_compressed
        rgb = convert(message, connection.topic)
        height, width = rgb.shape[:2]
        source = camera_from_info(
            self._infos.find(width, height, time_ns),
            width,
            height,
            assumed_fov_deg=self._options.fov_deg,
            rectified=self._options.rectified,
            topic=self._infos.topic,
        )
        self._say(source.note, source.warning)
        people = self._estimator(
            rgb,
            source.camera,
            vertices=self._options.vertices,
            threshold=self._options.threshold,
        )
        stamp = message.header.stamp
        # A camera without a clock stamps 0: then the time of recording counts.
        stamp_s = stamp.sec + stamp.nanosec * 1e-9 or time_ns * 1e-9
        looks = looks_of(rgb, people)
        tracks = self._tracker.update(people, stamp_s, looks, frame_id=message.header.frame_id)
        self._seen.update(images=1, people=int(tracks.detected.sum()))
        return tracks

    def summary(self, failed: int, out: Path) -> str:
        """One line for the end."""
        broken = f", {failed} images failed" if failed else ""
        return (
            f"{self._seen['images']} images, {self._seen['people']} people in them{broken}: "
            f"written to {out}"
        )

    def _say(self, *notes: str) -> None:
        """Where the camera comes from, and what is wrong with that, once."""
        for note in notes:
            if note and note not in self._notes:
                self._notes.add(note)
                tqdm.write(note, file=sys.stderr)


class _Output:
    """The bag that is written."""

    def __init__(
        self, writer: Writer, typestore: Typestore, options: argparse.Namespace, model: Estimator
    ) -> None:
        self.copies: bool = options.copy
        self._writer, self._typestore = writer, typestore
        self._with_vertices: bool = options.vertices
        self._copied: dict[int, Connection] = {}
        topic = options.humans_topic
        self._humans = writer.add_connection(topic, HUMAN_ARRAY, typestore=typestore)
        self._bodies = writer.add_connection(
            f"{topic}/body_model",
            BODY_MODEL,
            typestore=typestore,
            offered_qos_profiles=[_latched()],
        )
        self._model: Estimator | None = model

    def copy(self, connection: Connection, time_ns: int, data: bytes) -> None:
        """A message of the input, as it is."""
        if connection.id not in self._copied:
            self._copied[connection.id] = self._writer.add_connection(
                connection.topic,
                connection.msgtype,
                msgdef=connection.msgdef.data or None,
                typestore=self._typestore,
                rihs01=connection.digest or None,
                offered_qos_profiles=getattr(connection.ext, "offered_qos_profiles", ()),
            )
        self._writer.write(self._copied[connection.id], time_ns, data)

    def write(self, tracks: Tracks, header: Any, time_ns: int) -> None:
        """People under the image's header, at the time at which the image was recorded."""
        if self._model is not None:  # latched: once, before the first people
            message = body_model(self._typestore, self._model.body, self._model.weights_version)
            self._put(self._bodies, time_ns, message)
            self._model = None
        people = human_array(self._typestore, tracks, header, with_vertices=self._with_vertices)
        self._put(self._humans, time_ns, people)

    def _put(self, connection: Connection, time_ns: int, message: Any) -> None:
        data = self._typestore.serialize_cdr(message, connection.msgtype)
        self._writer.write(connection, time_ns, data)


@contextmanager
def open_bag(path: Path, typestore: Typestore) -> Iterator[AnyReader]:
    """A rosbag2 folder, or a .mcap or .db3 file in one. Raises FileNotFoundError or ValueError."""
    from rosbags.highlevel import AnyReader, AnyReaderError

    if not path.exists():
        raise FileNotFoundError(f"{path}: no such bag")
    if path.suffix == ".bag":
        raise ValueError(f"{path} is a bag of ROS 1: rosbags-convert makes a rosbag2 of it")
    if path.is_dir() and not (path / "metadata.yaml").is_file():
        raise ValueError(
            f"{path} is no rosbag2: it has no metadata.yaml (ros2 bag reindex makes one)"
        )
    try:
        with AnyReader([path], default_typestore=typestore) as reader:
            yield reader
    except AnyReaderError as error:
        raise ValueError(f"{path}: not a bag that rosbags can read: {error}") from error


@contextmanager
def _writer(options: argparse.Namespace) -> Iterator[Writer]:
    from rosbags.rosbag2 import StoragePlugin, Writer

    storage = options.storage
    if storage == "same":
        storage = "mcap" if _is_mcap(options.input) else "sqlite3"
    options.out.parent.mkdir(parents=True, exist_ok=True)
    plugin = StoragePlugin.MCAP if storage == "mcap" else StoragePlugin.SQLITE3
    with Writer(options.out, version=Writer.VERSION_LATEST, storage_plugin=plugin) as writer:
        yield writer


def _is_mcap(bag: Path) -> bool:
    return bag.suffix == ".mcap" or (bag.is_dir() and any(bag.glob("*.mcap*")))


def _latched() -> Any:
    """As the node publishes humans/body_model: players keep it for those who come late."""
    from rosbags.interfaces import (
        Qos,
        QosDurability,
        QosHistory,
        QosLiveliness,
        QosReliability,
        QosTime,
    )

    never = QosTime(sec=9223372036, nsec=854775807)  # rmw's RMW_DURATION_INFINITE
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=1,
        reliability=QosReliability.RELIABLE,
        durability=QosDurability.TRANSIENT_LOCAL,
        deadline=never,
        lifespan=never,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=never,
        avoid_ros_namespace_conventions=False,
    )
