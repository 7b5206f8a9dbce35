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

from icl_mesh import kernels
from icl_mesh.geometry.camera import MIN_DEPTH_RATIO
from icl_mesh.geometry.kernel_lens import kernel_lens
from icl_mesh.people import People
from icl_mesh.tracking.appearance import SURE_WEIGHT, Looks
from icl_mesh.tracking.kalman import ERRORS, Array, Motion

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
_COSTS = kernels.PairCosts(
    errors=ERRORS,
    gate=GATE,
    space_weight=SPACE_WEIGHT,
    image_weight=IMAGE_WEIGHT,
    color_range=COLOR_RANGE,
    reliable_weight=SURE_WEIGHT,
    nearest=MIN_DEPTH_RATIO,
)


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
    cost, distance = pair_costs(tracks, people, looks, weights)
    possible = distance <= GATE
    # Looks only choose between pairs that are possible: a change of light makes nobody new.
    # One impossible pair costs more than any number of possible ones: as many pairs as can be.
    rows, columns = linear_sum_assignment(np.where(possible, cost, 1e3))
    kept = possible[rows, columns]
    return rows[kept], columns[kept]


def pair_costs(
    tracks: Candidates, people: People, looks: Looks, weights: Weights
) -> tuple[Array, Array]:
    """Of all pairs [T, N]: the cost, and the squared Mahalanobis distance that is part of it."""
    shape = len(tracks.people), len(people)
    cost, distance = np.empty(shape), np.empty(shape)
    camera = people.camera
    _COSTS(
        _side(tracks.people, tracks.looks),
        np.ascontiguousarray(tracks.filters.mean),
        np.ascontiguousarray(tracks.filters.covariance),
        tracks.unseen_s / EMBEDDING_HALF_LIFE_S,
        _side(people, looks),
        np.ascontiguousarray(people.distance_from_depth),
        kernel_lens(camera.lens),
        camera.fx,
        camera.fy,
        weights.embedding,
        weights.color,
        cost,
        distance,
    )
    return cost, distance


def _side(people: People, looks: Looks) -> kernels.PairSide:
    return kernels.PairSide(
        joints=np.ascontiguousarray(people.joints_m),
        center=np.ascontiguousarray(people.center_px),
        box=np.ascontiguousarray(people.bbox_px),
        embedding=np.ascontiguousarray(people.embedding),
        color=np.ascontiguousarray(looks.color),
        weight=np.ascontiguousarray(looks.weight),
    )


def pelvis_px(position: npt.NDArray[np.floating], people: People) -> Array:
    """Pixels [N, 2] of pelvises [N, 3], m, in these people's camera."""
    return people.camera.project_bodies(position[:, None], position[:, 2])[:, 0]
