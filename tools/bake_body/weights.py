"""Skinning weights of 24 joints: four per vertex, smoothed, symmetric, with forearm twist."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from .joints import MIRRORED_JOINT, merge_bones
from .source import Source

Array = npt.NDArray[np.float64]

INFLUENCES = 4
TWIST_START = 0.4  # along the forearm, elbow 0, wrist 1
TWIST_SHARE = 0.5  # the skin's share of the wrist's rotation at the wrist


def neighbour_mean(faces: npt.NDArray[np.int64], count: int) -> sparse.csr_matrix:
    """The matrix [V, V] that averages each vertex's neighbours (uniform Laplacian)."""
    rows = np.concatenate((faces[:, 0], faces[:, 1], faces[:, 2]))
    columns = np.concatenate((faces[:, 1], faces[:, 2], faces[:, 0]))
    graph = sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), (count, count))
    graph = ((graph + graph.T) > 0).astype(float).tocsr()
    degree = np.maximum(np.asarray(graph.sum(1)).ravel(), 1)
    return sparse.diags(1 / degree) @ graph


def spread_forearm_twist(weights: Array, vertices: Array, joints: Array) -> Array:
    """Move weights from elbow to wrist, increasingly along the lower forearm.

    SMPL rotates the hand at the wrist joint; else the skin would twist within a few centimetres.
    """
    spread = weights.copy()
    for elbow, wrist in ((18, 20), (19, 21)):
        axis = joints[wrist] - joints[elbow]
        along = (vertices - joints[elbow]) @ axis / (axis @ axis)
        ramp = np.clip((along - TWIST_START) / (1 - TWIST_START), 0, 1) ** 1.5 * TWIST_SHARE
        both = weights[:, elbow] + weights[:, wrist]
        share = np.maximum(weights[:, wrist], ramp * both)
        spread[:, wrist], spread[:, elbow] = share, both - share
    return spread


def limit_influences(weights: Array) -> Array:
    """Keep the largest weights of each vertex; rows sum to 1.

    Weights equal to the largest dropped one are dropped too: on the midline these are of the other
    side.
    """
    dropped = np.sort(weights, axis=1)[:, [-INFLUENCES - 1]]
    kept = np.where(weights > dropped + 1e-9, weights, 0.0)
    kept[kept < 0.004] = 0.0
    return kept / kept.sum(1, keepdims=True)


def smoothed(source: Source, weights: Array, rounds: int = 3) -> Array:
    """Weights [V, 24] of the full mesh smoothed over the surface, symmetric, four per vertex."""
    mean = neighbour_mean(source.faces, len(weights))
    for _ in range(rounds):
        weights = 0.5 * weights + 0.5 * (mean @ weights)
    weights = (weights + weights[source.mirror][:, MIRRORED_JOINT]) / 2
    return limit_influences(weights / weights.sum(1, keepdims=True))


def skinning_weights(source: Source, vertices: Array, joints: Array) -> Array:
    """Weights [V, 24] for mean vertices [V, 3] and joints [24, 3] in the T-pose."""
    return smoothed(source, spread_forearm_twist(merge_bones(source), vertices, joints))


def untwisted_weights(source: Source) -> Array:
    """Weights [V, 24] without the forearm's twist."""
    return smoothed(source, merge_bones(source))
