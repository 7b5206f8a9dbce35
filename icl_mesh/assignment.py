"""Which detection is which track: one to one, of least total cost.

The cost of a pair joins distance in space (measured against its uncertainty: depth is less certain
than direction), distance of the centres in the image, agreement of the centre embeddings, and of
the colours of clothes. docs/tracking.md has what each of them is worth.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from icl_mesh import motion
from icl_mesh.appearance import Looks, color_distances
from icl_mesh.motion import Array, Motion
from icl_mesh.people import FloatArray, People

#: Squared Mahalanobis distance beyond which a detection is not that person. The 99.9 % quantile of
#: chi-squared with three degrees of freedom is 16.3; half-hidden people jump farther than that.
GATE = 30.0
#: Weights of the parts of the cost, each of which lies in about [0, 1]. Chosen on other sequences
#: than those that docs/tracking.md reports.
SPACE_WEIGHT, IMAGE_WEIGHT, EMBEDDING_WEIGHT, COLOR_WEIGHT = 1.0, 0.5, 0.25, 2.0
#: A person's embedding is compared with the newest one of the track; what it tells halves with so
#: much time between them, s.
EMBEDDING_HALF_LIFE_S = 0.5
#: Difference of colour (CIE76) that speaks wholly against a pair.
COLOR_RANGE = 40.0


class Weights(NamedTuple):
    """Of the two cues of appearance; 0 leaves one out."""

    embedding: float = EMBEDDING_WEIGHT
    color: float = COLOR_WEIGHT


class Candidates(NamedTuple):
    """T tracks that detections may belong to. people: as last seen; unseen_s [T]: how long ago."""

    filters: Motion
    people: People
    looks: Looks
    unseen_s: Array


def assign(
    tracks: Candidates, people: People, looks: Looks, weights: Weights
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of tracks and of people that belong together."""
    distance = motion.squared_distances(tracks.filters, people)
    cost = SPACE_WEIGHT * distance / GATE
    cost += IMAGE_WEIGHT * _image_distances(tracks, people).clip(max=1)
    fresh = 0.5 ** (tracks.unseen_s / EMBEDDING_HALF_LIFE_S)
    apart = (1 - tracks.people.embedding @ people.embedding.T) / 2
    cost += weights.embedding * fresh[:, None] * apart
    difference, reliable = color_distances(tracks.looks, looks)
    cost += weights.color * reliable * (difference / COLOR_RANGE).clip(max=1)
    possible = distance <= GATE
    # Looks only choose between pairs that are possible: a change of light makes nobody new.
    # One impossible pair costs more than any number of possible ones: as many pairs as can be.
    rows, columns = linear_sum_assignment(np.where(possible, cost, 1e3))
    kept = possible[rows, columns]
    return rows[kept], columns[kept]


def _image_distances(tracks: Candidates, people: People) -> Array:
    """Distances of the centres in the image [T, N], in units of the larger box's diagonal."""
    places: Array = np.concatenate((tracks.people.position_m, tracks.filters.position))
    before, now = pelvis_px(places, people).reshape(2, -1, 2)
    apart = (tracks.people.center_px + now - before)[:, None] - people.center_px
    distance = np.hypot(apart[..., 0], apart[..., 1])
    size = np.maximum(_diagonals(tracks.people)[:, None], _diagonals(people))
    return distance / np.maximum(size, 1.0)


def _diagonals(people: People) -> FloatArray:
    x, y = (people.bbox_px[:, 2:] - people.bbox_px[:, :2]).T
    return np.asarray(np.hypot(x, y))


def pelvis_px(position: npt.NDArray[np.floating], people: People) -> Array:
    """Pixels [N, 2] of pelvises [N, 3], m, in these people's camera."""
    return people.camera.project_bodies(position[:, None], position[:, 2])[:, 0]
