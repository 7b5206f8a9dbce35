"""Whose keypoint it is: the probability that a keypoint in a person's crop is this person's own.

A single-person network takes the person in front. The identity maps of the first stage (I_J, I_C;
paper, section 3.2) tell whose joint a pixel shows, and the first pose tells where it should be.
N people, K = 17 keypoints, in square coordinates.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from icl_mesh.network.refinement import GATE_INPUTS

Floats = npt.NDArray[np.floating[Any]]

#: Distances are capped at this, in half extents of a person.
FARTHEST = 1.0


class Seen(NamedTuple):
    """Of N people: keypoints [N, K, 2] and scores [N, K] of the second stage; of the first stage:
    keypoints first [N, K, 2], boxes (x0, y0, x1, y1) around all points [N, 4], score [N]. Unit
    embeddings of the people [N, 64] and at each of their keypoints [N, K, 64]."""

    keypoints: Floats
    scores: Floats
    first: Floats
    boxes: Floats
    score: Floats
    people: Floats
    pixels: Floats


def gate_inputs(seen: Seen) -> Floats:
    """Inputs of the logistic regression [N, K, 7].

    Score; cosine with the person's embedding; by how much another person's cosine exceeds it; by
    how much nearer another person's first pose has this keypoint. Of keypoints inside the box of
    somebody with a higher score, else 0: one; score; distance from the person's first pose.
    Distances are in half sides of the box, differences 0 at least.

    The distance counts only there: elsewhere it is what the second stage corrects.
    """
    extent = half_side(seen.boxes)
    cosine = np.einsum("nkc,mc->nkm", seen.pixels, seen.people)
    away = np.linalg.norm(seen.keypoints[:, :, None] - seen.first.swapaxes(0, 1), axis=3) / extent
    away = np.minimum(away, FARTHEST)
    own = np.arange(len(seen.score))
    own_cosine, own_away = cosine[own, :, own], away[own, :, own]
    # The person itself is among those compared.
    likelier = (cosine - own_cosine[..., None]).max(axis=2, initial=0)
    nearer = (own_away[..., None] - away).max(axis=2, initial=0)
    points, low, high = seen.keypoints[:, :, None], seen.boxes[:, :2], seen.boxes[:, 2:]
    inside = ((points > low) & (points < high)).all(axis=3)
    contested = (inside & (seen.score > seen.score[:, None])[:, None]).any(axis=2)
    parts = (seen.scores, own_cosine, likelier, nearer)
    where = (contested, contested * seen.scores, contested * own_away)
    return np.stack((*parts, *where), axis=2)


def half_side(boxes: Floats) -> Floats:
    """Boxes (x0, y0, x1, y1) [N, 4] -> half of their longer sides [N], positive."""
    return np.maximum((boxes[:, 2:] - boxes[:, :2]).max(axis=1) / 2, 1e-6)


def own_probability(inputs: Floats, gate: Floats) -> Floats:
    """gate_inputs [N, K, 7] and the regression's weights and bias [8] -> [N, K], 0 to 1."""
    logit = inputs @ gate[:GATE_INPUTS] + gate[GATE_INPUTS]
    return np.asarray(1 / (1 + np.exp(-logit)))
