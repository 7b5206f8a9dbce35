"""A small 3-D tracker: it gives people ids that last, and hides nobody.

Prediction: constant velocity of the pelvis. Assignment: one to one, of least total cost, where
the cost joins distance in space (measured against its uncertainty: depth is less certain than
direction), distance of the centres in the image, and agreement of the centre embeddings.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from icl_mesh import motion
from icl_mesh.motion import Array, Motion
from icl_mesh.people import FloatArray, People

#: Squared Mahalanobis distance beyond which a detection is not that person: the 99.9 % quantile
#: of chi-squared with three degrees of freedom.
GATE = 16.27
#: Weights of the three parts of the cost, each of which lies in about [0, 1].
SPACE_WEIGHT, IMAGE_WEIGHT, EMBEDDING_WEIGHT = 1.0, 0.5, 0.5
#: Share of a new embedding in a track's running mean.
EMBEDDING_RATE = 0.2
#: A person predicted nearer than this to the camera has left.
LEAST_DEPTH_M = 0.1


class TrackState(IntEnum):
    """What is known of a tracked person; the values of the ROS message."""

    TENTATIVE = 0  # seen in this image, but not often enough yet
    TRACKED = 1  # seen in this image
    OCCLUDED = 2  # not seen in this image, predicted


@dataclass
class Tracks:
    """One image's people with their tracks, M rows: all detections in their order, then OCCLUDED
    people.

    people: with track_id; occluded ones are the body last seen, moved to the predicted place,
    with no joint visible (score, weak_camera and embedding stay as last seen). state uint8 [M]:
    TrackState. position_m [M, 3]: pelvis, filtered, and its position_covariance [M, 3, 3], m^2;
    velocity_m_s [M, 3]; camera optical frame.
    """

    people: People
    state: npt.NDArray[np.uint8]
    position_m: FloatArray
    position_covariance: FloatArray
    velocity_m_s: FloatArray

    @property
    def detected(self) -> npt.NDArray[np.bool_]:
        """bool [M]: seen in this image."""
        return self.state != TrackState.OCCLUDED


@dataclass
class _Memory:
    """T tracks after the last image."""

    ids: npt.NDArray[np.int64]
    hits: npt.NDArray[np.int64]
    seen_s: Array
    filters: Motion
    people: People  # as last seen, without vertices; embedding: running mean

    def select(self, index: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> _Memory:
        return _Memory(
            self.ids[index],
            self.hits[index],
            self.seen_s[index],
            self.filters.select(index),
            self.people.select(index),
        )

    def join(self, other: _Memory) -> _Memory:
        return _Memory(
            np.concatenate((self.ids, other.ids)),
            np.concatenate((self.hits, other.hits)),
            np.concatenate((self.seen_s, other.seen_s)),
            self.filters.join(other.filters),
            People.concatenate((self.people, other.people)),
        )


class Tracker:
    """Follows the people of one camera. Call update once per image, in the order of time.

    max_age_s: how long a person who is not seen is remembered, by the images' stamps.
    min_hits: images in which a person must have been seen to be TRACKED.
    Ids count from 1; one tracker never uses an id twice.
    """

    def __init__(self, max_age_s: float = 1.0, min_hits: int = 3) -> None:
        if not (max_age_s >= 0 and math.isfinite(max_age_s)):
            raise ValueError(f"max_age_s must be 0 or more seconds, got {max_age_s}")
        if min_hits < 1:
            raise ValueError(f"min_hits must be 1 or more, got {min_hits}")
        self.max_age_s, self.min_hits = max_age_s, min_hits
        self._next_id = 1
        self._stamp_s = -math.inf
        self._memory: _Memory | None = None

    def reset(self) -> None:
        """Forget everybody; ids go on counting."""
        self._memory, self._stamp_s = None, -math.inf

    def update(self, people: People, stamp_s: float) -> Tracks:
        """Take in the people of one image, with the image's stamp in seconds.

        Everybody in `people` comes back with an id. Tracks start afresh when time jumps back (a
        bag played again) or the camera changes.
        """
        if not math.isfinite(stamp_s):
            raise ValueError(f"stamp_s must be a finite time in seconds, got {stamp_s}")
        old = self._memory
        if old is not None and (stamp_s < self._stamp_s or old.people.camera != people.camera):
            self.reset()
            old = None
        seen = dataclasses.replace(people, vertices_m=None, track_id=None)
        if old is None:
            old = self._new(seen.select(slice(0, 0)), stamp_s)
        else:
            old = old.select(stamp_s - old.seen_s <= self.max_age_s)
            old.filters = motion.predict(old.filters, stamp_s - self._stamp_s)
            old = old.select(old.filters.position[:, 2] > LEAST_DEPTH_M)

        track, detection = _assign(old, seen)
        followed = _follow(old.select(track), seen.select(detection), stamp_s)
        is_new = ~np.isin(np.arange(len(seen)), detection)
        current = followed.join(self._new(seen.select(is_new), stamp_s))
        order = np.argsort(np.concatenate((detection, np.flatnonzero(is_new))))
        current = current.select(order)  # row i is detection i
        lost = old.select(~np.isin(np.arange(len(old.ids)), track))
        self._memory, self._stamp_s = current.join(lost), stamp_s
        return self._report(people, current, lost)

    def _new(self, people: People, stamp_s: float) -> _Memory:
        count = len(people)
        ids = np.arange(self._next_id, self._next_id + count, dtype=np.int64)
        self._next_id += count
        filters = motion.start(people.position_m.astype(np.float64))
        return _Memory(ids, np.ones(count, np.int64), np.full(count, stamp_s), filters, people)

    def _report(self, people: People, current: _Memory, lost: _Memory) -> Tracks:
        in_view = people.camera.contains(_pelvis_px(lost.filters.position, people))
        hidden = lost.select((lost.hits >= self.min_hits) & in_view)
        body = _moved(hidden)
        if people.vertices_m is not None:
            body = dataclasses.replace(body, vertices_m=body.mesh_m())
        rows = People.concatenate((dataclasses.replace(people, track_id=None), body))
        everyone = current.join(hidden)
        state = np.where(current.hits >= self.min_hits, TrackState.TRACKED, TrackState.TENTATIVE)
        return Tracks(
            dataclasses.replace(rows, track_id=everyone.ids),
            np.concatenate((state, np.full(len(hidden.ids), TrackState.OCCLUDED))).astype(np.uint8),
            everyone.filters.position.astype(np.float32),
            everyone.filters.position_covariance.astype(np.float32),
            everyone.filters.velocity.astype(np.float32),
        )


def _assign(tracks: _Memory, people: People) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of tracks and of people that belong together."""
    distance = motion.squared_distances(tracks.filters, people.position_m.astype(np.float64))
    possible = distance <= GATE
    cost = SPACE_WEIGHT * distance / GATE
    cost += IMAGE_WEIGHT * _image_distances(tracks, people).clip(max=1)
    cost += EMBEDDING_WEIGHT * (1 - tracks.people.embedding @ people.embedding.T) / 2
    # One impossible pair costs more than any number of possible ones: as many pairs as can be.
    rows, columns = linear_sum_assignment(np.where(possible, cost, 1e3))
    kept = possible[rows, columns]
    return rows[kept], columns[kept]


def _image_distances(tracks: _Memory, people: People) -> Array:
    """Distances of the centres in the image [T, N], in units of the larger box's diagonal."""
    before = _pelvis_px(tracks.people.position_m, people)
    shift = _pelvis_px(tracks.filters.position, people) - before
    centers = tracks.people.center_px + shift
    distance = np.linalg.norm(centers[:, None] - people.center_px, axis=2)
    size = np.maximum(_diagonals(tracks.people)[:, None], _diagonals(people))
    return distance / np.maximum(size, 1.0)


def _diagonals(people: People) -> FloatArray:
    return np.linalg.norm(people.bbox_px[:, 2:] - people.bbox_px[:, :2], axis=1)


def _pelvis_px(position: npt.NDArray[np.floating], people: People) -> Array:
    return people.camera.project_bodies(position[:, None], position[:, 2])[:, 0]


def _follow(tracks: _Memory, people: People, stamp_s: float) -> _Memory:
    """Tracks [K] after the people [K] that were assigned to them."""
    embedding = tracks.people.embedding * (1 - EMBEDDING_RATE) + people.embedding * EMBEDDING_RATE
    embedding /= np.maximum(np.linalg.norm(embedding, axis=1, keepdims=True), 1e-9)
    return _Memory(
        tracks.ids,
        tracks.hits + 1,
        np.full(len(people), stamp_s),
        motion.correct(tracks.filters, people.position_m.astype(np.float64)),
        dataclasses.replace(people, embedding=embedding.astype(np.float32)),
    )


def _moved(tracks: _Memory) -> People:
    """The people last seen, at their predicted places."""
    people = tracks.people
    position = tracks.filters.position.astype(np.float32)
    step = position - people.position_m
    joints = people.joints_m + step[:, None]
    shift = _pelvis_px(position, people) - _pelvis_px(people.position_m, people)
    last = np.array([people.camera.width - 1, people.camera.height - 1] * 2)
    return dataclasses.replace(
        people,
        center_px=(people.center_px + shift).astype(np.float32),
        bbox_px=np.clip(people.bbox_px + np.tile(shift, 2), 0, last).astype(np.float32),
        translation_m=people.translation_m + step,
        joints_m=joints,
        joints_px=people.camera.project_bodies(joints, position[:, 2]).astype(np.float32),
        joint_confidence=np.zeros_like(people.joint_confidence),
        joint_visible=np.zeros_like(people.joint_visible),
    )
