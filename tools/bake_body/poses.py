"""Random poses for fitting: joint rotations within human limits."""

from __future__ import annotations

import numpy as np
import roma
import torch

# Joint (left twin): (low, high) of the rotation vector, degrees, in body axes of the T-pose.
# x is flexion for legs and spine; for the left arm x is twist, y bends the elbow, z raises.
LIMITS: dict[int, tuple[tuple[float, float], ...]] = {
    1: ((-110, 25), (-35, 35), (-15, 45)),
    3: ((-10, 35), (-20, 20), (-15, 15)),
    4: ((0, 135), (-10, 10), (-3, 3)),
    6: ((-10, 25), (-15, 15), (-10, 10)),
    7: ((-25, 35), (-15, 15), (-15, 15)),
    9: ((-10, 20), (-15, 15), (-10, 10)),
    10: ((-35, 15), (-3, 3), (-3, 3)),
    12: ((-25, 30), (-35, 35), (-20, 20)),
    13: ((-8, 8), (-15, 15), (-8, 20)),
    15: ((-20, 25), (-35, 35), (-15, 15)),
    16: ((-60, 60), (-90, 25), (-85, 60)),
    18: ((-60, 60), (-140, 0), (-5, 5)),
    20: ((-50, 50), (-20, 25), (-60, 60)),
}
# Wider limits of the arm, as in motion capture, where elbows bend about a tilted axis. For the arm,
# x is the twist of a swing-twist decomposition.
WIDE_LIMITS: dict[int, tuple[tuple[float, float], ...]] = {
    **LIMITS,
    16: ((-75, 80), (-100, 30), (-90, 75)),
    18: ((-45, 45), (-140, 0), (-10, 50)),
    20: ((-85, 85), (-20, 25), (-60, 60)),
}
ARM = (16, 17, 18, 19, 20, 21)
LEFT = (1, 4, 7, 10, 13, 16, 18, 20)


def _rotation_vectors(
    count: int,
    generator: np.random.Generator,
    joint_limits: dict[int, tuple[tuple[float, float], ...]],
    at_rest: float,
) -> torch.Tensor:
    """Rotation vectors [count, 24, 3], rad; each joint is 0 with the probability at_rest."""
    vectors = np.zeros((count, 24, 3))
    for joint, limits in joint_limits.items():
        low, high = np.radians(np.array(limits)).T
        for side in (0, 1) if joint in LEFT else (0,):
            drawn = generator.uniform(low, high, (count, 3))
            rest = generator.random((count, 1)) < at_rest
            drawn = np.where(rest, 0.0, drawn)
            # A reflection in x maps rotation vectors (x, y, z) to (x, -y, -z).
            vectors[:, joint + side] = drawn * ((1, -1, -1) if side else (1, 1, 1))
    return torch.from_numpy(vectors)


def random_poses(count: int, generator: np.random.Generator, reach: float = 1.0) -> torch.Tensor:
    """Relative rotation matrices [count, 24, 3, 3] of everyday poses; the root's is the identity.

    reach: factor of the rotation vectors.
    """
    vectors = reach * _rotation_vectors(count, generator, LIMITS, at_rest=0.25)
    return roma.rotvec_to_rotmat(vectors).float()


def wide_poses(count: int, generator: np.random.Generator) -> torch.Tensor:
    """Poses [count, 24, 3, 3] for fitting; half of them rotate few joints, to separate these."""
    vectors = torch.cat(
        [
            _rotation_vectors(count - count // 2, generator, WIDE_LIMITS, at_rest=0.25),
            _rotation_vectors(count // 2, generator, WIDE_LIMITS, at_rest=0.75),
        ]
    )
    rotations = roma.rotvec_to_rotmat(vectors)
    along = torch.tensor((1.0, 0.0, 0.0), dtype=vectors.dtype)
    arm = vectors[:, ARM]
    twist = roma.rotvec_to_rotmat(arm * along)
    rotations[:, ARM] = roma.rotvec_to_rotmat(arm * (1 - along)) @ twist
    return rotations.float()
