"""Everyday poses: what people in photos do, as rotations of SMPL's 24 joints.

Axes of a joint's rotation are the T-pose's: x to the body's left, y up, z forward. So a positive
x rotation bends the spine forward and the knee, a negative one lifts the thigh.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from icl_mesh_training.scenes.limbs import L_SHOULDER, R_SHOULDER, arm_rotations

FloatArray = npt.NDArray[np.float64]
JOINTS = 24
HIPS, KNEES, ANKLES = (1, 2), (4, 5), (7, 8)
SPINE, NECK, HEAD, COLLARS, WRISTS = (3, 6, 9), 12, 15, (13, 14), (20, 21)


@dataclass
class Pose:
    """rotvec: [24, 3]; joint 0 turns the body in a world with y up, yaw not yet chosen.

    seated: something should stand under the pelvis. lying: the trunk is near horizontal.
    """

    rotvec: FloatArray
    seated: bool = False
    lying: bool = False


class EverydayPoses:
    """Samples everyday poses. rest_joints: the body's T-pose joints [24, 3], m."""

    def __init__(self, rest_joints: npt.ArrayLike) -> None:
        self._rest = np.asarray(rest_joints, dtype=np.float64)
        self._legs: list[tuple[float, Callable[[np.random.Generator, Pose], None]]] = [
            (0.32, _stand),
            (0.17, _walk),
            (0.05, _run),
            (0.19, _sit),
            (0.05, _sit_on_ground),
            (0.06, _crouch),
            (0.07, _half_crouch),
            (0.04, _kneel),
            (0.02, _lie),
            (0.03, _kick),
        ]
        total = sum(w for w, _ in self._legs)
        self._leg_shares = [w / total for w, _ in self._legs]

    def sample(self, rng: np.random.Generator) -> Pose:
        """One random pose, hips level except where it lies or bends."""
        pose = Pose(np.zeros((JOINTS, 3)))
        self._legs[rng.choice(len(self._legs), p=self._leg_shares)][1](rng, pose)
        _trunk(rng, pose)
        self._arms(rng, pose)
        pose.rotvec += rng.normal(0, 0.035, pose.rotvec.shape) * _JITTER[:, None]
        return pose

    def _arms(self, rng: np.random.Generator, pose: Pose) -> None:
        joint = rng.random()
        if joint < 0.10:  # arms crossed
            for left in (True, False):
                s = 1 if left else -1
                chest = self._point(0.35)
                target = chest + [-0.10 * s, rng.normal(-0.02, 0.03), rng.uniform(0.19, 0.25)]
                self._reach(rng, pose, left, target, [0.7 * s, -1, 0.1])
            return
        if joint < 0.30:  # both hands together in front: holding, typing, steering
            height, ahead = rng.uniform(-0.15, 0.55), rng.uniform(0.2, 0.5)
            gap = rng.uniform(0.03, 0.22)
            centre = self._point(height) + [rng.normal(0, 0.1), 0, ahead]
            for left in (True, False):
                s = 1 if left else -1
                target = centre + [gap * s, rng.normal(0, 0.03), rng.normal(0, 0.03)]
                self._reach(rng, pose, left, target, [s * rng.uniform(0.2, 1), -1, -0.4])
            return
        same = joint < 0.5
        style = _ARM_STYLES[rng.choice(len(_ARM_STYLES), p=_arm_shares(pose))]
        for left in (True, False):
            if not same:
                style = _ARM_STYLES[rng.choice(len(_ARM_STYLES), p=_arm_shares(pose))]
            s = 1 if left else -1
            self._reach(rng, pose, left, *self._arm_target(rng, style, s))

    def _point(self, height: float) -> FloatArray:
        """A point on the trunk's axis: 0 at the hips, 1 at the shoulders."""
        hips = self._rest[list(HIPS)].mean(axis=0)
        shoulders = self._rest[[L_SHOULDER, R_SHOULDER]].mean(axis=0)
        return np.asarray(hips + height * (shoulders - hips))

    def _arm_target(
        self, rng: np.random.Generator, style: str, s: int
    ) -> tuple[FloatArray, list[float]]:
        shoulder = self._rest[L_SHOULDER if s > 0 else R_SHOULDER]
        head = self._rest[HEAD]
        if style == "down":
            offset = [s * rng.uniform(0.0, 0.2), -0.56, rng.normal(0.04, 0.12)]
            return shoulder + offset, [s * 0.3, 0, -1]
        if style == "pocket":
            target = self._point(rng.uniform(-0.15, 0.1)) + [s * rng.uniform(0.17, 0.22), 0, 0.06]
            return target, [s, 0, -0.8]
        if style == "hip":
            return self._point(0.2) + [s * 0.2, 0, rng.uniform(-0.05, 0.08)], [s, 0, -0.2]
        if style == "face":
            near = [s * rng.uniform(-0.02, 0.12), rng.uniform(-0.08, 0.16), rng.uniform(0.04, 0.2)]
            return head + near, [s * rng.uniform(0.1, 1), -1, 0.2]
        if style == "lap":
            target = self._point(rng.uniform(-0.1, 0.1)) + [s * rng.uniform(0.03, 0.2), 0, 0]
            return target + [0, 0, rng.uniform(0.2, 0.42)], [s * 0.6, -0.6, -0.6]
        if style == "back":
            return self._point(0.15) + [s * 0.06, 0, -0.17], [s, 0, -1]
        if style == "up":
            direction = np.array([s * rng.uniform(-0.2, 0.8), 1.0, rng.normal(0.1, 0.35)])
        elif style == "forward":
            direction = np.array([s * rng.normal(0.1, 0.4), rng.normal(-0.1, 0.4), 1.0])
        elif style == "side":
            direction = np.array([s, rng.normal(0, 0.4), rng.normal(0.1, 0.35)])
        else:  # anywhere in front of or beside the body
            direction = rng.normal(0, 1, 3) + [0.5 * s, -0.2, 0.6]
        direction /= np.linalg.norm(direction)
        hint = [s * rng.uniform(0, 1), rng.uniform(-1.2, 0), -0.4]
        return shoulder + direction * rng.uniform(0.25, 0.58), hint

    def _reach(
        self,
        rng: np.random.Generator,
        pose: Pose,
        left: bool,
        target: FloatArray,
        hint: list[float],
    ) -> None:
        side = 0 if left else 1
        target = target + rng.normal(0, 0.02, 3)
        shoulder, elbow = arm_rotations(self._rest, left, target, hint)
        pose.rotvec[(L_SHOULDER, R_SHOULDER)[side]] = shoulder
        pose.rotvec[(18, 19)[side]] = elbow
        # the collar takes part when the hand goes above the shoulder
        lift = float(np.clip(target[1] - self._rest[L_SHOULDER, 1], -0.3, 0.5))
        pose.rotvec[COLLARS[side], 2] = (1 if left else -1) * (0.5 * max(lift, 0) + 0.1 * lift)
        twist = rng.normal(0, 0.5) * (1 if left else -1)
        pose.rotvec[WRISTS[side]] = [twist, rng.normal(0, 0.2), rng.normal(0, 0.3)]


_ARM_STYLES = ("down", "pocket", "hip", "face", "lap", "back", "up", "forward", "side", "free")
#: How much a joint takes part in the small random jitter.
_JITTER = np.ones(JOINTS)
_JITTER[[0, 10, 11, 22, 23]] = 0


def _arm_shares(pose: Pose) -> FloatArray:
    shares = np.array([0.36, 0.08, 0.06, 0.09, 0.04, 0.03, 0.06, 0.09, 0.05, 0.14])
    if pose.seated:
        shares = np.array([0.10, 0.01, 0.02, 0.15, 0.38, 0.01, 0.03, 0.14, 0.04, 0.12])
    return np.asarray(shares / shares.sum())


def _stand(rng: np.random.Generator, pose: Pose) -> None:
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


def _walk(rng: np.random.Generator, pose: Pose) -> None:
    phase, stride = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.55)
    for i, offset in enumerate((0.0, np.pi)):
        swing = np.sin(phase + offset)
        pose.rotvec[HIPS[i], 0] = -stride * swing - 0.08
        lift = max(np.cos(phase + offset), 0.0)
        pose.rotvec[KNEES[i], 0] = 0.1 + lift * rng.uniform(0.5, 1.0) * (stride + 0.4)
        pose.rotvec[ANKLES[i], 0] = rng.normal(0, 0.12) + 0.2 * max(-swing, 0)
    pose.rotvec[SPINE[0], 1] = 0.15 * np.sin(phase)


def _run(rng: np.random.Generator, pose: Pose) -> None:
    phase, stride = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1.1)
    for i, offset in enumerate((0.0, np.pi)):
        swing = np.sin(phase + offset)
        pose.rotvec[HIPS[i], 0] = -stride * swing - 0.25
        pose.rotvec[KNEES[i], 0] = 0.3 + max(np.cos(phase + offset), 0.0) * rng.uniform(0.8, 1.6)
    pose.rotvec[0, 0] = rng.uniform(0.0, 0.3)


def _sit(rng: np.random.Generator, pose: Pose) -> None:
    pose.seated = True
    lean = rng.normal(0.0, 0.15)
    pose.rotvec[0, 0] = lean
    spread = rng.uniform(0.02, 0.4)
    for i, s in enumerate((1, -1)):
        hip = -np.pi / 2 + rng.normal(0.02, 0.1) - lean
        turn = s * rng.normal(spread, 0.08)
        thigh = Rotation.from_rotvec([0, turn, 0]) * Rotation.from_rotvec([hip, 0, 0])
        pose.rotvec[HIPS[i]] = thigh.as_rotvec()
        pose.rotvec[KNEES[i], 0] = np.clip(rng.normal(1.45, 0.3), 0.4, 2.2)
        pose.rotvec[ANKLES[i], 0] = rng.normal(0.0, 0.15)
    if rng.random() < 0.15:  # one leg over the other
        over, s = (0, 1) if rng.random() < 0.5 else (1, -1)
        thigh = Rotation.from_rotvec([0, -0.35 * s, 0]) * Rotation.from_rotvec([-1.85, 0, 0])
        pose.rotvec[HIPS[over]] = thigh.as_rotvec()


def _sit_on_ground(rng: np.random.Generator, pose: Pose) -> None:
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


def _crouch(rng: np.random.Generator, pose: Pose) -> None:
    depth = rng.uniform(1.5, 2.2)
    pose.rotvec[0, 0] = rng.uniform(0.1, 0.5)
    for i, s in enumerate((1, -1)):
        out = s * rng.uniform(0.0, 0.5)
        hip = Rotation.from_rotvec([0, out, 0]) * Rotation.from_rotvec([-depth, 0, 0])
        pose.rotvec[HIPS[i]] = hip.as_rotvec()
        pose.rotvec[KNEES[i], 0] = depth + rng.uniform(-0.2, 0.1)
        pose.rotvec[ANKLES[i], 0] = -rng.uniform(0.1, 0.5)


def _half_crouch(rng: np.random.Generator, pose: Pose) -> None:
    """Skiing, skating, batting, lifting: bent knees, trunk forward."""
    pose.rotvec[0, 0] = rng.uniform(0.1, 0.9)
    wide = rng.uniform(0.0, 0.35)
    for i, s in enumerate((1, -1)):
        knee = rng.uniform(0.3, 1.3)
        pose.rotvec[HIPS[i]] = [-0.6 * knee - pose.rotvec[0, 0], s * rng.uniform(0, 0.4), s * wide]
        pose.rotvec[KNEES[i], 0] = knee
        pose.rotvec[ANKLES[i], 0] = -0.4 * knee


def _kneel(rng: np.random.Generator, pose: Pose) -> None:
    front = rng.integers(2)
    for i, s in enumerate((1, -1)):
        if i == front and rng.random() < 0.7:
            pose.rotvec[HIPS[i]] = [-rng.uniform(1.3, 1.7), s * 0.2, 0]
            pose.rotvec[KNEES[i], 0] = rng.uniform(1.3, 1.8)
        else:
            pose.rotvec[HIPS[i]] = [-rng.uniform(-0.1, 0.6), 0, s * rng.uniform(0, 0.2)]
            pose.rotvec[KNEES[i], 0] = rng.uniform(1.4, 2.0)
            pose.rotvec[ANKLES[i], 0] = rng.uniform(0.3, 0.8)


def _lie(rng: np.random.Generator, pose: Pose) -> None:
    pose.lying = True
    roll = Rotation.from_rotvec([0, rng.choice([0.0, np.pi, np.pi / 2, -np.pi / 2]), 0])
    down = Rotation.from_rotvec([-np.pi / 2 + rng.normal(0, 0.1), 0, 0])
    pose.rotvec[0] = (down * roll).as_rotvec()
    for i, s in enumerate((1, -1)):
        bend = abs(rng.normal(0.2, 0.4))
        pose.rotvec[HIPS[i]] = [-bend, s * 0.1, s * rng.uniform(0, 0.25)]
        pose.rotvec[KNEES[i], 0] = 1.3 * bend


def _kick(rng: np.random.Generator, pose: Pose) -> None:
    lifted = rng.integers(2)
    s = 1 if lifted == 0 else -1
    pose.rotvec[HIPS[lifted]] = [rng.uniform(-1.6, 0.6), 0, s * rng.uniform(0, 0.7)]
    pose.rotvec[KNEES[lifted], 0] = rng.uniform(0.1, 1.5)
    pose.rotvec[KNEES[1 - lifted], 0] = rng.uniform(0.05, 0.6)
    pose.rotvec[HIPS[1 - lifted], 0] = -0.5 * pose.rotvec[KNEES[1 - lifted], 0]
    pose.rotvec[0] = [rng.normal(0.05, 0.25), 0, rng.normal(0, 0.15)]


def _trunk(rng: np.random.Generator, pose: Pose) -> None:
    flex = rng.normal(0.06, 0.12)
    if not pose.lying and rng.random() < 0.15:  # bending over something
        flex = rng.uniform(0.3, 1.0)
        if not pose.seated:
            pitch = rng.uniform(0.0, 0.6)
            pose.rotvec[0, 0] += pitch
            pose.rotvec[list(HIPS), 0] -= pitch
    twist, side = rng.normal(0, 0.18), rng.normal(0, 0.09)
    for joint, share in zip(SPINE, (0.45, 0.35, 0.2), strict=True):
        pose.rotvec[joint] += share * np.array([flex, twist, side])
    look = np.array([rng.normal(0.05, 0.25), rng.normal(0, 0.4), rng.normal(0, 0.1)])
    look = np.clip(look - [0.3 * flex, 0, 0], [-0.7, -1.2, -0.4], [0.7, 1.2, 0.4])
    pose.rotvec[NECK], pose.rotvec[HEAD] = 0.5 * look, 0.5 * look


def _flat_feet(pose: Pose) -> None:
    for i in range(2):
        pose.rotvec[ANKLES[i], 0] = -pose.rotvec[HIPS[i], 0] - pose.rotvec[KNEES[i], 0]
