"""Constant-velocity Kalman filters for many people at once.

State of each of T tracks: mean [T, 6] = position (m) and velocity (m/s), covariance [T, 6, 6],
in the camera optical frame.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from icl_mesh.people import People

Array = npt.NDArray[np.float64]

#: One image's error along and across the line of sight, as shares of the distance: size and
#: distance trade against each other in one image, direction does not. From a depth image, the
#: distance is better.
DEPTH_ERROR, MEASURED_DEPTH_ERROR = 0.1, 0.02
LATERAL_ERROR = 0.02
#: Error of the distance that all images of a person share, and that no filter averages out, as a
#: share of the distance: bodies of unusual size, or a network that places everybody too near.
#: From a depth image; and with a focal length that is a guess (40 to 90 degrees for 60).
SHARED_ERROR, MEASURED_SHARED_ERROR, ASSUMED_SHARED_ERROR = 0.15, 0.03, 0.4
#: Least error, m: nobody is placed better than this.
LEAST_ERROR_M = 0.02
#: How people change their velocity, m/s^2, and how fast they may move when first seen, m/s.
ACCELERATION = 2.0
FIRST_SPEED = 1.0
_IDENTITY = np.eye(3)


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


def depth_errors(people: People) -> Array:
    """One image's error of each distance [N], as a share of it."""
    return np.where(people.distance_from_depth, MEASURED_DEPTH_ERROR, DEPTH_ERROR)


def shared_errors(people: People) -> Array:
    """The error of each distance [N] that all images share, as a share of it."""
    by_size = ASSUMED_SHARED_ERROR if people.camera.focal_assumed else SHARED_ERROR
    return np.where(people.distance_from_depth, MEASURED_SHARED_ERROR, by_size)


def start(people: People) -> Motion:
    """Filters of people [N] just seen, velocity unknown."""
    position = people.position_m.astype(np.float64)
    mean = np.concatenate((position, np.zeros_like(position)), axis=1)
    covariance = np.zeros((len(position), 6, 6))
    covariance[:, :3, :3] = measurement_covariance(position, depth_errors(people))
    covariance[:, 3:, 3:] = _IDENTITY * FIRST_SPEED**2
    return Motion(mean, covariance)


def predict(motion: Motion, seconds: float) -> Motion:
    """Where people are after some time without a measurement; white-noise acceleration."""
    mean, covariance = motion.mean.copy(), motion.covariance.copy()
    mean[:, :3] += seconds * motion.velocity
    # F P F^T for F = [[1, seconds], [0, 1]] times the identity: rows, then columns.
    covariance[:, :3] += seconds * covariance[:, 3:]
    covariance[:, :, :3] += seconds * covariance[:, :, 3:]
    push = np.array((seconds**2 / 2, seconds)) * ACCELERATION
    blocks = covariance.reshape(-1, 2, 3, 2, 3)
    blocks += (push[:, None] * push)[:, None, :, None] * _IDENTITY[:, None]
    return Motion(mean, covariance)


def correct(motion: Motion, people: People) -> Motion:
    """Take in the position that was measured of each person [T]."""
    position = people.position_m.astype(np.float64)
    # at the predicted place: errors are shares of the distance, and with those of the measured one
    # the nearer of two measurements would count for more
    error = measurement_covariance(motion.position, depth_errors(people))
    innovation = motion.position_covariance + error
    # K = P H^T S^-1, from S K^T = H P: S is symmetric and positive definite.
    gain = np.linalg.solve(innovation, motion.covariance[:, :3, :]).transpose(0, 2, 1)  # [T, 6, 3]
    mean = motion.mean + (gain @ (position - motion.position)[..., None])[..., 0]
    # Joseph's form, (1 - K H) P (1 - K H)^T + K R K^T: stays symmetric. H picks the position.
    kept = motion.covariance - gain @ motion.covariance[:, :3]
    covariance = kept + (gain @ error - kept[:, :, :3]) @ gain.transpose(0, 2, 1)
    return Motion(mean, covariance)


def total_covariance(motion: Motion, shared_error: Array) -> Array:
    """Of the filters' positions [T, 3, 3], m^2, with the error [T] that all images share."""
    along = motion.position * shared_error[:, None]
    return motion.position_covariance + along[:, :, None] * along[:, None, :]


def measurement_covariance(position: Array, depth_error: Array) -> Array:
    """Error of measured positions [N, 3] -> [N, 3, 3], m^2: long along the line of sight.

    depth_error [N]: along it, as a share of the distance.
    """
    distance = np.sqrt(np.einsum("ni,ni->n", position, position))
    ray = position / np.maximum(distance, 1e-9)[:, None]
    depth = np.maximum(depth_error * distance, LEAST_ERROR_M) ** 2
    lateral = np.maximum(LATERAL_ERROR * distance, LEAST_ERROR_M) ** 2
    along = ray[:, :, None] * (ray * (depth - lateral)[:, None])[:, None]
    return lateral[:, None, None] * _IDENTITY + along
