"""Evidence of joints and keypoints: the best heatmap cells around those of a first pose.

For training; inference does the same in kernels.Reader. N people of all images together, K
points of a kind (24 joints, 17 keypoints), H x W cells of that kind's maps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from icl_mesh import kernels

if TYPE_CHECKING:
    from icl_mesh.decode.peaks import Peaks
    from icl_mesh.network import InferenceMaps, KeypointChannels

Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.int64]

#: Standard deviation of the window around a point of the first pose, as a share of the person's
#: extent (the diagonal of the joints' box). A raised arm is found from a pose in which it hangs.
WINDOW = 0.2
#: Heatmaps are max-pooled to this size (cells) before the search: 8 people's windows at full size
#: would be the largest arrays of a frame outside the network.
SEARCH_CELLS = 48


class ScoredPoints(NamedTuple):
    """points [N, K, 2] in square coordinates; score [N, K]: probability of the cell there."""

    points: Floats
    score: Floats


class Evidence(NamedTuple):
    """joints: K = 24, by the network's joint heatmaps. keypoints: K = 17, by the heatmaps of the
    backbone. regressed: K = 17, regressed by the backbone from the person's centre, with the
    centre's score. K = 0 for a backbone without keypoints."""

    joints: ScoredPoints
    keypoints: ScoredPoints
    regressed: ScoredPoints


def gather_evidence(
    maps: InferenceMaps,
    channels: KeypointChannels | None,
    peaks: Peaks,
    joints: Floats,
    keypoints: Floats,
) -> Evidence:
    """Evidence of the N people at peaks. joints [N, 24, 2], keypoints [N, 17, 2]: of their first
    poses, in square coordinates. channels: of the backbone's keypoints, None without them."""
    extent = np.linalg.norm(np.ptp(joints, axis=1), axis=1)
    heatmaps = maps.joint_heatmaps.float().cpu().numpy()
    seen = search_heatmaps(heatmaps, peaks.image, joints, extent)
    if channels is None:
        none = ScoredPoints(joints[:, :0], joints[:, :0, 0])
        return Evidence(seen, none, none)
    # From a GPU these channels alone come to the host.
    features = maps.features[:, channels.first :].float().cpu().numpy()
    return Evidence(
        seen,
        search_heatmaps(features[:, channels.keypoints], peaks.image, keypoints, extent),
        regressed_keypoints(features, channels, peaks.image, peaks.cell),
    )


def search_heatmaps(
    heatmaps: Floats, image: Indices, points: Floats, extent: Floats
) -> ScoredPoints:
    """The best heatmap location of each point, near its location in the first pose.

    heatmaps float32 [B, K, H, W], in any layout. image [N]: each person's index into the batch.
    points [N, K, 2] and extent [N] of the person: square coordinates. A Gaussian around the point
    weights the cells, because a heatmap shows the joints of all people. The location is the
    probability-weighted mean of the 3x3 cells around the best one: cells are several pixels wide.
    """
    spread = WINDOW * np.maximum(extent, 1e-3).astype(np.float32)
    image, points = np.ascontiguousarray(image), np.ascontiguousarray(points, np.float32)
    located, score = np.empty_like(points), np.empty(points.shape[:2], np.float32)
    kernels.search_heatmaps(heatmaps, SEARCH_CELLS, image, points, spread, located, score)
    return ScoredPoints(located, score)


def regressed_keypoints(
    features: Floats, channels: KeypointChannels, image: Indices, cell: Indices
) -> ScoredPoints:
    """Keypoints that the backbone regresses from the person centred in or near each cell.

    features float32 [B, C, H, W], in any layout, from channels.first on. image [N]: index into the
    batch. cell [N, 2]: (x, y) of a map of half that size. The backbone's best centre nearby is
    used: it may lie a cell or two beside the detection.
    """
    kinds = channels.keypoints.stop - channels.keypoints.start
    located = np.empty((len(cell), kinds, 2), np.float32)
    score = np.empty((len(cell), kinds), np.float32)
    kernels.regressed_keypoints(
        features,
        channels.center,
        channels.offsets.start,
        channels.log_extent,
        np.ascontiguousarray(image),
        np.ascontiguousarray(cell),
        located,
        score,
    )
    return ScoredPoints(located, score)
