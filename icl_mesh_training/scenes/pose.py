"""A pose and the joint numbers that the samplers use (SMPL's order)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
JOINTS = 24
HIPS, KNEES, ANKLES = (1, 2), (4, 5), (7, 8)
SPINE, NECK, HEAD, COLLARS, WRISTS = (3, 6, 9), 12, 15, (13, 14), (20, 21)


@dataclass
class Pose:
    """rotvec: [24, 3]; joint 0 turns the body in a world with y up, yaw not yet chosen.

    seated: something should stand under the pelvis. lying: the trunk is near horizontal.
    """

    rotvec: FloatArray
    seated: bool = False
    lying: bool = False
