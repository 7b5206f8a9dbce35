"""Rotations: the 6-D representation the network regresses, matrices and rotation vectors.

Convention: a 6-D rotation is the first two *columns* of the matrix, one after the other:
``[R00, R10, R20, R01, R11, R21]`` (Zhou et al. 2019, "On the Continuity of Rotation
Representations in Neural Networks", section 4.1).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh import kernels

IDENTITY_6D = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def matrix_from_6d(six: torch.Tensor) -> torch.Tensor:
    """6-D [..., 6] -> rotation matrices [..., 3, 3], by Gram-Schmidt (Zhou et al., equation 15).

    Any scale is accepted; a zero column or two parallel ones have no rotation and give NaN.
    """
    first, second = six[..., :3], six[..., 3:]
    x = first / first.norm(dim=-1, keepdim=True)
    rest = second - (x * second).sum(dim=-1, keepdim=True) * x
    y = rest / rest.norm(dim=-1, keepdim=True)
    return torch.stack((x, y, torch.linalg.cross(x, y)), dim=-1)


def matrices_from_6d(six: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    """:func:`matrix_from_6d` for arrays on the host [..., 6]: a fraction of its time for few."""
    columns = np.moveaxis(six, -1, 0)
    first, second = columns[:3], columns[3:]
    matrices = np.empty((*six.shape[:-1], 3, 3), six.dtype)
    x, y, z = np.moveaxis(matrices, (-1, -2), (0, 1))  # its columns, [3, ...] each
    with np.errstate(invalid="ignore", divide="ignore"):  # NaN is what callers look for
        x[...] = first / np.sqrt((first * first).sum(axis=0))
        rest = second - (x * second).sum(axis=0) * x
        y[...] = rest / np.sqrt((rest * rest).sum(axis=0))
    z[0] = x[1] * y[2] - x[2] * y[1]
    z[1] = x[2] * y[0] - x[0] * y[2]
    z[2] = x[0] * y[1] - x[1] * y[0]
    return matrices


def sixd_from_matrix(matrix: torch.Tensor) -> torch.Tensor:
    """Rotation matrices [..., 3, 3] -> 6-D [..., 6]; the inverse of :func:`matrix_from_6d`."""
    return torch.cat((matrix[..., :, 0], matrix[..., :, 1]), dim=-1)


def rotvec_from_matrix(matrix: torch.Tensor) -> torch.Tensor:
    """Rotation matrices [..., 3, 3] -> rotation vectors (axis times angle, rad) [..., 3]."""
    import roma  # brings torch's compiler: seconds that estimating alone need not pay

    return roma.rotmat_to_rotvec(matrix)


def matrix_from_rotvec(rotvec: torch.Tensor) -> torch.Tensor:
    """Rotation vectors (rad) [..., 3] -> rotation matrices [..., 3, 3]."""
    import roma

    return roma.rotvec_to_rotmat(rotvec)


def quaternions_and_rotvecs(
    matrices: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Rotation matrices [..., 3, 3] -> unit quaternions (x, y, z, w) [..., 4] and rotation vectors
    [..., 3], rad, angles up to pi (src/rotations.cpp)."""
    matrices = np.ascontiguousarray(matrices, np.float32)
    shape = matrices.shape[:-2]
    quaternions, vectors = np.empty((*shape, 4)), np.empty((*shape, 3))
    kernels.quaternions_and_rotvecs(
        matrices.reshape(-1, 3, 3), quaternions.reshape(-1, 4), vectors.reshape(-1, 3)
    )
    return quaternions, vectors
