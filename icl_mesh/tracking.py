"""A small 3-D tracker: it gives people ids that last, and hides nobody.

Prediction: constant velocity of the pelvis (icl_mesh.motion). Assignment: one to one, of least
total cost (icl_mesh.assignment). Distance and pose may be smoothed on top (icl_mesh.smoothing).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from icl_mesh import motion, smoothing
from icl_mesh.appearance import Looks, mixed
from icl_mesh.assignment import Candidates, Weights, assign, pelvis_px
from icl_mesh.people import FloatArray, People
from icl_mesh.track_memory import Memory, is_everyone, moved, through
from icl_mesh.track_streams import Stream, Streams

#: Share of a new look of full weight in a track's running mean.
LOOKS_RATE = 0.2
#: A person predicted nearer than this to the camera has left.
LEAST_DEPTH_M = 0.1
#: Most people remembered who are not seen, the latest ones: a bound where stamps stand still.
MOST_LOST = 256


class TrackState(IntEnum):
    """What is known of a tracked person; the values of the ROS message."""

    TENTATIVE = 0  # seen in this image, but not often enough yet
    TRACKED = 1  # seen in this image
    OCCLUDED = 2  # not seen in this image, predicted


@dataclass
class Tracks:
    """One image's people with their tracks, M rows: all detections in their order, then OCCLUDED
    people.

    people: with track_id; where smoothing is on, distance, pose and shape are the filtered ones.
    Occluded people are the body last seen, moved to the predicted place, with no joint visible
    (score, weak_camera and embedding stay as last seen). state uint8 [M]: TrackState. position_m
    [M, 3]: pelvis, from the Kalman filter, and its position_covariance [M, 3, 3], m^2, which grows
    while a person is occluded and includes what all images of a person share
    (icl_mesh.motion.shared_errors); velocity_m_s [M, 3]; camera optical frame. lost_because: why
    all tracks that there were began anew with this image; "" where they did not.
    """

    people: People
    state: npt.NDArray[np.uint8]
    position_m: FloatArray
    position_covariance: FloatArray
    velocity_m_s: FloatArray
    lost_because: str = ""

    @property
    def detected(self) -> npt.NDArray[np.bool_]:
        """bool [M]: seen in this image."""
        return self.state != TrackState.OCCLUDED


class Tracker:
    """Follows the people of one camera. Call update once per image, in the order of time.

    max_age_s: how long a person who is not seen is remembered, by the images' stamps.
    min_hits: images in which a person must have been seen to be TRACKED.
    smoothing_s: how strongly distance, pose and shape are smoothed: the time constant for those
    who keep still, 0 for none; may be set between two images.
    weights: of the cues of appearance. Ids count from 1; one tracker never uses an id twice.
    """

    def __init__(
        self,
        max_age_s: float = 2.0,
        min_hits: int = 3,
        *,
        smoothing_s: float = 0.0,
        weights: Weights | None = None,
    ) -> None:
        if not (max_age_s >= 0 and math.isfinite(max_age_s)):
            raise ValueError(f"max_age_s must be 0 or more seconds, got {max_age_s}")
        if min_hits < 1:
            raise ValueError(f"min_hits must be 1 or more, got {min_hits}")
        self.max_age_s, self.min_hits = max_age_s, min_hits
        self.smoothing_s = smoothing_s
        self.weights = weights or Weights()
        self._next_id = 1
        self._streams = Streams()

    @property
    def smoothing_s(self) -> float:
        """Time constant of the smoothing, s; 0: none."""
        return self._smoothing_s

    @smoothing_s.setter
    def smoothing_s(self, value: float) -> None:
        if not (value >= 0 and math.isfinite(value)):
            raise ValueError(f"smoothing_s must be 0 or more seconds, got {value}")
        self._smoothing_s = value

    def reset(self) -> None:
        """Forget everybody; ids go on counting."""
        self._streams.clear()

    def update(
        self,
        people: People,
        stamp_s: float,
        looks: Looks | None = None,
        *,
        frame_id: str = "",
    ) -> Tracks:
        """Take in the people of one image, with the image's stamp in seconds.

        looks: their colours (icl_mesh.appearance.looks_of), a further cue to who is who.
        frame_id: of the image; of another frame with another calibration, it is another camera's.
        Everybody in `people` comes back with an id; the arrays are shared with the tracker, and not
        to be written to. Tracks start afresh when time jumps back by more than half a second (a
        bag played again), or another camera, body model or guess of the focal length comes;
        Tracks.lost_because says so. They outlast another calibration (autofocus, zoom,
        another mode of the same camera), as places are metric, and another frame of the same
        calibration (a driver that counts there). Images of several sizes in turns have their
        tracks each. With people of other weights only ids go on: what two networks say is never
        mixed.
        """
        if not math.isfinite(stamp_s):
            raise ValueError(f"stamp_s must be a finite time in seconds, got {stamp_s}")
        looks = Looks.unknown(len(people)) if looks is None else looks
        seen = people.exchanged({"vertices_m": None, "track_id": None})
        stream, why = self._streams.continued_by(seen, stamp_s, frame_id, self.max_age_s)
        old = self._remembered(stream, seen, stamp_s)
        other = old.people.weights_version != seen.weights_version
        track, detection = assign(
            Candidates(old.filters, old.people, old.looks, np.maximum(stamp_s - old.seen_s, 0)),
            seen,
            looks,
            self.weights._replace(embedding=0.0) if other else self.weights,
        )
        if not is_everyone(detection, len(detection)):
            order = np.argsort(detection)
            track, detection = track[order], detection[order]
        everybody = is_everyone(detection, len(seen))
        current = self._follow(
            old.select(track),
            seen if everybody else seen.select(detection),
            looks if everybody else looks.select(detection),
            stamp_s,
            afresh=other,
        )
        if not everybody:
            is_new = _others(len(seen), detection)
            current = current.join(self._new(seen.select(is_new), looks.select(is_new), stamp_s))
            order = np.argsort(np.concatenate((detection, np.flatnonzero(is_new))))
            current = current.select(order)  # row i is detection i
        lost = None
        if len(track) < len(old) and not other:
            lost = old.select(_others(len(old), track))
            lost = lost.select(np.argsort(-lost.seen_s, kind="stable")[:MOST_LOST])
        memory = current if lost is None else current.join(lost)
        self._streams.put(Stream(memory, stamp_s, frame_id))
        return self._report(people, current, lost, why)

    def _remembered(self, stream: Stream | None, seen: People, stamp_s: float) -> Memory:
        """Who may still be there, predicted to this moment."""
        if stream is None:
            nobody = np.zeros(0, np.int64)
            return self._new(seen.select(nobody), Looks.unknown(0), stamp_s)
        old = stream.memory
        remembered = through(old.people, seen.camera)
        if remembered.body is not seen.body:  # other weights come with their own copy of it
            remembered = dataclasses.replace(remembered, body=seen.body)
        smooth = None
        if self.smoothing_s > 0:  # maybe since the last image
            smooth = old.smooth or smoothing.start(remembered)
        filters = motion.predict(old.filters, max(stamp_s - stream.stamp_s, 0.0))
        # As lists: for so few, starting numpy's operations takes longer than Python's own.
        stays = [
            stamp_s - seen_s <= self.max_age_s and depth_m > LEAST_DEPTH_M
            for seen_s, depth_m in zip(
                old.seen_s.tolist(), filters.mean[:, 2].tolist(), strict=True
            )
        ]
        old = Memory(old.ids, old.hits, old.seen_s, filters, remembered, old.looks, smooth)
        return old if all(stays) else old.select(np.array(stays))

    def _new(self, people: People, looks: Looks, stamp_s: float) -> Memory:
        count = len(people)
        ids = np.arange(self._next_id, self._next_id + count, dtype=np.int64)
        self._next_id += count
        hits, seen_s = np.ones(count, np.int64), np.full(count, stamp_s)
        smooth = smoothing.start(people) if self.smoothing_s > 0 else None
        return Memory(ids, hits, seen_s, motion.start(people), people, looks, smooth)

    def _follow(
        self, tracks: Memory, people: People, looks: Looks, stamp_s: float, *, afresh: bool
    ) -> Memory:
        """Tracks [K] after the people [K] that were assigned to them. afresh: with new filters."""
        smooth = None
        if tracks.smooth is not None:
            seconds = np.maximum(stamp_s - tracks.seen_s, 0.0)
            smooth = (
                smoothing.start(people)
                if afresh
                else smoothing.update(tracks.smooth, people, seconds, self.smoothing_s)
            )
        return Memory(
            tracks.ids,
            tracks.hits + 1,
            np.full(len(people), stamp_s),
            motion.start(people) if afresh else motion.correct(tracks.filters, people),
            people,
            mixed(tracks.looks, looks, LOOKS_RATE),
            smooth,
        )

    def _report(self, people: People, current: Memory, lost: Memory | None, why: str) -> Tracks:
        if current.smooth is not None:
            people = smoothing.applied(people, current.smooth)
        rows, everyone = people, current
        if lost is not None:
            in_view = people.camera.contains(pelvis_px(lost.filters.position, people))
            hidden = lost.select((lost.hits >= self.min_hits) & in_view)
            body = hidden.people
            if hidden.smooth is not None:
                body = smoothing.applied(body, hidden.smooth)
            body = moved(body, hidden.filters.position.astype(np.float32))
            if people.vertices_m is not None:
                body = dataclasses.replace(body, vertices_m=body.mesh_m())
            rows = People.concatenate((people.exchanged({"track_id": None}), body))
            everyone = current.join(hidden)
        state = (current.hits >= self.min_hits).astype(np.uint8)  # TENTATIVE or TRACKED
        if len(everyone) > len(current):
            hidden_state = np.full(len(everyone) - len(current), TrackState.OCCLUDED, np.uint8)
            state = np.concatenate((state, hidden_state))
        shared = motion.shared_errors(everyone.people)
        return Tracks(
            rows.exchanged({"track_id": everyone.ids}),
            state,
            everyone.filters.position.astype(np.float32),
            motion.total_covariance(everyone.filters, shared).astype(np.float32),
            everyone.filters.velocity.astype(np.float32),
            why,
        )


def _others(count: int, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Mask [count] of all rows but these."""
    mask = np.ones(count, dtype=np.bool_)
    mask[rows] = False
    return mask
