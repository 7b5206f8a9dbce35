"""One-to-one: a keypoint that two crops show belongs to one person.

A single-person network takes the person in front. The crop of a person who is hidden shows the same
keypoints as that of the other. N people, K = 17 keypoints; extents in square coordinates.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]

#: Two crops show the same keypoint within this distance, in half extents.
SAME_KEYPOINT = 0.15
#: Two people are one: median distances of keypoints and of first poses, in half extents.
#: Medians: the legs of one may be those of the other mirrored, or of the image before (Budget).
SAME_KEYPOINTS, SAME_POSE = 0.15, 0.3


def duplicates(keypoints: Floats, first: Floats, extent: Floats, score: Floats) -> Mask:
    """People [N] whose crop shows the keypoints of somebody with a higher score, and whose first
    pose is that person's, too. keypoints, first: [N, K, 2]; extent, score: [N]."""
    unit = np.minimum(extent, extent[:, None])
    apart = np.median(_distances(keypoints, unit), axis=2)
    poses_apart = np.median(_distances(first, unit), axis=2)
    same = (apart < SAME_KEYPOINTS) & (poses_apart < SAME_POSE)
    duplicate = np.zeros(len(score), bool)
    for person in np.argsort(-score, kind="stable"):
        if not duplicate[person]:
            duplicate |= same[person] & (score <= score[person]) & (np.arange(len(score)) != person)
    return duplicate


def lost_keypoints(keypoints: Floats, first: Floats, extent: Floats) -> Mask:
    """Keypoints [N, K] that another person's crop shows as well, and whose first pose is nearer.
    keypoints, first: [N, K, 2]; extent: [N]."""
    unit = np.minimum(extent, extent[:, None])
    same = _distances(keypoints, unit) < SAME_KEYPOINT
    away = np.linalg.norm(keypoints - first, axis=2) / extent[:, None]
    return np.asarray((same & (away < away[:, None])).any(axis=1))


def _distances(points: Floats, unit: Floats) -> Floats:
    """Between people [N, N, K], in units [N, N]."""
    apart = np.linalg.norm(points[:, None] - points[None], axis=3)
    return np.asarray(apart / unit[..., None])
