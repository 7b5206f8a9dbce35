"""Rotations: the 6-D representation the network regresses, matrices and rotation vectors.

Convention: a 6-D rotation is the first two *columns* of the matrix, one after the other:
``[R00, R10, R20, R01, R11, R21]`` (Zhou et al. 2019, "On the Continuity of Rotation
Representations in Neural Networks", section 4.1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.native import INT, POINTER, address, kernel

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


def sixd_from_matrices(matrices: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    """:func:`sixd_from_matrix` for arrays on the host [..., 3, 3]."""
    return np.concatenate((matrices[..., 0], matrices[..., 1]), axis=-1)


def rotvec_from_matrix(matrix: torch.Tensor) -> torch.Tensor:
    """Rotation matrices [..., 3, 3] -> rotation vectors (axis times angle, rad) [..., 3]."""
    import roma  # brings torch's compiler: seconds that estimating alone need not pay

    return roma.rotmat_to_rotvec(matrix)


def matrix_from_rotvec(rotvec: torch.Tensor) -> torch.Tensor:
    """Rotation vectors (rad) [..., 3] -> rotation matrices [..., 3, 3]."""
    import roma

    return roma.rotvec_to_rotmat(rotvec)


def quaternions(matrices: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Rotation matrices [..., 3, 3] -> unit quaternions (x, y, z, w) [..., 4].

    SciPy first makes matrices exactly orthogonal, one SVD each, which for the joints of many people
    takes most of a millisecond; the network's are orthogonal to float32. Of 4 q q^T, whose entries
    are sums of the matrix's, the row with the largest diagonal is taken (Shepperd 1978).
    """
    matrices = np.asarray(matrices, np.float64)
    products = np.einsum("mk,kp->mp", matrices.reshape(-1, 9), _PRODUCTS).reshape(-1, 4, 4)
    products += np.eye(4)
    best = products[:, range(4), range(4)].argmax(axis=1)
    rows = products[np.arange(len(products)), best]
    rows /= np.sqrt(np.einsum("mi,mi->m", rows, rows))[:, None]
    return rows.reshape(*matrices.shape[:-2], 4)


def _quaternion_products() -> npt.NDArray[np.float64]:
    """What of a matrix's 9 entries adds up to the 16 of 4 q q^T, q = (x, y, z, w), [9, 16]; on its
    diagonal 1 is missing."""
    of = np.zeros((4, 4, 3, 3))
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        of[3, 3, i, i] = of[i, i, i, i] = 1
        of[i, i, j, j] = of[i, i, k, k] = -1
        for row, column in ((i, j), (j, i)):
            of[row, column, i, j] = of[row, column, j, i] = 1
        for row, column in ((i, 3), (3, i)):
            of[row, column, k, j], of[row, column, j, k] = 1, -1
    return np.ascontiguousarray(of.reshape(16, 9).T)


_PRODUCTS = _quaternion_products()


def rotvecs(quaternions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Unit quaternions (x, y, z, w) [..., 4] -> rotation vectors [..., 3], rad, angles up to pi."""
    axis, w = quaternions[..., :3], quaternions[..., 3]
    sine = np.sqrt(np.einsum("...i,...i->...", axis, axis))
    half = np.arctan2(sine, np.abs(w))
    # q and -q are one rotation: the one with w >= 0 turns by pi at most.
    length = np.where(sine > 1e-12, 2 * half / np.maximum(sine, 1e-12), 2.0)
    return axis * np.copysign(length, w)[..., None]


def quaternions_and_rotvecs(
    matrices: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """:func:`quaternions` of rotation matrices [..., 3, 3], and :func:`rotvecs` of these: by the
    compiled kernel in a tenth of their time for the joints of a few people."""
    if (compiled := _kernel()) is None:
        turns = quaternions(matrices)
        return turns, rotvecs(turns)
    matrices = np.ascontiguousarray(matrices)
    shape = matrices.shape[:-2]
    turns, vectors = np.empty((*shape, 4)), np.empty((*shape, 3))
    compiled(
        address(matrices),
        matrices.size // 9,
        address(turns, np.float64),
        address(vectors, np.float64),
    )
    return turns, vectors


def _kernel() -> Callable[..., None] | None:
    """Of src/poses.cpp."""
    return kernel("icl_poses", POINTER, INT, POINTER, POINTER)
