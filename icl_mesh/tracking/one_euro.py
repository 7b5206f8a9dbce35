"""One-Euro filters for the distance, pose and shape of tracked people.

Casiez, Roussel and Vogel 2012, "1 Euro Filter": a first-order low-pass filter whose cutoff grows
with the speed of its input, f = f_min + slope * |speed|. Each distance and each joint has its own
filter. Distances are filtered as logarithms, since their error is proportional to the distance.
Rotations are filtered on SO(3): by a share of the relative rotation from the filtered to the
measured one, without wrap-around. T tracks, J = 24 joints.
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.transform import Rotation

from icl_mesh.people import People

Array = npt.NDArray[np.float64]

#: Slope of the cutoff, Hz per unit of speed: distance in 1/s (log m per s), rotation in rad/s.
#: Measured on sequences; see docs/tracking.md.
DISTANCE_SLOPE, ROTATION_SLOPE = 0.3, 0.3
#: Cutoff of the low-pass on the speeds themselves, Hz (the paper's value).
SPEED_CUTOFF = 1.0
#: The shape of a body is constant: the time constant of its filter is larger by this factor.
SHAPE_SLOWER = 5.0
#: Least distance, m; keeps logarithms finite.
LEAST_DISTANCE_M = 0.01


class Smooth(NamedTuple):
    """Filter states of T people."""

    log_distance: Array  # [T], log m
    distance_speed: Array  # [T], 1/s
    rotations: Array  # [T, J, 3, 3]
    angular_velocity: Array  # [T, J, 3], rad/s, in the joint's own frame
    betas: Array  # [T, 10]

    def select(self, index: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> Smooth:
        """The filters selected by an index array or a mask."""
        return Smooth(*(value[index] for value in self))

    def join(self, other: Smooth) -> Smooth:
        """These filters, then the others."""
        return Smooth(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))


def start(people: People) -> Smooth:
    """Initial filters of new people."""
    distance = np.linalg.norm(people.position_m.astype(np.float64), axis=1)
    rotations = people.rotations.astype(np.float64)
    return Smooth(
        np.log(np.maximum(distance, LEAST_DISTANCE_M)),
        np.zeros(len(people)),
        rotations,
        np.zeros(rotations.shape[:3]),
        people.betas.astype(np.float64),
    )


def update(state: Smooth, people: People, seconds: Array, still_s: float) -> Smooth:
    """Update the filters of people [T] with measurements `seconds` [T] after the previous ones.

    still_s: time constant for people who stand still, s; 0: no smoothing. Faster motion is
    smoothed less, so that steady motion lags by at most still_s. Equal stamps change nothing.
    """
    now = start(people)
    if still_s == 0 or len(people) == 0:
        return now
    least = 1 / (2 * math.pi * still_s)
    rotations, betas = now.rotations, now.betas
    step = now.log_distance - state.log_distance
    speed = _low_pass(state.distance_speed, step, seconds)
    part = step * _share(least + DISTANCE_SLOPE * np.abs(speed), seconds)

    rotvec = _rotvec(np.swapaxes(state.rotations, -1, -2) @ rotations)  # filtered -> measured
    angular_velocity = _low_pass(state.angular_velocity, rotvec, seconds[:, None, None])
    cutoff = least + ROTATION_SLOPE * np.linalg.norm(angular_velocity, axis=-1)
    part_rotvec = rotvec * _share(cutoff, seconds[:, None])[..., None]

    shape = _share(np.full(len(betas), least / SHAPE_SLOWER), seconds)[:, None]
    return Smooth(
        state.log_distance + part,
        speed,
        state.rotations @ _matrix(part_rotvec),
        angular_velocity,
        state.betas + (betas - state.betas) * shape,
    )


def applied(people: People, state: Smooth) -> People:
    """People [N] with the filtered distance, pose and shape [N].

    They stay on the ray of their pelvis. Observations (score, centre, box, confidences,
    weak-perspective camera, embedding) are unchanged.
    """
    if len(people) == 0:
        return people
    position = people.position_m.astype(np.float64)
    scale = np.exp(state.log_distance) / np.linalg.norm(position, axis=1)
    root = position * scale[:, None]
    device = next(people.body.buffers()).device
    betas = torch.from_numpy(state.betas.astype(np.float32)).to(device)
    rotations = torch.from_numpy(state.rotations.astype(np.float32)).to(device)
    vertices = None
    with torch.inference_mode():
        if people.vertices_m is None:
            joints = people.body.joints(betas, rotations).cpu().numpy()
        else:
            mesh = people.body(betas, rotations)
            joints, vertices = mesh.joints.cpu().numpy(), mesh.vertices.cpu().numpy()
    translation = root - joints[:, 0]
    joints_m = joints + translation[:, None]
    if vertices is not None:
        vertices = (vertices + translation[:, None]).astype(np.float32)
    return dataclasses.replace(
        people,
        betas=betas.cpu().numpy(),
        rotations=rotations.cpu().numpy(),
        translation_m=translation.astype(np.float32),
        joints_m=joints_m.astype(np.float32),
        joints_px=people.camera.project_bodies(joints_m, root[:, 2]).astype(np.float32),
        vertices_m=vertices,
    )


def _low_pass(speed: Array, step: Array, seconds: Array) -> Array:
    """Speeds updated by a step within `seconds`; unchanged where seconds is 0."""
    measured = np.where(seconds > 0, step / np.where(seconds > 0, seconds, 1.0), speed)
    return speed + (measured - speed) * _share(np.full_like(seconds, SPEED_CUTOFF), seconds)


def _share(cutoff: Array, seconds: Array) -> Array:
    """Gain of a first-order low-pass filter: 1 / (1 + tau / seconds), tau = 1 / (2 pi cutoff).

    cutoff: Hz; seconds: since the previous value. The lag of a ramp is tau.
    """
    ratio = 2 * math.pi * cutoff * seconds
    return ratio / (1 + ratio)


def _rotvec(matrices: Array) -> Array:
    """[..., 3, 3] -> [..., 3], rad; angles up to pi."""
    flat = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_rotvec()
    return np.asarray(flat).reshape(matrices.shape[:-1])


def _matrix(rotvec: Array) -> Array:
    """[..., 3] -> [..., 3, 3]."""
    flat = Rotation.from_rotvec(rotvec.reshape(-1, 3)).as_matrix()
    return np.asarray(flat).reshape(*rotvec.shape, 3)
