"""One-Euro filters of tracked people: distance and pose calm down, quick motion passes.

Casiez, Roussel and Vogel 2012, "1 Euro Filter": a first-order low-pass filter whose cutoff grows
with the speed of what it filters, f = f_min + slope * |speed|. Each distance and each joint has its
own speed. Distances are filtered as logarithms (their error is a share of the distance), rotations
on the manifold: by a share of the turn that leads from the filtered one to the measured one, which
knows no wrap. Letters: T tracks, J joints (24).
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

#: How much the cutoff grows, Hz per unit of speed: distance in 1/s (log m per s), rotation in
#: rad/s. Measured on sequences; see docs/tracking.md.
DISTANCE_SLOPE, ROTATION_SLOPE = 0.3, 0.3
#: Cutoff of the low-pass on the speeds themselves, Hz (the paper's value).
SPEED_CUTOFF = 1.0
#: The shape of a body does not change: its filter is so many times slower.
SHAPE_SLOWER = 5.0
#: Nobody is nearer, m: keeps logarithms finite.
LEAST_DISTANCE_M = 0.01


class Smooth(NamedTuple):
    """Filters of T people."""

    log_distance: Array  # [T], log m
    distance_speed: Array  # [T], 1/s
    rotations: Array  # [T, J, 3, 3]
    turn_speed: Array  # [T, J, 3], rad/s, in the joint's own frame
    betas: Array  # [T, 10]

    def select(self, index: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> Smooth:
        """The filters of an index array or a mask."""
        return Smooth(*(value[index] for value in self))

    def join(self, other: Smooth) -> Smooth:
        """These filters, then the others."""
        return Smooth(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))


def start(people: People) -> Smooth:
    """Filters of people just seen."""
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
    """Take in the same people [T] as measured `seconds` [T] after the time before.

    still_s: time constant for what does not move, s; 0: the measurement is taken as it is. What
    moves is smoothed less, so that nothing in steady motion lags by more than still_s. Equal
    stamps change nothing.
    """
    now = start(people)
    if still_s == 0 or len(people) == 0:
        return now
    least = 1 / (2 * math.pi * still_s)
    rotations, betas = now.rotations, now.betas
    step = now.log_distance - state.log_distance
    speed = _low_pass(state.distance_speed, step, seconds)
    part = step * _share(least + DISTANCE_SLOPE * np.abs(speed), seconds)

    turn = _rotvec(np.swapaxes(state.rotations, -1, -2) @ rotations)  # filtered -> measured
    turn_speed = _low_pass(state.turn_speed, turn, seconds[:, None, None])
    cutoff = least + ROTATION_SLOPE * np.linalg.norm(turn_speed, axis=-1)
    part_turn = turn * _share(cutoff, seconds[:, None])[..., None]

    shape = _share(np.full(len(betas), least / SHAPE_SLOWER), seconds)[:, None]
    return Smooth(
        state.log_distance + part,
        speed,
        state.rotations @ _matrix(part_turn),
        turn_speed,
        state.betas + (betas - state.betas) * shape,
    )


def applied(people: People, state: Smooth) -> People:
    """People [N] with the filtered distance, pose and shape [N].

    They stay on the line of sight of their pelvis. What was observed in the image (score, centre,
    box, confidences, weak camera, embedding) stays as it is.
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
    """Speeds after a step within some time; a step in no time tells nothing about them."""
    measured = np.where(seconds > 0, step / np.where(seconds > 0, seconds, 1.0), speed)
    return speed + (measured - speed) * _share(np.full_like(seconds, SPEED_CUTOFF), seconds)


def _share(cutoff: Array, seconds: Array) -> Array:
    """How far a first-order low-pass filter of a cutoff, Hz, goes towards a value measured so
    many seconds after the one before: 1 / (1 + tau / seconds), tau = 1 / (2 pi cutoff). For a
    ramp it lags by exactly tau."""
    way = 2 * math.pi * cutoff * seconds
    return way / (1 + way)


def _rotvec(matrices: Array) -> Array:
    """[..., 3, 3] -> [..., 3], rad; angles up to pi."""
    flat = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_rotvec()
    return np.asarray(flat).reshape(matrices.shape[:-1])


def _matrix(rotvec: Array) -> Array:
    """[..., 3] -> [..., 3, 3]."""
    flat = Rotation.from_rotvec(rotvec.reshape(-1, 3)).as_matrix()
    return np.asarray(flat).reshape(*rotvec.shape, 3)
