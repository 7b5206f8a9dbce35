"""Runs `icl-mesh bag`: converts every image of a bag to people in a new bag."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
from tqdm import tqdm

from icl_mesh.bag.depth import DepthImages
from icl_mesh.bag.files import latched, new_bag, open_bag, read_raw
from icl_mesh.bag.topics import (
    IMAGE,
    CameraInfos,
    image_connections,
    info_topic_of,
    read_message,
)
from icl_mesh.bag.types import BODY_MODEL, HUMAN_ARRAY, body_model, human_array, make_typestore
from icl_mesh.depth.correction import SCALES, DepthCorrection
from icl_mesh.estimator import Estimator
from icl_mesh.formats.camera_info import camera_from_info
from icl_mesh.formats.image_decoding import rgb_from_compressed, rgb_from_image
from icl_mesh.formats.sample_bits import SampleBits
from icl_mesh.io.wording import MESSAGE, kind_of, shown
from icl_mesh.tracking.appearance import appearance_features
from icl_mesh.tracking.image_times import ImageTimes, nanoseconds
from icl_mesh.tracking.stream_watch import StreamWatch
from icl_mesh.tracking.tracker import Tracker, Tracks

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader
    from rosbags.interfaces import Connection
    from rosbags.rosbag2 import Writer
    from rosbags.typesys.store import Typestore


def convert(options: argparse.Namespace) -> int:
    """Convert the bag that the command line names. Returns 1 if any image failed, else 0.

    Raises ValueError or FileNotFoundError where nothing could be done.
    """
    if options.out.exists():
        raise ValueError(f"{options.out} exists already: choose another name, or remove it")
    if not 0 <= options.depth_tolerance <= 1:
        raise ValueError(
            f"--depth-tolerance must lie between 0 and 1 s, got {options.depth_tolerance:g}"
        )
    if not SCALES[0] <= options.depth_scale <= SCALES[1]:
        raise ValueError(
            f"--depth-scale must lie between {SCALES[0]:g} and {SCALES[1]:g}, got "
            f"{options.depth_scale:g}"
        )
    typestore = make_typestore()
    with ExitStack() as opened:
        reader = opened.enter_context(open_bag(options.input, typestore))
        images = image_connections(reader, options.image_topic, options.depth_topic)
        if options.copy:
            _check_names(reader, options.humans_topic)
        info_topic = options.camera_info_topic or info_topic_of(images[0].topic)
        infos = CameraInfos(reader, info_topic)
        depths = None
        if options.depth_topic is not None:
            depth_reader = opened.enter_context(open_bag(options.input, typestore))
            depths = DepthImages(depth_reader, options.depth_topic)
        estimator = Estimator.load(
            options.weights,
            options.body,
            options.device,
            options.engine,
            refine=options.refine == "all",
        )
        frames = _Frames(options, images[0].topic, estimator, infos, depths)
        with new_bag(options.out, options.storage, like=options.input) as writer:
            people = _Output(writer, typestore, options, estimator)
            failed = _run(reader, images, frames, people)
    print(frames.summary(failed, options.out))
    return 1 if failed else 0


def _check_names(reader: AnyReader, humans_topic: str) -> None:
    """Raise ValueError where copied people and new people would share a topic."""
    names = {connection.topic for connection in reader.connections}
    taken = sorted(names & {humans_topic, f"{humans_topic}/body_model"})
    if taken:
        raise ValueError(
            f"the bag has {' and '.join(taken)} already: choose another --humans-topic, or leave "
            "--copy out"
        )


def _run(reader: AnyReader, images: list[Connection], frames: _Frames, output: _Output) -> int:
    """Convert all images. Returns how many failed or are missing."""
    failed = seen = 0
    count = sum(connection.msgcount for connection in images)
    chosen = {connection.id for connection in images}
    kept = reader.connections if output.copies else images
    with tqdm(total=count, unit="image") as bar:
        try:
            for connection, time_ns, data in read_raw(reader, kept):
                if output.copies:
                    output.copy(connection, time_ns, data)
                if connection.id not in chosen:
                    continue
                bar.update()
                seen += 1
                # One broken image must not stop the conversion of the others.
                try:
                    message = read_message(reader, connection, time_ns, data)
                    tracks = frames(message, connection, time_ns)
                except (ValueError, RuntimeError, MemoryError, cv2.error) as error:
                    failed += 1
                    frames.say(str(error) or "out of memory")
                else:
                    output.write(tracks, message.header, time_ns)
        except ValueError as error:  # a damaged end must not cost what precedes it
            tqdm.write(shown(error, MESSAGE), file=sys.stderr)
    if seen < count:
        print(f"the bag holds only {seen} of the {count} images that it lists", file=sys.stderr)
    return failed + max(0, count - seen)


class _Frames:
    """Image message -> tracks, computed as in the node."""

    def __init__(
        self,
        options: argparse.Namespace,
        topic: str,
        estimator: Estimator,
        infos: CameraInfos,
        depths: DepthImages | None,
    ) -> None:
        self._options, self._estimator = options, estimator
        self._infos, self._depths = infos, depths
        self._correct: DepthCorrection | None = None
        if depths is not None:
            remedy = "raise --depth-tolerance, or leave --depth-topic out"
            store = depths.store
            self._correct = DepthCorrection(store, remedy=remedy, scale_option="--depth-scale")
        self._unmeasured = ""
        least = 0.0 if options.threshold else getattr(estimator, "track_threshold", 0.0)
        self._tracker = Tracker(
            options.track_timeout, smoothing_s=options.smoothing, start_score=least
        )
        self._bits, self._times = SampleBits(), ImageTimes()
        self._watch = StreamWatch(topic)
        self._said: set[str] = set()
        self._seen = Counter[str]()

    def __call__(self, message: Any, connection: Connection, time_ns: int) -> Tracks:
        convert = rgb_from_image if connection.msgtype == IMAGE else rgb_from_compressed
        rgb = convert(message, connection.topic, self._bits)
        self.say(self._bits.take_note())
        height, width = rgb.shape[:2]
        source = camera_from_info(
            self._infos.find(width, height, time_ns),
            width,
            height,
            assumed_fov_deg=self._options.fov_deg,
            rectified=self._options.rectified,
            topic=self._infos.topic,
        )
        self.say(source.note)
        for kind, text in source.warnings.items():
            self.say(text, kind=kind)
        people = self._estimator(
            rgb,
            source.camera,
            vertices=self._options.vertices or self._depths is not None,
            threshold=self._options.threshold,
        )
        stamp_ns = nanoseconds(message.header.stamp)
        if self._depths is not None and self._correct is not None:
            self._depths.read_up_to(stamp_ns, time_ns)
            scale, tolerance_s = self._options.depth_scale, self._options.depth_tolerance
            depth = self._correct(people, stamp_ns, tolerance_s, scale)
            people, self._unmeasured = depth.people, depth.unmeasured or self._unmeasured
            self.say(depth.warning or depth.error)
        # A camera without a clock stamps 0; the time of recording replaces it.
        stamp_s = self._times(stamp_ns, time_ns * 1e-9)
        features = appearance_features(rgb, people)
        tracks = self._tracker.update(people, stamp_s, features, frame_id=message.header.frame_id)
        if tracks.lost_because:
            self.say(f"tracks start afresh, with new ids: {tracks.lost_because}")
        self._watch.see(message.header)
        self.say(*self._watch.take_oddities().values())
        self._seen.update(images=1, people=len(people))
        self._seen.update(measured=int(people.distance_from_depth.sum()))
        return tracks

    def summary(self, failed: int, out: Path) -> str:
        """The final message."""
        broken = f", {failed} images failed" if failed else ""
        if self._infos.damaged:
            broken += f", {self._infos.damaged} CameraInfo messages damaged"
        measured = "" if self._depths is None else f" ({self._seen['measured']} with depth)"
        if self._unmeasured and not self._seen["measured"]:
            measured = f" (nobody was measured in depth, because {self._unmeasured})"
        images, people = self._seen["images"], self._seen["people"]
        return f"{images} images, {people} people in them{measured}{broken}: written to {out}"

    def say(self, *texts: str, kind: str = "") -> None:
        """Print notes and warnings, each kind once: a bag may hold thousands of such images.

        kind: replaces the kind that wording.kind_of derives from the text.
        """
        for text in filter(None, texts):
            if (key := kind or kind_of(text)) not in self._said:
                self._said.add(key)
                tqdm.write(shown(text, MESSAGE), file=sys.stderr)


class _Output:
    """The bag of people."""

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
            offered_qos_profiles=[latched()],
        )
        self._model: Estimator | None = model

    def copy(self, connection: Connection, time_ns: int, data: bytes) -> None:
        """Copy a message of the input unchanged."""
        if connection.id not in self._copied:
            self._copied[connection.id] = self._writer.add_connection(
                connection.topic,
                connection.msgtype,
                msgdef=connection.msgdef.data or None,
                typestore=self._typestore,
                rihs01=connection.digest or None,
                offered_qos_profiles=getattr(connection.ext, "offered_qos_profiles", ()),
            )
        self._write(self._copied[connection.id], time_ns, data)

    def write(self, tracks: Tracks, header: Any, time_ns: int) -> None:
        """Write people with the image's header and recording time."""
        if self._model is not None:  # the latched body model precedes the first people
            message = body_model(self._typestore, self._model.body, self._model.weights_version)
            self._put(self._bodies, time_ns, message)
            self._model = None
        people = human_array(self._typestore, tracks, header, with_vertices=self._with_vertices)
        self._put(self._humans, time_ns, people)

    def _put(self, connection: Connection, time_ns: int, message: Any) -> None:
        self._write(connection, time_ns, self._typestore.serialize_cdr(message, connection.msgtype))

    def _write(self, connection: Connection, time_ns: int, data: bytes | memoryview) -> None:
        try:
            self._writer.write(connection, time_ns, data)
        except Exception as error:  # sqlite raises its own errors for a full disk
            raise OSError(
                f"the new bag cannot be written ({shown(error, 200)}): make room on its disk"
            ) from error
