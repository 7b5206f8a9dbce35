"""Assignment of detections to tracks: one to one, of least total cost (Hungarian method).

The cost of a pair sums its Mahalanobis distance in space (depth is less certain than direction),
the distance of the centres in the image, and the differences of centre embeddings and of clothes'
colours. docs/tracking.md says what each of them contributes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from icl_mesh import kernels
from icl_mesh.geometry.camera import MIN_DEPTH_RATIO
from icl_mesh.people import People
from icl_mesh.tracking.appearance import SURE_WEIGHT, AppearanceFeatures
from icl_mesh.tracking.kalman import ERRORS, Array, Motion

#: Squared Mahalanobis distance beyond which a detection is not that person. The 99.9 % quantile of
#: chi-squared with three degrees of freedom is 16.3; half-hidden people jump farther than that.
GATE = 30.0
#: Weights of the parts of the cost, each of which lies in about [0, 1]. Chosen on other sequences
#: than those that docs/tracking.md reports.
SPACE_WEIGHT, IMAGE_WEIGHT, EMBEDDING_WEIGHT, COLOR_WEIGHT = 1.0, 0.5, 0.25, 2.0
#: The weight of the embedding halves per such time since the track's newest one, s.
EMBEDDING_HALF_LIFE_S = 0.5
#: Difference of colour (CIE76) at which the colour's cost is full.
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
    """Weights of the two appearance costs; 0 leaves one out."""

    embedding: float = EMBEDDING_WEIGHT
    color: float = COLOR_WEIGHT


class Candidates(NamedTuple):
    """T tracks that detections may belong to. people: as last seen; unseen_s [T]: how long ago."""

    filters: Motion
    people: People
    features: AppearanceFeatures
    unseen_s: Array


def assign(
    tracks: Candidates, people: People, features: AppearanceFeatures, weights: Weights
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of tracks and of people that belong together."""
    cost, distance = pair_costs(tracks, people, features, weights)
    possible = distance <= GATE
    # Appearance only chooses between possible pairs: a change of light starts no new track.
    # One impossible pair costs more than any number of possible ones: most pairs are kept.
    rows, columns = linear_sum_assignment(np.where(possible, cost, 1e3))
    kept = possible[rows, columns]
    return rows[kept], columns[kept]


def pair_costs(
    tracks: Candidates, people: People, features: AppearanceFeatures, weights: Weights
) -> tuple[Array, Array]:
    """Of all pairs [T, N]: the cost, and the squared Mahalanobis distance that is part of it."""
    shape = len(tracks.people), len(people)
    cost, distance = np.empty(shape), np.empty(shape)
    camera = people.camera
    _COSTS(
        _side(tracks.people, tracks.features),
        np.ascontiguousarray(tracks.filters.mean),
        np.ascontiguousarray(tracks.filters.covariance),
        tracks.unseen_s / EMBEDDING_HALF_LIFE_S,
        _side(people, features),
        np.ascontiguousarray(people.distance_from_depth),
        camera.kernel_lens,
        camera.fx,
        camera.fy,
        weights.embedding,
        weights.color,
        cost,
        distance,
    )
    return cost, distance


def _side(people: People, features: AppearanceFeatures) -> kernels.PairSide:
    return kernels.PairSide(
        joints=np.ascontiguousarray(people.joints_m),
        center=np.ascontiguousarray(people.center_px),
        box=np.ascontiguousarray(people.bbox_px),
        embedding=np.ascontiguousarray(people.embedding),
        color=np.ascontiguousarray(features.color),
        weight=np.ascontiguousarray(features.weight),
    )


def pelvis_px(position: npt.NDArray[np.floating], people: People) -> Array:
    """Pixels [N, 2] of pelvises [N, 3], m, in these people's camera."""
    return people.camera.project_bodies(position[:, None], position[:, 2])[:, 0]
