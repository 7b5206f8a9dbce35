"""icl_mesh.decode.evidence with numpy: what the compiled kernels are tested against."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from icl_mesh.decode.evidence import SEARCH_CELLS, WINDOW, Evidence, ScoredPoints
from icl_mesh.network import InferenceMaps, KeypointChannels

Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.int64]

#: Cells of the finest map around a person's own cell in which the regressed keypoints' centre lies.
_CENTER_STEPS = np.arange(-2, 4)
_AROUND = np.arange(-1, 2)


def gather_evidence(
    maps: InferenceMaps,
    channels: KeypointChannels | None,
    image: Indices,
    cell: Indices,
    joints: Floats,
    keypoints: Floats,
) -> Evidence:
    """As icl_mesh.decode.evidence.gather_evidence, of people at these cells of these images."""
    extent = np.linalg.norm(np.ptp(joints, axis=1), axis=1)
    seen = search_heatmaps(maps.joint_heatmaps.numpy(), image, joints, extent)
    if channels is None:
        none = ScoredPoints(joints[:, :0], joints[:, :0, 0])
        return Evidence(seen, none, none)
    features = maps.features[:, channels.first :].numpy()
    return Evidence(
        seen,
        search_heatmaps(features[:, channels.keypoints], image, keypoints, extent),
        regressed_keypoints(features, channels, image, cell),
    )


def search_heatmaps(
    heatmaps: Floats, image: Indices, points: Floats, extent: Floats
) -> ScoredPoints:
    """As icl_mesh.decode.evidence.search_heatmaps."""
    spread = WINDOW * np.maximum(extent, 1e-3).astype(np.float32)
    # Engines store features channels-last; a few channels are searched.
    heatmaps = np.ascontiguousarray(heatmaps)
    count, kinds, height, width = heatmaps.shape
    pool = max(1, width // SEARCH_CELLS)
    while height % pool or width % pool:
        pool -= 1
    h, w = height // pool, width // pool
    blocks = heatmaps.reshape(count, kinds, h, pool, w, pool)
    coarse = pooled(heatmaps, pool)
    sides = np.array([w, h], np.float32)
    middle = (points.astype(np.float32) + 1) / 2 * sides - np.float32(0.5)
    variance = 2 * np.square(spread[:, None] / 2 * sides)
    # Far away a Gaussian underflows to zero, and all points would be found in cell 0.
    near = [
        np.maximum(
            np.exp(-np.square(np.arange(side, dtype=np.float32) - middle[..., axis, None])
                   / variance[:, axis, None, None]),
            np.float32(1e-12),
        )
        for axis, side in enumerate((w, h))
    ]  # fmt: skip
    weighed = coarse[image]
    weighed *= near[1][..., None]
    weighed *= near[0][:, :, None]
    y, x = np.divmod(weighed.reshape(len(points), kinds, -1).argmax(axis=2), w)
    person, kind = image[:, None], np.arange(kinds)
    if pool > 1:
        block = blocks[person, kind, y, :, x]  # [N, K, pool, pool]
        row, column = np.divmod(block.reshape(*y.shape, -1).argmax(axis=2), pool)
        y, x = y * pool + row, x * pool + column
    score = heatmaps[person, kind, y, x]
    rows = np.clip(y[..., None] + _AROUND, 0, height - 1)[..., None]
    columns = np.clip(x[..., None] + _AROUND, 0, width - 1)[..., None, :]
    around = heatmaps[person[..., None, None], kind[:, None, None], rows, columns] + 1e-9
    total = around.sum(axis=(2, 3))
    mean = [(around * at).sum(axis=(2, 3)) / total for at in (columns, rows)]
    located = (np.stack(mean, axis=2) + 0.5) / np.array([width, height], np.float32) * 2 - 1
    return ScoredPoints(located.astype(np.float32), score)


def pooled(maps: Floats, pool: int) -> Floats:
    """The largest value of each pool x pool cells of maps [B, K, H, W]: [B, K, H / pool, W / pool].

    By whole rows, then columns: numpy's own maximum over short axes takes ten times as long.
    """
    rows = reduce(np.maximum, (maps[:, :, step::pool] for step in range(pool)))
    return reduce(np.maximum, (rows[..., step::pool] for step in range(pool)))


def regressed_keypoints(
    features: Floats, channels: KeypointChannels, image: Indices, cell: Indices
) -> ScoredPoints:
    """As icl_mesh.decode.evidence.regressed_keypoints."""
    height, width = features.shape[2:]
    x, y = (np.clip(2 * c[:, None] + _CENTER_STEPS, 0, width - 1) for c in cell.T)
    around = features[image[:, None, None], channels.center, y[:, :, None], x[:, None]]
    best = around.reshape(len(cell), -1).argmax(axis=1)
    row, column = np.divmod(best, len(_CENTER_STEPS))
    person = np.arange(len(cell))
    x, y = x[person, column], y[person, row]
    offsets = features[image, channels.offsets, y, x].reshape(len(cell), -1, 2)[..., ::-1]
    offsets = offsets * np.exp(features[image, channels.log_extent, y, x])[:, None, None]
    located = np.stack((x, y), axis=1)[:, None] + offsets
    points = (located + 0.5) / np.array([width, height], np.float32) * 2 - 1
    score = np.broadcast_to(around.max(axis=(1, 2))[:, None], points.shape[:2])
    return ScoredPoints(points.astype(np.float32), score)
