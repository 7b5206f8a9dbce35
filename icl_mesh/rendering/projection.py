"""Pinhole cameras as clip-space matrices."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from icl_mesh.geometry.camera import Camera

NEAR_M, FAR_M = 0.05, 300.0


def clip_matrix(camera: Camera) -> npt.NDArray[np.float32]:
    """Camera optical frame -> clip space, 4x4.

    Integer pixels are pixel centres: pixel x spans [x - 0.5, x + 0.5], so that normalised device
    coordinate -1 is x = -0.5 and +1 is x = width - 0.5. Rows run downwards.
    """
    matrix = np.zeros((4, 4), dtype=np.float32)
    matrix[0, 0] = 2 * camera.fx / camera.width
    matrix[0, 2] = 2 * (camera.cx + 0.5) / camera.width - 1
    matrix[1, 1] = 2 * camera.fy / camera.height
    matrix[1, 2] = 2 * (camera.cy + 0.5) / camera.height - 1
    matrix[2, 2] = (FAR_M + NEAR_M) / (FAR_M - NEAR_M)
    matrix[2, 3] = -2 * FAR_M * NEAR_M / (FAR_M - NEAR_M)
    matrix[3, 2] = 1
    return matrix
