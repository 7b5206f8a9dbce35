"""Legs and pelvis of everyday poses.

Each function sets the rotations of a pose's hips, knees, ankles and root. Axes: see poses.py.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from icl_mesh_training.scenes.poses.pose import ANKLES, HIPS, KNEES, SPINE, Pose


def stand(rng: np.random.Generator, pose: Pose) -> None:
    wide = abs(rng.normal(0.04, 0.09))
    for i, s in enumerate((1, -1)):
        pose.rotvec[HIPS[i]] = [rng.normal(-0.03, 0.08), s * rng.normal(0.1, 0.12), s * wide]
        pose.rotvec[KNEES[i], 0] = abs(rng.normal(0.03, 0.08))
    if rng.random() < 0.35:  # weight on one leg
        free = rng.integers(2)
        bend = rng.uniform(0.2, 0.7)
        pose.rotvec[HIPS[free], 0] -= 0.55 * bend
        pose.rotvec[KNEES[free], 0] += bend
    _flat_feet(pose)


def walk(rng: np.random.Generator, pose: Pose) -> None:
    phase, stride = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.55)
    for i, offset in enumerate((0.0, np.pi)):
        swing = np.sin(phase + offset)
        pose.rotvec[HIPS[i], 0] = -stride * swing - 0.08
        lift = max(np.cos(phase + offset), 0.0)
        pose.rotvec[KNEES[i], 0] = 0.1 + lift * rng.uniform(0.5, 1.0) * (stride + 0.4)
        pose.rotvec[ANKLES[i], 0] = rng.normal(0, 0.12) + 0.2 * max(-swing, 0)
    pose.rotvec[SPINE[0], 1] = 0.15 * np.sin(phase)


def run(rng: np.random.Generator, pose: Pose) -> None:
    phase, stride = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1.1)
    for i, offset in enumerate((0.0, np.pi)):
        swing = np.sin(phase + offset)
        pose.rotvec[HIPS[i], 0] = -stride * swing - 0.25
        pose.rotvec[KNEES[i], 0] = 0.3 + max(np.cos(phase + offset), 0.0) * rng.uniform(0.8, 1.6)
    pose.rotvec[0, 0] = rng.uniform(0.0, 0.3)


def sit(rng: np.random.Generator, pose: Pose) -> None:
    pose.seated = True
    lean = rng.normal(0.0, 0.15)
    pose.rotvec[0, 0] = lean
    spread = rng.uniform(0.02, 0.4)
    for i, s in enumerate((1, -1)):
        hip = -np.pi / 2 + rng.normal(0.02, 0.1) - lean
        yaw = s * rng.normal(spread, 0.08)
        thigh = Rotation.from_rotvec([0, yaw, 0]) * Rotation.from_rotvec([hip, 0, 0])
        pose.rotvec[HIPS[i]] = thigh.as_rotvec()
        pose.rotvec[KNEES[i], 0] = np.clip(rng.normal(1.45, 0.3), 0.4, 2.2)
        pose.rotvec[ANKLES[i], 0] = rng.normal(0.0, 0.15)
    if rng.random() < 0.15:  # one leg over the other
        over, s = (0, 1) if rng.random() < 0.5 else (1, -1)
        thigh = Rotation.from_rotvec([0, -0.35 * s, 0]) * Rotation.from_rotvec([-1.85, 0, 0])
        pose.rotvec[HIPS[over]] = thigh.as_rotvec()


def sit_on_ground(rng: np.random.Generator, pose: Pose) -> None:
    pose.rotvec[0, 0] = rng.normal(-0.15, 0.15)
    crossed = rng.random() < 0.4
    for i, s in enumerate((1, -1)):
        knee = rng.uniform(1.9, 2.3) if crossed else rng.uniform(0.0, 1.9)
        hip = -1.45 - (0.05 if crossed else 0.35 * knee) + rng.normal(0, 0.08)
        open_out = rng.uniform(0.7, 1.0) if crossed else rng.uniform(0.0, 0.35)
        thigh = Rotation.from_rotvec([0, s * open_out, 0]) * Rotation.from_rotvec([hip, 0, 0])
        if crossed:
            thigh = thigh * Rotation.from_rotvec([0, s * 0.9, 0])
        pose.rotvec[HIPS[i]] = thigh.as_rotvec()
        pose.rotvec[KNEES[i], 0] = knee


def crouch(rng: np.random.Generator, pose: Pose) -> None:
    depth = rng.uniform(1.5, 2.2)
    pose.rotvec[0, 0] = rng.uniform(0.1, 0.5)
    for i, s in enumerate((1, -1)):
        out = s * rng.uniform(0.0, 0.5)
        hip = Rotation.from_rotvec([0, out, 0]) * Rotation.from_rotvec([-depth, 0, 0])
        pose.rotvec[HIPS[i]] = hip.as_rotvec()
        pose.rotvec[KNEES[i], 0] = depth + rng.uniform(-0.2, 0.1)
        pose.rotvec[ANKLES[i], 0] = -rng.uniform(0.1, 0.5)


def half_crouch(rng: np.random.Generator, pose: Pose) -> None:
    """Skiing, skating, batting, lifting: bent knees, trunk forward."""
    pose.rotvec[0, 0] = rng.uniform(0.1, 0.9)
    wide = rng.uniform(0.0, 0.35)
    for i, s in enumerate((1, -1)):
        knee = rng.uniform(0.3, 1.3)
        pose.rotvec[HIPS[i]] = [-0.6 * knee - pose.rotvec[0, 0], s * rng.uniform(0, 0.4), s * wide]
        pose.rotvec[KNEES[i], 0] = knee
        pose.rotvec[ANKLES[i], 0] = -0.4 * knee


def kneel(rng: np.random.Generator, pose: Pose) -> None:
    front = rng.integers(2)
    for i, s in enumerate((1, -1)):
        if i == front and rng.random() < 0.7:
            pose.rotvec[HIPS[i]] = [-rng.uniform(1.3, 1.7), s * 0.2, 0]
            pose.rotvec[KNEES[i], 0] = rng.uniform(1.3, 1.8)
        else:
            pose.rotvec[HIPS[i]] = [-rng.uniform(-0.1, 0.6), 0, s * rng.uniform(0, 0.2)]
            pose.rotvec[KNEES[i], 0] = rng.uniform(1.4, 2.0)
            pose.rotvec[ANKLES[i], 0] = rng.uniform(0.3, 0.8)


def lie(rng: np.random.Generator, pose: Pose) -> None:
    pose.lying = True
    roll = Rotation.from_rotvec([0, rng.choice([0.0, np.pi, np.pi / 2, -np.pi / 2]), 0])
    down = Rotation.from_rotvec([-np.pi / 2 + rng.normal(0, 0.1), 0, 0])
    pose.rotvec[0] = (down * roll).as_rotvec()
    for i, s in enumerate((1, -1)):
        bend = abs(rng.normal(0.2, 0.4))
        pose.rotvec[HIPS[i]] = [-bend, s * 0.1, s * rng.uniform(0, 0.25)]
        pose.rotvec[KNEES[i], 0] = 1.3 * bend


def kick(rng: np.random.Generator, pose: Pose) -> None:
    lifted = rng.integers(2)
    s = 1 if lifted == 0 else -1
    pose.rotvec[HIPS[lifted]] = [rng.uniform(-1.6, 0.6), 0, s * rng.uniform(0, 0.7)]
    pose.rotvec[KNEES[lifted], 0] = rng.uniform(0.1, 1.5)
    pose.rotvec[KNEES[1 - lifted], 0] = rng.uniform(0.05, 0.6)
    pose.rotvec[HIPS[1 - lifted], 0] = -0.5 * pose.rotvec[KNEES[1 - lifted], 0]
    pose.rotvec[0] = [rng.normal(0.05, 0.25), 0, rng.normal(0, 0.15)]


def _flat_feet(pose: Pose) -> None:
    for i in range(2):
        pose.rotvec[ANKLES[i], 0] = -pose.rotvec[HIPS[i], 0] - pose.rotvec[KNEES[i], 0]
