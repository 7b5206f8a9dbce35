"""What `icl-mesh bag` does: every image of a bag, none dropped, to a bag of people."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
from tqdm import tqdm

from icl_mesh.appearance import looks_of
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
from icl_mesh.calibration import camera_from_info
from icl_mesh.depth_correction import SCALES, DepthCorrection
from icl_mesh.depth_store import nanoseconds
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
            beside = opened.enter_context(open_bag(options.input, typestore))
            depths = DepthImages(beside, options.depth_topic)
        estimator = Estimator.load(options.weights, options.body, options.device, options.engine)
        frames = _Frames(options, estimator, infos, depths)
        with new_bag(options.out, options.storage, like=options.input) as writer:
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
    """Returns how many images failed or are missing."""
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
                # One broken image among thousands must not cost the others.
                try:
                    message = read_message(reader, connection, time_ns, data)
                    tracks = frames(message, connection, time_ns)
                except (ValueError, RuntimeError, MemoryError, cv2.error) as error:
                    failed += 1
                    tqdm.write(str(error) or "out of memory", file=sys.stderr)
                else:
                    output.write(tracks, message.header, time_ns)
        except ValueError as error:  # nor a damaged end what came before it
            tqdm.write(str(error), file=sys.stderr)
    if seen < count:
        print(f"only {seen} of the {count} images that the bag promises are in it", file=sys.stderr)
    return failed + max(0, count - seen)


class _Frames:
    """Image message -> tracks, as the node has them."""

    def __init__(
        self,
        options: argparse.Namespace,
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
        self._say(source.note)
        for kind, text in source.warnings.items():
            self._say(text, kind)
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
            self._say(depth.warning or depth.error)
        # A camera without a clock stamps 0: then the time of recording counts.
        stamp_s = (stamp_ns or time_ns) * 1e-9
        looks = looks_of(rgb, people)
        tracks = self._tracker.update(people, stamp_s, looks, frame_id=message.header.frame_id)
        self._seen.update(images=1, people=len(people))
        self._seen.update(measured=int(people.distance_from_depth.sum()))
        return tracks

    def summary(self, failed: int, out: Path) -> str:
        """One line for the end."""
        broken = f", {failed} images failed" if failed else ""
        if self._infos.damaged:
            broken += f", {self._infos.damaged} CameraInfo messages damaged"
        measured = "" if self._depths is None else f" ({self._seen['measured']} with depth)"
        if self._unmeasured and not self._seen["measured"]:
            measured = f" (nobody was measured in depth, because {self._unmeasured})"
        images, people = self._seen["images"], self._seen["people"]
        return f"{images} images, {people} people in them{measured}{broken}: written to {out}"

    def _say(self, text: str, kind: str = "") -> None:
        """Once. kind: texts of one kind count as the same, where they hold numbers that change."""
        if text and (key := kind or text) not in self._notes:
            self._notes.add(key)
            tqdm.write(text, file=sys.stderr)


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
            offered_qos_profiles=[latched()],
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
        self._write(self._copied[connection.id], time_ns, data)

    def write(self, tracks: Tracks, header: Any, time_ns: int) -> None:
        """People under the image's header, at the time at which the image was recorded."""
        if self._model is not None:  # latched: once, before the first people
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
        except Exception as error:  # sqlite has errors of its own for a full disk
            raise OSError(
                f"the new bag cannot be written ({error}): make room on its disk"
            ) from error
