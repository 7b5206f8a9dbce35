"""Two-bone inverse kinematics of the arms, in the T-pose's frame (y up, facing +z)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

FloatArray = npt.NDArray[np.float64]

#: Joint numbers in SMPL's order.
L_SHOULDER, R_SHOULDER, L_ELBOW, R_ELBOW, L_WRIST, R_WRIST = 16, 17, 18, 19, 20, 21


def arm_rotations(
    rest_joints: FloatArray, left: bool, target: npt.ArrayLike, elbow_hint: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Shoulder and elbow rotation vectors that bring the wrist to ``target``.

    rest_joints: [24, 3] m, T-pose. target: wrist position [3] m, clipped to the arm's reach.
    elbow_hint: direction [3] in which the elbow points. The elbow is a hinge about the T-pose's
    vertical axis, which also determines the twist of the upper arm.
    """
    shoulder, elbow, wrist = (
        rest_joints[i]
        for i in ((L_SHOULDER, L_ELBOW, L_WRIST) if left else (R_SHOULDER, R_ELBOW, R_WRIST))
    )
    upper, fore = float(np.linalg.norm(elbow - shoulder)), float(np.linalg.norm(wrist - elbow))
    reach = np.asarray(target, dtype=np.float64) - shoulder
    distance = float(
        np.clip(np.linalg.norm(reach), abs(upper - fore) + 0.08, 0.99 * (upper + fore))
    )
    along = reach / max(float(np.linalg.norm(reach)), 1e-6)
    hint = np.asarray(elbow_hint, dtype=np.float64)
    side = hint - along * (hint @ along)
    if np.linalg.norm(side) < 1e-3:
        side = np.cross(along, [0.3, 0.5, 0.8])
    side /= np.linalg.norm(side)
    to_foot = (upper**2 - fore**2 + distance**2) / (2 * distance)
    height = np.sqrt(max(upper**2 - to_foot**2, 1e-6))
    upper_dir = (along * to_foot + side * height) / upper
    fore_dir = (along * distance - upper_dir * upper) / fore
    hinge = np.cross(upper_dir, fore_dir)
    hinge /= np.linalg.norm(hinge)
    rest_dir = (elbow - shoulder) / upper
    rest_hinge = np.array([0.0, -1.0 if left else 1.0, 0.0])
    rest_hinge -= rest_dir * (rest_hinge @ rest_dir)
    rest_hinge /= np.linalg.norm(rest_hinge)
    rotated = np.stack((upper_dir, hinge, np.cross(upper_dir, hinge)), axis=1)
    rest = np.stack((rest_dir, rest_hinge, np.cross(rest_dir, rest_hinge)), axis=1)
    matrix = rotated @ rest.T
    bend = np.arccos(np.clip(upper_dir @ fore_dir, -1, 1))
    return Rotation.from_matrix(matrix).as_rotvec(), rest_hinge * bend
