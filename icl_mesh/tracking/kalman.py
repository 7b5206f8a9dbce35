"""Constant-velocity Kalman filters for many people at once.

State of each of T tracks: mean [T, 6] = position (m) and velocity (m/s), covariance [T, 6, 6],
in the camera optical frame.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from icl_mesh import kernels
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
ERRORS = kernels.PositionErrors(
    depth=DEPTH_ERROR,
    measured_depth=MEASURED_DEPTH_ERROR,
    lateral=LATERAL_ERROR,
    least_m=LEAST_ERROR_M,
)


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
    new = _empty_like(motion)
    kernels.predict_motion(*motion, seconds, ACCELERATION, *new)
    return new


def correct(motion: Motion, people: People) -> Motion:
    """Take in the position that was measured of each person [T]."""
    new = _empty_like(motion)
    joints = np.ascontiguousarray(people.joints_m)
    measured = np.ascontiguousarray(people.distance_from_depth)
    kernels.correct_motion(ERRORS, *motion, joints, measured, *new)
    return new


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


def _empty_like(motion: Motion) -> Motion:
    return Motion(np.empty_like(motion.mean), np.empty_like(motion.covariance))
