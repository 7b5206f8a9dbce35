"""Constant-velocity Kalman filters for many people at once.

State of each of T tracks: mean [T, 6] = position (m) and velocity (m/s), covariance [T, 6, 6],
in the camera optical frame.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

#: One image's error in depth and across the line of sight, as shares of the distance: size and
#: distance trade against each other in one image, direction does not.
DEPTH_ERROR = 0.08
LATERAL_ERROR = 0.015
#: Least error, m: nobody is placed better than this.
LEAST_ERROR_M = 0.02
#: How people change their velocity, m/s^2, and how fast they may move when first seen, m/s.
ACCELERATION = 2.0
FIRST_SPEED = 1.0


class Motion(NamedTuple):
    """Filters of T people."""

    mean: Array  # [T, 6]
    covariance: Array  # [T, 6, 6]

    @property
    def position(self) -> Array:
        """[T, 3], m."""
        return self.mean[:, :3]

    @property
    def velocity(self) -> Array:
        """[T, 3], m/s."""
        return self.mean[:, 3:]

    @property
    def position_covariance(self) -> Array:
        """[T, 3, 3], m^2."""
        return self.covariance[:, :3, :3]

    def select(self, index: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> Motion:
        """The filters of an index array or a mask."""
        return Motion(self.mean[index], self.covariance[index])

    def join(self, other: Motion) -> Motion:
        """These filters, then the others."""
        return Motion(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))


def start(position: Array) -> Motion:
    """Filters of people just seen at position [N, 3], velocity unknown."""
    mean = np.concatenate((position, np.zeros_like(position)), axis=1)
    covariance = np.zeros((len(position), 6, 6))
    covariance[:, :3, :3] = measurement_covariance(position)
    covariance[:, 3:, 3:] = np.eye(3) * FIRST_SPEED**2
    return Motion(mean, covariance)


def predict(motion: Motion, seconds: float) -> Motion:
    """Where people are after some time without a measurement; white-noise acceleration."""
    step = np.eye(6)
    step[:3, 3:] = np.eye(3) * seconds
    push = np.vstack((np.eye(3) * seconds**2 / 2, np.eye(3) * seconds)) * ACCELERATION
    return Motion(motion.mean @ step.T, step @ motion.covariance @ step.T + push @ push.T)


def correct(motion: Motion, position: Array) -> Motion:
    """Take in one measured position [T, 3] per person."""
    error = measurement_covariance(position)
    innovation = motion.position_covariance + error
    # K = P H^T S^-1, from S K^T = H P: S is symmetric and positive definite.
    gain = np.linalg.solve(innovation, motion.covariance[:, :3, :]).transpose(0, 2, 1)  # [T, 6, 3]
    mean = motion.mean + (gain @ (position - motion.position)[..., None])[..., 0]
    keep = np.eye(6) - np.concatenate((gain, np.zeros_like(gain)), axis=2)
    covariance = keep @ motion.covariance @ keep.transpose(0, 2, 1)  # Joseph: stays symmetric
    return Motion(mean, covariance + gain @ error @ gain.transpose(0, 2, 1))


def squared_distances(motion: Motion, position: Array) -> Array:
    """Mahalanobis distance squared [T, N] of measured positions [N, 3] from the filters."""
    difference = position[None] - motion.position[:, None]  # [T, N, 3]
    covariance = motion.position_covariance[:, None] + measurement_covariance(position)[None]
    solved = np.linalg.solve(covariance, difference[..., None])[..., 0]
    return (difference * solved).sum(axis=-1)


def measurement_covariance(position: Array) -> Array:
    """Error of measured positions [N, 3] -> [N, 3, 3], m^2: long along the line of sight."""
    distance = np.linalg.norm(position, axis=1)[:, None, None]
    ray = position / np.maximum(distance[:, 0], 1e-9)
    along = ray[:, :, None] * ray[:, None, :]
    depth = np.maximum(DEPTH_ERROR * distance, LEAST_ERROR_M)
    lateral = np.maximum(LATERAL_ERROR * distance, LEAST_ERROR_M)
    return lateral**2 * (np.eye(3) - along) + depth**2 * along
