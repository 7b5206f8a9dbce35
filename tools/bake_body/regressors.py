"""Sparse, symmetric regressors from vertices to points, by ridge regression.

They have signed weights on 64 vertices around a joint. Non-negative weights on few vertices had
three times the error.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from icl_mesh.body.layout import Regressor

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


def surround(vertices: Array, point: Array, count: int, mirror: Index | None) -> Index:
    """Vertices around a point by farthest point sampling.

    With a mirror map (for points on the midline) the selection is symmetric.
    """
    distance = np.linalg.norm(vertices - point, axis=1)
    near = np.argsort(distance)[: 5 * count]
    if mirror is not None:
        near = near[vertices[near, 0] >= -1e-6]
    chosen = [int(near[0])] if mirror is None else sorted({int(near[0]), int(mirror[near[0]])})
    gap = np.linalg.norm(vertices[near] - vertices[chosen[0]], axis=1)
    while len(chosen) < count and gap.max() > 0:
        following = int(near[gap.argmax()])
        both = {following} if mirror is None else {following, int(mirror[following])}
        if len(chosen) + len(both) > count:
            break
        chosen.extend(both)
        gap = np.minimum(gap, np.linalg.norm(vertices[near] - vertices[following], axis=1))
    return np.array(chosen)


def fit(vertices: Array, targets: Array, ridge: float) -> Array:
    """Weights [M], with sum 1, of vertices [S, M, 3] for targets [S, 3], by least squares."""
    offsets = (vertices - targets[:, None]).transpose(0, 2, 1).reshape(-1, vertices.shape[1])
    gram = offsets.T @ offsets / len(vertices)
    gram[np.diag_indices_from(gram)] += ridge
    weights = np.linalg.solve(gram, np.ones(len(gram)))
    return weights / weights.sum()


def fit_regressor(
    vertices: Array,
    targets: Array,
    mirrored_row: Index,
    mirror: Index,
    *,
    count: int = 64,
    ridge: float = 3e-7,
) -> Regressor:
    """Regressor of points [S, K, 3] from vertices [S, V, 3].

    mirrored_row: [K], the left-right twin of each point. mirror: [V]. count: vertices per point.
    ridge: penalty of squared weights, m^2.
    """
    mean_vertices, mean_targets = vertices.mean(0), targets.mean(0)
    rows = targets.shape[1]
    indices = np.zeros((rows, count), np.int64)
    weights = np.zeros((rows, count))
    for row, twin in enumerate(mirrored_row):
        if twin < row:
            indices[row], weights[row] = mirror[indices[twin]], weights[twin]
            continue
        on_midline = twin == row
        chosen = surround(mean_vertices, mean_targets[row], count, mirror if on_midline else None)
        fitted = fit(vertices[:, chosen], targets[:, row], ridge)
        if on_midline:
            column = {vertex: k for k, vertex in enumerate(chosen)}
            fitted = (fitted + fitted[[column[v] for v in mirror[chosen]]]) / 2
        indices[row, : len(chosen)], weights[row, : len(chosen)] = chosen, fitted
    return Regressor(indices, weights.astype(np.float32))


def apply(regressor: Regressor, vertices: Array) -> Array:
    """Points [S, K, 3] of vertices [S, V, 3]."""
    return (vertices[:, regressor.indices] * regressor.weights[..., None]).sum(2)
