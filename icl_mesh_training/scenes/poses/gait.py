"""A relaxed walk, for clips and sequences that need no motion capture."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from icl_mesh_training.scenes.poses.limbs import L_SHOULDER, R_SHOULDER
from icl_mesh_training.scenes.poses.pose import ANKLES, HIPS, JOINTS, KNEES, SPINE, Pose

#: Distance of one cycle of walking_pose (two steps), m.
CYCLE_M = 1.25


def walking_pose(phase: float, vigour: float = 1.0) -> Pose:
    """Pose at a phase of a relaxed walk, rad; 2 pi is two steps.

    vigour: 0 stands with hanging arms, 1 walks.
    """
    rotvec = np.zeros((JOINTS, 3))
    for i, (side, offset) in enumerate(((1, 0.0), (-1, math.pi))):
        swing, lift = vigour * math.sin(phase + offset), vigour * max(math.cos(phase + offset), 0.0)
        rotvec[HIPS[i], 0] = -0.42 * swing - 0.08 * vigour
        rotvec[KNEES[i], 0] = 0.12 * vigour + 0.75 * lift
        rotvec[ANKLES[i], 0] = 0.15 * max(-swing, 0.0) - 0.08 * vigour
        shoulder = (L_SHOULDER, R_SHOULDER)[i]
        # arms hang (about z) and swing against the legs (about x, in the hanging frame)
        rotvec[shoulder] = _compose([0.35 * swing, 0, 0], [0, 0, -1.22 * side])
        rotvec[(18, 19)[i], 1] = -side * (0.35 - 0.15 * swing)
    rotvec[SPINE[0], 1] = 0.08 * vigour * math.sin(phase)
    rotvec[SPINE[1], 0] = 0.04
    return Pose(rotvec)


def _compose(first: list[float], then: list[float]) -> npt.NDArray[np.float64]:
    rotation = Rotation.from_rotvec(first) * Rotation.from_rotvec(then)
    return np.asarray(rotation.as_rotvec())
