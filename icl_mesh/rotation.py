"""Rotations: the 6-D representation the network regresses, matrices and rotation vectors.

Convention: a 6-D rotation is the first two *columns* of the matrix, one after the other:
``[R00, R10, R20, R01, R11, R21]`` (Zhou et al. 2019, "On the Continuity of Rotation
Representations in Neural Networks", section 4.1).
"""

from __future__ import annotations

import torch

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
