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


class Identities(NamedTuple):
    """Unit embeddings: of people [N, 64], and at each of their keypoints [N, K, 64]."""

    people: Floats
    keypoints: Floats


def gate_inputs(
    keypoints: Floats, scores: Floats, first: Floats, extent: Floats, identities: Identities
) -> Floats:
    """Inputs of the logistic regression [N, K, 4].

    keypoints [N, K, 2], scores [N, K]: of the second stage. first [N, K, 2]: of the first poses.
    extent [N]: half the side of the box around a person. Inputs: score; cosine with the person's
    embedding; by how much another person's cosine exceeds it (0 at least); by how much nearer
    another person's first pose has this keypoint (0 at least), in half extents.

    The distance from the person's own first pose is no input: on photos it is what the second stage
    corrects.
    """
    cosine = np.einsum("nkc,mc->nkm", identities.keypoints, identities.people)
    away = np.linalg.norm(keypoints[:, :, None] - first.swapaxes(0, 1), axis=3) / extent
    away = np.minimum(away, FARTHEST)
    own = np.arange(len(keypoints))
    own_cosine, own_away = cosine[own, :, own], away[own, :, own]
    # The person itself is among those compared.
    likelier = (cosine - own_cosine[..., None]).max(axis=2, initial=0)
    nearer = (own_away[..., None] - away).max(axis=2, initial=0)
    return np.stack((scores, own_cosine, likelier, nearer), axis=2)


def own_probability(inputs: Floats, gate: Floats) -> Floats:
    """gate_inputs [N, K, 4] and the regression's weights and bias [5] -> [N, K], 0 to 1."""
    logit = inputs @ gate[:GATE_INPUTS] + gate[GATE_INPUTS]
    return np.asarray(1 / (1 + np.exp(-logit)))
