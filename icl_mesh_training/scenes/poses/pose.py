"""A pose, and SMPL's joint numbers."""

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
    """rotvec: [24, 3] rotation vectors, rad; joint 0 takes the body to a world with y up.

    seated: a seat belongs below the pelvis. lying: the trunk is nearly horizontal.
    """

    rotvec: FloatArray
    seated: bool = False
    lying: bool = False
