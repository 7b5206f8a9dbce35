"""Who faces the other way than in truth: front and back, left and right confused."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from icl_mesh.body.layout import JOINT_NAMES

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

#: Joints that span the trunk: left and right hip, left and right shoulder.
TRUNK = tuple(
    JOINT_NAMES.index(f"{side}_{part}")
    for part in ("hip", "shoulder")
    for side in ("left", "right")
)
#: COCO's shoulders and hips, left and right.
PAIRS = ((5, 6), (11, 12))
#: Sides that are less than this share of the torso apart in x have no order to confuse.
APART_SHARE = 0.1


def forward(joints: FloatArray) -> FloatArray:
    """Where trunks face [N, 3], not normalised, from SMPL's joints [N, 24, 3]."""
    left_hip, right_hip, left_shoulder, right_shoulder = (joints[:, j] for j in TRUNK)
    to_left = left_hip - right_hip + left_shoulder - right_shoulder
    up = left_shoulder + right_shoulder - left_hip - right_hip
    return np.cross(to_left, up)


def turned_away(predicted: FloatArray, true: FloatArray, labelled: BoolArray) -> FloatArray:
    """1 where a trunk of joints [N, 24, 3] faces more than 90 degrees away from the true one, else
    0; NaN where a hip or a shoulder has no label [N, 24]."""
    cosine = (forward(predicted) * forward(true)).sum(axis=1)
    known = labelled[:, TRUNK].all(axis=1)
    return np.where(known, (cosine < 0).astype(float), np.nan)


def swapped_sides(
    predicted: FloatArray, true: FloatArray, labelled: BoolArray, torso: FloatArray
) -> tuple[int, int]:
    """(swapped, pairs): pairs of shoulders or hips whose left and right stand in the other order
    along the image's x axis.

    predicted, true: COCO-17 keypoints [N, 17, 2], px. Pairs count where both are labelled [N, 17]
    and further apart in x than APART_SHARE of the torso [N], px.
    """
    left, right = (list(side) for side in zip(*PAIRS, strict=True))
    apart = true[:, left, 0] - true[:, right, 0]
    counted = labelled[:, left] & labelled[:, right]
    counted &= np.abs(apart) > APART_SHARE * torso[:, None]
    swapped = (predicted[:, left, 0] - predicted[:, right, 0]) * apart < 0
    return int((swapped & counted).sum()), int(counted.sum())
