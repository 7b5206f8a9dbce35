"""Targets of the keypoint regressors: Anny's COCO points and SMPL joints.

They come from the full mesh and the skeleton in random poses and shapes, so that the regressors
hold in all poses.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from icl_mesh.body.joint_sets import JOINT_SETS
from icl_mesh.body.layout import JOINT_NAMES

from .source import Source

Array = npt.NDArray[np.float64]

POINT_NAMES: tuple[str, ...] = tuple(
    dict.fromkeys(name for names in JOINT_SETS.values() for name in names)
)
_JOINT_POINTS = {
    "pelvis": {"pelvis": 1.0},
    "spine": {"spine1": 0.5, "spine2": 0.5},
    "thorax": {"neck": 1.0},
    "neck_base": {"neck": 1.0},
}


def mirrored_points() -> npt.NDArray[np.int64]:
    """Row of each point's left-right twin [K]."""
    swap = {"left": "right", "right": "left"}
    twins = []
    for name in POINT_NAMES:
        side, _, rest = name.partition("_")
        twins.append(POINT_NAMES.index(f"{swap[side]}_{rest}" if side in swap else name))
    return np.array(twins)


def point_targets(source: Source, vertices: Array, joints: Array) -> Array:
    """Points [S, K, 3] of full meshes [S, V, 3] with SMPL joints [S, 24, 3]."""
    coco = np.einsum("kv,svd->skd", source.keypoint_weights, vertices, optimize=True)
    known = {name: coco[:, row] for row, name in enumerate(source.keypoint_names)}
    for point, shares in _JOINT_POINTS.items():
        known[point] = sum(
            (share * joints[:, JOINT_NAMES.index(joint)] for joint, share in shares.items()),
            np.zeros_like(joints[:, 0]),
        )
    known["face"] = (known["nose"] + joints[:, JOINT_NAMES.index("head")]) / 2
    known["mid_shoulders"] = (known["left_shoulder"] + known["right_shoulder"]) / 2
    known["head_top"] = vertices[:, source.template[:, 1].argmax()]
    return np.stack([known[name] for name in POINT_NAMES], axis=1)
