"""Where joints and keypoints of people are seen: the best cells of heatmaps around a first pose.

On the host, for all people at once (see decoding). N people of all images together, K points of a
kind (24 joints, 17 keypoints), H x W cells of that kind's maps.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from icl_mesh.native import INT, POINTER, address, kernel

if TYPE_CHECKING:
    from icl_mesh.decoding import Peaks
    from icl_mesh.network import InferenceMaps, KeypointChannels

Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.int64]

#: Standard deviation of the window around a point's first place, as a share of the person's
#: extent (the diagonal of the joints' box): wide enough for an arm that hangs where it is raised.
WINDOW = 0.2
#: Maps are searched at this size, cells pooled to it: of 8 people's windows, the full maps would
#: be the largest arrays of a frame outside the network.
SEARCH_CELLS = 48
#: Cells of the finest map around a person's own cell in which the regressed keypoints' centre lies.
_CENTER_STEPS = np.arange(-2, 4)
_AROUND = np.arange(-1, 2)


class Seen(NamedTuple):
    """points [N, K, 2] in square coordinates; strength [N, K]: probability of the cell there."""

    points: Floats
    strength: Floats


class Evidence(NamedTuple):
    """joints: K = 24, by the network's joint heatmaps. keypoints: K = 17, by the heatmaps of the
    backbone, regressed: K = 17, where it places them from the person's centre, with the strength of
    that centre; K = 0 for a backbone without keypoints."""

    joints: Seen
    keypoints: Seen
    regressed: Seen


def gather_evidence(
    maps: InferenceMaps,
    channels: KeypointChannels | None,
    peaks: Peaks,
    joints: Floats,
    keypoints: Floats,
) -> Evidence:
    """What maps show of the N people at peaks, whose first poses have joints [N, 24, 2] and
    keypoints [N, 17, 2] there, in square coordinates. channels: of the backbone's keypoints."""
    extent = np.linalg.norm(np.ptp(joints, axis=1), axis=1)
    heatmaps = maps.joint_heatmaps.cpu().numpy()
    seen = find_seen(heatmaps, peaks.image, joints, extent)
    if channels is None:
        none = Seen(joints[:, :0], joints[:, :0, 0])
        return Evidence(seen, none, none)
    # From a GPU these channels alone come to the host.
    features = maps.features[:, channels.first :].cpu().numpy()
    return Evidence(
        seen,
        find_seen(features[:, channels.keypoints], peaks.image, keypoints, extent),
        regressed_keypoints(features, channels, peaks.image, peaks.cell),
    )


def find_seen(heatmaps: Floats, image: Indices, points: Floats, extent: Floats) -> Seen:
    """The best place for each point of each person near where the first pose has it.

    heatmaps [B, K, H, W]; image [N]: each person's; points [N, K, 2] and extent [N] of the person,
    in square coordinates. Cells weigh by a Gaussian around the point, since the same joint of
    somebody else is seen as well; the place is the mean of the 3x3 cells around the best one, by
    their probability: a cell is several pixels wide.
    """
    height, width = heatmaps.shape[2:]
    spread = WINDOW * np.maximum(extent, 1e-3).astype(np.float32)
    find = kernel("icl_find_seen", *_FIND_SEEN)
    if find is None or heatmaps.dtype != np.float32:
        return _find_on_host(heatmaps, image, points, spread)
    image, points = np.ascontiguousarray(image), np.ascontiguousarray(points, np.float32)
    places, strength = np.empty_like(points), np.empty(points.shape[:2], np.float32)
    maps, strides = _strided(heatmaps)
    kinds = heatmaps.shape[1]
    find(
        *(maps, address(strides, np.int64), kinds, height, width, SEARCH_CELLS),
        *(address(image, np.int64), address(points), kinds, address(spread), len(points)),
        *(address(places), address(strength), kinds),
    )
    return Seen(places, strength)


#: Of icl_find_seen and icl_regressed_keypoints (src/evidence.cpp).
_FIND_SEEN = (
    *(POINTER, POINTER, *(INT,) * 4),
    *(POINTER, POINTER, INT, POINTER, INT),
    *(POINTER, POINTER, INT),
)
_REGRESSED = (
    *(POINTER, POINTER, INT, INT, POINTER, INT),
    *(POINTER, POINTER, INT),
    *(POINTER, POINTER, INT),
)


def _strided(maps: Floats) -> tuple[int, npt.NDArray[np.int64]]:
    """Where maps in any layout begin, and their strides, counted in numbers."""
    return maps.__array_interface__["data"][0], np.array(maps.strides) // maps.itemsize


def _find_on_host(heatmaps: Floats, image: Indices, points: Floats, spread: Floats) -> Seen:
    """find_seen, with numpy, for windows of this standard deviation [N], square coordinates."""
    # Engines leave features channel by channel within a cell, of which a few are searched.
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
    # Far from everything a Gaussian is zero: so many points would all be seen in cell 0.
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
    strength = heatmaps[person, kind, y, x]
    rows = np.clip(y[..., None] + _AROUND, 0, height - 1)[..., None]
    columns = np.clip(x[..., None] + _AROUND, 0, width - 1)[..., None, :]
    around = heatmaps[person[..., None, None], kind[:, None, None], rows, columns] + 1e-9
    total = around.sum(axis=(2, 3))
    mean = [(around * at).sum(axis=(2, 3)) / total for at in (columns, rows)]
    places = (np.stack(mean, axis=2) + 0.5) / np.array([width, height], np.float32) * 2 - 1
    return Seen(places.astype(np.float32), strength)


def pooled(maps: Floats, pool: int) -> Floats:
    """The largest value of each pool x pool cells of maps [B, K, H, W]: [B, K, H / pool, W / pool].

    By whole rows, then columns: numpy's own maximum over short axes takes ten times as long.
    """
    rows = reduce(np.maximum, (maps[:, :, step::pool] for step in range(pool)))
    return reduce(np.maximum, (rows[..., step::pool] for step in range(pool)))


def regressed_keypoints(
    features: Floats, channels: KeypointChannels, image: Indices, cell: Indices
) -> Seen:
    """Where the backbone places the keypoints of the person centred in or near each cell.

    features [B, C, H, W], from channels.first on; cell [N, 2]: (x, y) of a map of half that size.
    The centre is the best one near by: the backbone may see it a cell or two beside ours.
    """
    height, width = features.shape[2:]
    regress = kernel("icl_regressed_keypoints", *_REGRESSED)
    if regress is not None and features.dtype == np.float32:
        kinds = channels.keypoints.stop - channels.keypoints.start
        own = np.array([channels.center, channels.offsets.start, channels.log_extent])
        image, cell = np.ascontiguousarray(image), np.ascontiguousarray(cell)
        places = np.empty((len(cell), kinds, 2), np.float32)
        certain = np.empty((len(cell), kinds), np.float32)  # the first of each row is filled
        maps, strides = _strided(features)
        regress(
            *(maps, address(strides, np.int64), height, width, address(own, np.int64), kinds),
            *(address(image, np.int64), address(cell, np.int64), len(cell)),
            *(address(places), address(certain), kinds),
        )
        return Seen(places, np.broadcast_to(certain[:, :1], places.shape[:2]))
    x, y = (np.clip(2 * c[:, None] + _CENTER_STEPS, 0, width - 1) for c in cell.T)
    around = features[image[:, None, None], channels.center, y[:, :, None], x[:, None]]
    best = around.reshape(len(cell), -1).argmax(axis=1)
    row, column = np.divmod(best, len(_CENTER_STEPS))
    person = np.arange(len(cell))
    x, y = x[person, column], y[person, row]
    offsets = features[image, channels.offsets, y, x].reshape(len(cell), -1, 2)[..., ::-1]
    offsets = offsets * np.exp(features[image, channels.log_extent, y, x])[:, None, None]
    places = np.stack((x, y), axis=1)[:, None] + offsets
    points = (places + 0.5) / np.array([width, height], np.float32) * 2 - 1
    strength = np.broadcast_to(around.max(axis=(1, 2))[:, None], points.shape[:2])
    return Seen(points.astype(np.float32), strength)
