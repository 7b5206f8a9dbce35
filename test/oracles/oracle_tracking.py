"""Costs of pairs and colours of clothes with numpy and OpenCV: the oracles of the
compiled kernels."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from icl_mesh.people import FloatArray, People
from icl_mesh.tracking.appearance import (
    _GRID,
    _LEAST_WEIGHT,
    _LINEAR,
    _PAIRS,
    _PARTS,
    SURE_WEIGHT,
    AppearanceFeatures,
)
from icl_mesh.tracking.assignment import (
    COLOR_RANGE,
    EMBEDDING_HALF_LIFE_S,
    GATE,
    IMAGE_WEIGHT,
    SPACE_WEIGHT,
    Candidates,
    Weights,
    pelvis_px,
)
from icl_mesh.tracking.kalman import Array, Motion, depth_errors, measurement_covariance

_FIRST, _SECOND = _PAIRS.T.copy()
_LENGTHS = np.array([len(part) for part in _PARTS])
_STARTS = np.cumsum(_LENGTHS) - _LENGTHS


def pair_costs(
    tracks: Candidates, people: People, features: AppearanceFeatures, weights: Weights
) -> tuple[Array, Array]:
    """Of all pairs [T, N]: the cost, and the squared Mahalanobis distance that is part of it."""
    distance = squared_distances(tracks.filters, people)
    cost = SPACE_WEIGHT * distance / GATE
    cost += IMAGE_WEIGHT * _image_distances(tracks, people).clip(max=1)
    fresh = 0.5 ** (tracks.unseen_s / EMBEDDING_HALF_LIFE_S)
    apart = (1 - tracks.people.embedding @ people.embedding.T) / 2
    cost += weights.embedding * fresh[:, None] * apart
    difference, reliable = color_distances(tracks.features, features)
    cost += weights.color * reliable * (difference / COLOR_RANGE).clip(max=1)
    return cost, distance


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


def squared_distances(filters: Motion, people: People) -> Array:
    """Mahalanobis distance squared [T, N] of people [N] from the filters."""
    position = people.position_m.astype(np.float64)
    error = measurement_covariance(position, depth_errors(people))
    difference = position[None] - filters.position[:, None]  # [T, N, 3]
    covariance = filters.position_covariance[:, None] + error[None]
    solved = np.linalg.solve(covariance, difference[..., None])[..., 0]
    return (difference * solved).sum(axis=-1)


def color_distances(
    tracks: AppearanceFeatures, people: AppearanceFeatures
) -> tuple[FloatArray, FloatArray]:
    """Differences of colour [T, N] (CIE76, mean over parts) and how much they can be relied on
    [T, N], 0 to 1."""
    weight = np.minimum(tracks.weight[:, None], people.weight)  # [T, N, P]
    difference = np.linalg.norm(tracks.color[:, None] - people.color, axis=-1)
    total = weight.sum(axis=-1)
    mean = (weight * difference).sum(axis=-1) / np.maximum(total, 1e-9)
    return mean, np.minimum(1, total / (weight.shape[-1] * SURE_WEIGHT)).astype(np.float32)


def appearance_features(
    image: npt.NDArray[np.uint8], people: People, *, backwards: bool
) -> AppearanceFeatures:
    """image: BGR where it is backwards."""
    joints_px = people.joints_px
    points = (joints_px[:, _FIRST] + joints_px[:, _SECOND]) / 2  # [N, K, 2]
    confidence = people.joint_confidence
    confidence = np.minimum(confidence[:, _FIRST], confidence[:, _SECOND])
    trunk = np.hypot(*(joints_px[:, 12] - joints_px[:, 0]).T)
    steps = _GRID.T[:, None, None] * trunk[:, None, None]
    nearest = np.rint(points.transpose(2, 0, 1)[..., None] + steps)  # x and y, [2, N, K, 25]
    last = np.array((people.camera.width - 1, people.camera.height - 1))[:, None, None, None]
    inside = np.minimum(np.maximum(nearest, 0), last)
    x, y = inside.astype(np.intp)
    pixels = image.reshape(-1, 3).take(y * people.camera.width + x, axis=0)
    to_lab = cv2.COLOR_LBGR2LAB if backwards else cv2.COLOR_LRGB2LAB
    lab = cv2.cvtColor(_LINEAR.take(pixels).reshape(len(people), -1, 3), to_lab)
    lab = np.asarray(lab).reshape(*pixels.shape)

    on_image = inside == nearest
    weight = (on_image[0] & on_image[1]) * (confidence[..., None] + _LEAST_WEIGHT)  # [N, K, 25]
    total = np.add.reduceat(weight.sum(axis=2), _STARTS, axis=1)  # [N, P]
    summed = np.add.reduceat((weight[:, :, None] @ lab)[:, :, 0], _STARTS, axis=1)  # [N, P, 3]
    color = summed / np.maximum(total, 1e-9)[..., None]
    seen = total / (_LENGTHS * len(_GRID))
    return AppearanceFeatures(color.astype(np.float32), seen.astype(np.float32))
