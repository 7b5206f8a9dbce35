"""A 3-D tracker: it assigns persistent ids to people and reports every detection.

Prediction: constant velocity of the pelvis (kalman.py). Assignment: one to one, of least total cost
(assignment.py). Distance, pose and shape may be smoothed (one_euro.py).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from icl_mesh.people import FloatArray, People
from icl_mesh.tracking import kalman as motion
from icl_mesh.tracking import one_euro as smoothing
from icl_mesh.tracking.appearance import AppearanceFeatures, mixed
from icl_mesh.tracking.assignment import Candidates, Weights, assign, pelvis_px
from icl_mesh.tracking.memory import Memory, is_everyone, moved, through
from icl_mesh.tracking.streams import Stream, Streams

#: Weight of new appearance features in a track's running mean.
APPEARANCE_RATE = 0.2
#: Tracks predicted at less depth than this have left the image, m.
LEAST_DEPTH_M = 0.1
#: Largest number of occluded people kept, the latest ones; a bound for constant stamps.
MOST_LOST = 256


class TrackState(IntEnum):
    """State of a tracked person; the values of Human.tracking_state."""

    TENTATIVE = 0  # detected in this image, in fewer than min_hits images so far
    TRACKED = 1  # detected in this image
    OCCLUDED = 2  # not detected in this image, predicted


@dataclass
class Tracks:
    """The tracks of one image, M rows: all detections in their order, then OCCLUDED people.

    people: with track_id; with smoothing, distance, pose and shape are filtered. An occluded person
    is the last detection, moved to the predicted position, without visible joints (score,
    weak_camera and embedding are unchanged). state uint8 [M]: TrackState. position_m [M, 3]:
    pelvis, from the Kalman filter; position_covariance [M, 3, 3], m^2: it grows during occlusion,
    and includes the errors common to all images of a person (kalman.shared_errors).
    velocity_m_s [M, 3]. All in the camera optical frame. lost_because: why all tracks restarted
    with this image; "" if they did not.
    """

    people: People
    state: npt.NDArray[np.uint8]
    position_m: FloatArray
    position_covariance: FloatArray
    velocity_m_s: FloatArray
    lost_because: str = ""

    @property
    def detected(self) -> npt.NDArray[np.bool_]:
        """bool [M]: detected in this image."""
        return self.state != TrackState.OCCLUDED


class Tracker:
    """Tracks the people of one camera. Call update once per image, in temporal order.

    max_age_s: how long an occluded person is kept, by the images' stamps. min_hits: number of
    detections from which a person is TRACKED. smoothing_s: time constant of the smoothing of
    distance, pose and shape for people who stand still, 0 for none. start_score: least score
    of a person who starts a track. Both may change between images.
    weights: of the appearance cues. Ids count from 1 and are unique per tracker.
    """

    def __init__(
        self,
        max_age_s: float = 2.0,
        min_hits: int = 3,
        *,
        smoothing_s: float = 0.0,
        start_score: float = 0.0,
        weights: Weights | None = None,
    ) -> None:
        if not (max_age_s >= 0 and math.isfinite(max_age_s)):
            raise ValueError(f"max_age_s must be 0 or more seconds, got {max_age_s}")
        if min_hits < 1:
            raise ValueError(f"min_hits must be 1 or more, got {min_hits}")
        self.max_age_s, self.min_hits = max_age_s, min_hits
        self.smoothing_s, self.start_score = smoothing_s, start_score
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
        """Drop all tracks; ids continue to count."""
        self._streams.clear()

    def update(
        self,
        people: People,
        stamp_s: float,
        features: AppearanceFeatures | None = None,
        *,
        frame_id: str = "",
    ) -> Tracks:
        """Update the tracks with the people of one image. stamp_s: its stamp, s.

        features: icl_mesh.tracking.appearance, a further cue for the assignment.
        frame_id: of the image; another frame with another calibration means another camera.
        People are returned with an id: all but those whom no track explains and whose score is
        below start_score (as in ByteTrack, Zhang et al. 2022). The arrays are shared with the
        tracker: do not modify them.

        Tracks restart (Tracks.lost_because gives the reason) when time jumps back by more than
        0.5 s, as for a bag that is played again, or when the camera, the body model or the assumed
        focal length changes. They continue with another calibration of the same camera (autofocus,
        zoom, another mode), since positions are metric, and with another frame_id of the same
        calibration. Alternating image sizes have separate tracks. When the weights change, only ids
        continue, since estimates of two networks are not combined.
        """
        if not math.isfinite(stamp_s):
            raise ValueError(f"stamp_s must be a finite time in seconds, got {stamp_s}")
        features = AppearanceFeatures.unknown(len(people)) if features is None else features
        seen = people.exchanged({"vertices_m": None, "track_id": None})
        stream, why = self._streams.continued_by(seen, stamp_s, frame_id, self.max_age_s)
        old = self._remembered(stream, seen, stamp_s)
        other = old.people.weights_version != seen.weights_version
        track, detection = assign(
            Candidates(old.filters, old.people, old.features, np.maximum(stamp_s - old.seen_s, 0)),
            seen,
            features,
            self.weights._replace(embedding=0.0) if other else self.weights,
        )
        if not is_everyone(detection, len(detection)):
            order = np.argsort(detection)
            track, detection = track[order], detection[order]
        starts = seen.score >= self.start_score
        starts[detection] = True
        if not starts.all():
            people, seen = people.select(starts), seen.select(starts)
            features = features.select(starts)
            detection = (np.cumsum(starts) - 1)[detection]
        all_assigned = is_everyone(detection, len(seen))
        current = self._follow(
            old.select(track),
            seen if all_assigned else seen.select(detection),
            features if all_assigned else features.select(detection),
            stamp_s,
            afresh=other,
        )
        if not all_assigned:
            is_new = _others(len(seen), detection)
            current = current.join(self._new(seen.select(is_new), features.select(is_new), stamp_s))
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
        """Tracks that are not too old, predicted to stamp_s."""
        if stream is None:
            nobody = np.zeros(0, np.int64)
            return self._new(seen.select(nobody), AppearanceFeatures.unknown(0), stamp_s)
        old = stream.memory
        remembered = through(old.people, seen.camera)
        if remembered.body is not seen.body:  # other weights have their own copy of the body
            remembered = dataclasses.replace(remembered, body=seen.body)
        smooth = None
        if self.smoothing_s > 0:  # possibly enabled since the last image
            smooth = old.smooth or smoothing.start(remembered)
        filters = motion.predict(old.filters, max(stamp_s - stream.stamp_s, 0.0))
        # Lists: for few tracks they are faster than numpy.
        stays = [
            stamp_s - seen_s <= self.max_age_s and depth_m > LEAST_DEPTH_M
            for seen_s, depth_m in zip(
                old.seen_s.tolist(), filters.mean[:, 2].tolist(), strict=True
            )
        ]
        old = Memory(old.ids, old.hits, old.seen_s, filters, remembered, old.features, smooth)
        return old if all(stays) else old.select(np.array(stays))

    def _new(self, people: People, features: AppearanceFeatures, stamp_s: float) -> Memory:
        count = len(people)
        ids = np.arange(self._next_id, self._next_id + count, dtype=np.int64)
        self._next_id += count
        hits, seen_s = np.ones(count, np.int64), np.full(count, stamp_s)
        smooth = smoothing.start(people) if self.smoothing_s > 0 else None
        return Memory(ids, hits, seen_s, motion.start(people), people, features, smooth)

    def _follow(
        self,
        tracks: Memory,
        people: People,
        features: AppearanceFeatures,
        stamp_s: float,
        *,
        afresh: bool,
    ) -> Memory:
        """Tracks [K] updated with their assigned people [K]. afresh: restart the filters."""
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
            mixed(tracks.features, features, APPEARANCE_RATE),
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
    """Mask [count] of all rows except these."""
    mask = np.ones(count, dtype=np.bool_)
    mask[rows] = False
    return mask
