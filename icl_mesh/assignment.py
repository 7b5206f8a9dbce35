"""Which detection is which track: one to one, of least total cost.

The cost of a pair joins distance in space (measured against its uncertainty: depth is less certain
than direction), distance of the centres in the image, agreement of the centre embeddings, and of
the colours of clothes. docs/tracking.md has what each of them is worth.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from icl_mesh import motion
from icl_mesh.appearance import SURE_WEIGHT, Looks, color_distances
from icl_mesh.camera import MIN_DEPTH_RATIO
from icl_mesh.compiled_lens import compiled_lens
from icl_mesh.motion import ERRORS, Array, Motion
from icl_mesh.native import INT, POINTER, address, kernel
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
#: As the compiled kernel takes them: Settings of src/pair_costs.cpp.
_SETTINGS = np.array(
    (*ERRORS, GATE, SPACE_WEIGHT, IMAGE_WEIGHT, COLOR_RANGE, SURE_WEIGHT, MIN_DEPTH_RATIO)
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
    if (compiled := _kernel()) is None:
        cost, distance = _costs_with_numpy(tracks, people, looks, weights)
    else:
        cost, distance = _costs_compiled(compiled, tracks, people, looks, weights)
    possible = distance <= GATE
    # Looks only choose between pairs that are possible: a change of light makes nobody new.
    # One impossible pair costs more than any number of possible ones: as many pairs as can be.
    rows, columns = linear_sum_assignment(np.where(possible, cost, 1e3))
    kept = possible[rows, columns]
    return rows[kept], columns[kept]


def _costs_with_numpy(
    tracks: Candidates, people: People, looks: Looks, weights: Weights
) -> tuple[Array, Array]:
    """Of all pairs [T, N]: the cost, and the squared Mahalanobis distance that is part of it."""
    distance = motion.squared_distances(tracks.filters, people)
    cost = SPACE_WEIGHT * distance / GATE
    cost += IMAGE_WEIGHT * _image_distances(tracks, people).clip(max=1)
    fresh = 0.5 ** (tracks.unseen_s / EMBEDDING_HALF_LIFE_S)
    apart = (1 - tracks.people.embedding @ people.embedding.T) / 2
    cost += weights.embedding * fresh[:, None] * apart
    difference, reliable = color_distances(tracks.looks, looks)
    cost += weights.color * reliable * (difference / COLOR_RANGE).clip(max=1)
    return cost, distance


class _Side(ctypes.Structure):
    """Tracks or detections, for the compiled kernel: Side of src/pair_costs.cpp."""

    _fields_ = tuple(
        (name, POINTER) for name in ("joints", "center", "box", "embedding", "color", "weight")
    )


def _costs_compiled(
    compiled: Callable[..., None],
    tracks: Candidates,
    people: People,
    looks: Looks,
    weights: Weights,
) -> tuple[Array, Array]:
    """:func:`_costs_with_numpy` by the kernel."""
    shape = len(tracks.people), len(people)
    cost, distance = np.empty(shape), np.empty(shape)
    camera, unseen = people.camera, tracks.unseen_s / EMBEDDING_HALF_LIFE_S
    lens = compiled_lens(camera.lens)
    before, old = _side(tracks.people, tracks.looks)
    now, new = _side(people, looks)
    compiled(
        address(tracks.filters.mean, np.float64),
        address(tracks.filters.covariance, np.float64),
        lens.address,
        camera.fx,
        camera.fy,
        address(unseen, np.float64),
        ctypes.addressof(old),
        shape[0],
        ctypes.addressof(new),
        address(np.ascontiguousarray(people.distance_from_depth), np.bool_),
        shape[1],
        address(_SETTINGS, np.float64),
        weights.embedding,
        weights.color,
        address(cost, np.float64),
        address(distance, np.float64),
    )
    del before, now, lens  # the kernel has read them
    return cost, distance


def _side(people: People, looks: Looks) -> tuple[list[FloatArray], _Side]:
    """Arrays of these people, which must be kept for as long as they are used, and where they
    lie."""
    arrays = [
        np.ascontiguousarray(values)
        for values in (
            people.joints_m,
            people.center_px,
            people.bbox_px,
            people.embedding,
            looks.color,
            looks.weight,
        )
    ]
    return arrays, _Side(*map(address, arrays))


def _shifts(tracks: Candidates, people: People) -> Array:
    """How far the tracks' pelvises [T, 2] have moved in the image since they were seen, px."""
    places: Array = np.concatenate((tracks.people.position_m, tracks.filters.position))
    before, now = pelvis_px(places, people).reshape(2, -1, 2)
    return now - before


def _image_distances(tracks: Candidates, people: People) -> Array:
    """Distances of the centres in the image [T, N], in units of the larger box's diagonal."""
    moved = tracks.people.center_px + _shifts(tracks, people)
    apart = moved[:, None] - people.center_px
    distance = np.hypot(apart[..., 0], apart[..., 1])
    size = np.maximum(_diagonals(tracks.people)[:, None], _diagonals(people))
    return distance / np.maximum(size, 1.0)


def _diagonals(people: People) -> FloatArray:
    x, y = (people.bbox_px[:, 2:] - people.bbox_px[:, :2]).T
    return np.asarray(np.hypot(x, y))


def pelvis_px(position: npt.NDArray[np.floating], people: People) -> Array:
    """Pixels [N, 2] of pelvises [N, 3], m, in these people's camera."""
    return people.camera.project_bodies(position[:, None], position[:, 2])[:, 0]


def _kernel() -> Callable[..., None] | None:
    """Of src/pair_costs.cpp."""
    number = ctypes.c_double
    sides = (POINTER, INT, POINTER, POINTER, INT)
    filters = (POINTER, POINTER, POINTER, number, number, POINTER)
    return kernel("icl_pair_costs", *filters, *sides, POINTER, number, number, POINTER, POINTER)
