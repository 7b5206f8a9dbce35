"""Joint conventions: which points of each data set stand for which of SMPL's 24 joints.

CONVENTIONS is the table. A point stands for a joint if both are the same part of the body. Data
sets define it on the skin or on their own skeleton, so it may be some centimetres from SMPL's joint
(most at the hips, which COCO's annotators put further out). A joint that is the mean of two points
has a label only if both have one. Points without a counterpart (face, top of the head, the data
set's own spine) are listed in `unmapped`: they are evaluated as keypoints and never label a SMPL
joint. SMPL joints without a point are unlabelled in that data set.

Letters: N people, K points of a data set, J = 24 joints. Left and right are the person's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from icl_mesh.body.joint_sets import JOINT_SETS
from icl_mesh.body.layout import JOINT_COUNT, JOINT_NAMES
from icl_mesh_training.data.visibility import UNLABELLED

#: Limb joints have the same names in all conventions.
LIMBS = tuple(
    f"{side}_{part}"
    for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
    for side in ("left", "right")
)
_HIPS = ("left_hip", "right_hip")


@dataclass(frozen=True)
class Convention:
    """names: the data set's points, in its order. stands_for: SMPL joint -> the points whose mean
    it is, besides LIMBS. unmapped: points that stand for no joint.
    """

    names: tuple[str, ...]
    stands_for: Mapping[str, tuple[str, ...]]
    unmapped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        used = {point for points in self.joints.values() for point in points}
        if used | set(self.unmapped) != set(self.names) or used & set(self.unmapped):
            raise ValueError(f"every point of {self.names} is either mapped or unmapped, once")

    @property
    def joints(self) -> dict[str, tuple[str, ...]]:
        """SMPL joint -> points of this convention."""
        return {**{n: (n,) for n in LIMBS if n in self.names}, **self.stands_for}

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """[J, K] weights: rows of joints with a counterpart sum to 1, the others to 0."""
        matrix = np.zeros((JOINT_COUNT, len(self.names)))
        for joint, points in self.joints.items():
            for point in points:
                matrix[JOINT_NAMES.index(joint), self.names.index(point)] = 1 / len(points)
        return matrix

    def to_smpl(
        self, points: npt.NDArray[np.floating], state: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
        """Points [N, K, D] and their states [N, K] -> SMPL joints [N, J, D] and states [N, J].

        A joint's state is the highest of its points'; NaN and UNLABELLED if any has no label.
        """
        matrix = self.matrix
        parts = matrix > 0
        joints = np.einsum("jk,nkd->njd", matrix, np.nan_to_num(points.astype(np.float64)))
        worst = np.where(parts[None], state[:, None, :], 0).max(axis=2).astype(np.uint8)
        worst[:, ~parts.any(axis=1)] = UNLABELLED
        lost = np.isnan(points).any(axis=2)[:, None, :] & parts[None]
        worst[lost.any(axis=2)] = UNLABELLED
        joints[worst == UNLABELLED] = np.nan
        return joints, worst


_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
#: MPI-INF-3DHP's 17 points, the first 17 of MuCo-3DHP's 21.
_MPI_17 = (
    *("head_top", "neck", "right_shoulder", "right_elbow", "right_wrist"),
    *("left_shoulder", "left_elbow", "left_wrist", "right_hip", "right_knee", "right_ankle"),
    *("left_hip", "left_knee", "left_ankle", "pelvis", "spine", "head"),
)
_MPI_JOINTS: dict[str, tuple[str, ...]] = {
    "pelvis": ("pelvis",),
    "neck": ("neck",),
    "head": ("head",),
}
_OWN_NAMES: dict[str, tuple[str, ...]] = {
    name: (name,) for name in JOINT_NAMES if name not in LIMBS
}

CONVENTIONS: dict[str, Convention] = {
    # COCO, OCHuman. SMPL's pelvis joint lies between its hips.
    "coco17": Convention(JOINT_SETS["coco17"], {"pelvis": _HIPS}, _FACE),
    "crowdpose14": Convention(
        (
            *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow"),
            *("left_wrist", "right_wrist", "left_hip", "right_hip"),
            *("left_knee", "right_knee", "left_ankle", "right_ankle", "head_top", "neck"),
        ),
        {"pelvis": _HIPS, "neck": ("neck",)},
        ("head_top",),
    ),
    # "thorax" is the base of the neck, where SMPL's neck is; "neck" is the upper end of the neck.
    "mpii16": Convention(
        (
            *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"),
            *("pelvis", "thorax", "neck", "head_top"),
            *("right_wrist", "right_elbow", "right_shoulder"),
            *("left_shoulder", "left_elbow", "left_wrist"),
        ),
        {"pelvis": ("pelvis",), "neck": ("thorax",)},
        ("neck", "head_top"),
    ),
    "lsp14": Convention(
        JOINT_SETS["lsp14"], {"pelvis": _HIPS, "neck": ("neck_base",)}, ("head_top",)
    ),
    "h36m17": Convention(
        JOINT_SETS["h36m17"],
        {"pelvis": ("pelvis",), "neck": ("thorax",)},
        ("spine", "face", "head_top"),
    ),
    "mpi_inf_3dhp17": Convention(_MPI_17, _MPI_JOINTS, ("head_top", "spine")),
    # Centres of hands and tips of feet, for SMPL's hand (palm) and foot (ball) joints.
    "muco21": Convention(
        (*_MPI_17, "right_hand", "left_hand", "right_toe", "left_toe"),
        {
            **_MPI_JOINTS,
            **{"left_hand": ("left_hand",), "right_hand": ("right_hand",)},
            **{"left_foot": ("left_toe",), "right_foot": ("right_toe",)},
        },
        ("head_top", "spine"),
    ),
    "panoptic19": Convention(
        (
            *("neck", "nose", "mid_hips", "left_shoulder", "left_elbow", "left_wrist"),
            *("left_hip", "left_knee", "left_ankle"),
            *("right_shoulder", "right_elbow", "right_wrist"),
            *("right_hip", "right_knee", "right_ankle"),
            *("left_eye", "left_ear", "right_eye", "right_ear"),
        ),
        {"pelvis": ("mid_hips",), "neck": ("neck",)},
        _FACE,
    ),
    # 3DPW's jointPositions are SMPL's own joints.
    "smpl24": Convention(JOINT_NAMES, _OWN_NAMES),
}
