"""The keypoint orders of public data sets, as regressors from posed vertices.

COCO-17 and OpenPose-18 are surface and joint points as annotators place them. H36M-17 is the
skeleton of Human3.6M, LSP-14 that of Leeds Sports Pose. Left and right are person-centric.
"""

from __future__ import annotations

from collections.abc import Container

import numpy as np
import numpy.typing as npt

from icl_mesh.body.layout import JOINT_NAMES, Regressor

JOINT_SETS: dict[str, tuple[str, ...]] = {
    "coco17": (
        *("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
        *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow"),
        *("left_wrist", "right_wrist", "left_hip", "right_hip"),
        *("left_knee", "right_knee", "left_ankle", "right_ankle"),
    ),
    "h36m17": (
        *("pelvis", "right_hip", "right_knee", "right_ankle"),
        *("left_hip", "left_knee", "left_ankle"),
        *("spine", "thorax", "face", "head_top"),
        *("left_shoulder", "left_elbow", "left_wrist"),
        *("right_shoulder", "right_elbow", "right_wrist"),
    ),
    "lsp14": (
        *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"),
        *("right_wrist", "right_elbow", "right_shoulder"),
        *("left_shoulder", "left_elbow", "left_wrist", "neck_base", "head_top"),
    ),
    "openpose18": (
        *("nose", "mid_shoulders", "right_shoulder", "right_elbow", "right_wrist"),
        *("left_shoulder", "left_elbow", "left_wrist"),
        *("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
        *("right_eye", "left_eye", "right_ear", "left_ear"),
    ),
}
# Vertex ids of SMPL's 6890-vertex mesh that public code uses for the face (smplx's vertex_ids).
# 411 is on the crown.
SMPL_FACE_VERTICES = {
    "nose": 332,
    "right_eye": 6260,
    "left_eye": 2800,
    "right_ear": 4071,
    "left_ear": 583,
    "head_top": 411,
}
SMPL_VERTEX_COUNT = 6890
# Points that SMPL does not have, as weighted sums of its joints.
_JOINT_STAND_INS = {
    "spine": {"spine2": 0.5, "spine1": 0.5},
    "thorax": {"neck": 1.0},
    "neck_base": {"neck": 1.0},
    "face": {"nose": 0.5, "head": 0.5},
    "mid_shoulders": {"left_shoulder": 0.5, "right_shoulder": 0.5},
}


def check_points(known: Container[str], body: str, remedy: str) -> None:
    """Raise ValueError for a set of JOINT_SETS with points that a body does not know."""
    for name, points in JOINT_SETS.items():
        if missing := [point for point in points if point not in known]:
            raise ValueError(
                f"joint set {name!r} names {', '.join(missing)}, for which {body} has no "
                f"regressor: {remedy}"
            )


def smpl_joint_sets(joint_regressor: npt.NDArray[np.floating]) -> dict[str, Regressor]:
    """Approximate joint sets of an SMPL file, from its dense joint regressor [24, V].

    Limb points are SMPL's joints, regressed from the posed vertices. They differ from the
    skeleton's joints by a few millimetres, and the hips are closer together than COCO's annotators
    place them. Face points are the vertices SMPL_FACE_VERTICES. A mesh of another vertex count has
    the head joint at every face point.
    """
    known = dict(zip(JOINT_NAMES, joint_regressor, strict=True))
    for name, vertex in SMPL_FACE_VERTICES.items():
        if joint_regressor.shape[1] == SMPL_VERTEX_COUNT:
            known[name] = np.eye(1, SMPL_VERTEX_COUNT, vertex)[0]
        else:
            known[name] = known["head"]
    for name, parts in _JOINT_STAND_INS.items():
        known[name] = np.sum([share * known[part] for part, share in parts.items()], axis=0)
    check_points(known, "an SMPL file", "give it in _JOINT_STAND_INS or SMPL_FACE_VERTICES")
    return {
        name: Regressor.from_dense(np.stack([known[point] for point in points]))
        for name, points in JOINT_SETS.items()
    }
