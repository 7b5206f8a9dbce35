"""Where joints and keypoints of people are seen: the best cells of heatmaps around a first pose.

For training: kernels.Reader does the same by itself. N people of all images together, K points of a
kind (24 joints, 17 keypoints), H x W cells of that kind's maps.
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

#: Standard deviation of the window around a point's first place, as a share of the person's
#: extent (the diagonal of the joints' box): wide enough for an arm that hangs where it is raised.
WINDOW = 0.2
#: Maps are searched at this size, cells pooled to it: of 8 people's windows, the full maps would
#: be the largest arrays of a frame outside the network.
SEARCH_CELLS = 48


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
    heatmaps = maps.joint_heatmaps.float().cpu().numpy()
    seen = find_seen(heatmaps, peaks.image, joints, extent)
    if channels is None:
        none = Seen(joints[:, :0], joints[:, :0, 0])
        return Evidence(seen, none, none)
    # From a GPU these channels alone come to the host.
    features = maps.features[:, channels.first :].float().cpu().numpy()
    return Evidence(
        seen,
        find_seen(features[:, channels.keypoints], peaks.image, keypoints, extent),
        regressed_keypoints(features, channels, peaks.image, peaks.cell),
    )


def find_seen(heatmaps: Floats, image: Indices, points: Floats, extent: Floats) -> Seen:
    """The best place for each point of each person near where the first pose has it.

    heatmaps float32 [B, K, H, W], in any layout; image [N]: each person's; points [N, K, 2] and
    extent [N] of the person, in square coordinates. Cells weigh by a Gaussian around the point,
    since the same joint of somebody else is seen as well; the place is the mean of the 3x3 cells
    around the best one, by their probability: a cell is several pixels wide.
    """
    spread = WINDOW * np.maximum(extent, 1e-3).astype(np.float32)
    image, points = np.ascontiguousarray(image), np.ascontiguousarray(points, np.float32)
    places, strength = np.empty_like(points), np.empty(points.shape[:2], np.float32)
    kernels.find_seen(heatmaps, SEARCH_CELLS, image, points, spread, places, strength)
    return Seen(places, strength)


def regressed_keypoints(
    features: Floats, channels: KeypointChannels, image: Indices, cell: Indices
) -> Seen:
    """Where the backbone places the keypoints of the person centred in or near each cell.

    features float32 [B, C, H, W], in any layout, from channels.first on; cell [N, 2]: (x, y) of a
    map of half that size.
    The centre is the best one near by: the backbone may see it a cell or two beside ours.
    """
    kinds = channels.keypoints.stop - channels.keypoints.start
    places = np.empty((len(cell), kinds, 2), np.float32)
    strength = np.empty((len(cell), kinds), np.float32)
    kernels.regressed_keypoints(
        features,
        channels.center,
        channels.offsets.start,
        channels.log_extent,
        np.ascontiguousarray(image),
        np.ascontiguousarray(cell),
        places,
        strength,
    )
    return Seen(places, strength)
