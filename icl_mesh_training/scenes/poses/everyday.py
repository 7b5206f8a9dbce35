"""Everyday poses of people in photos, as rotation vectors of SMPL's 24 joints.

Axes of a joint's rotation are the T-pose's: x to the body's left, y up, z forward. A positive x
rotation bends the spine forward and flexes the knee; a negative one lifts the thigh.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from icl_mesh_training.scenes.poses import legs
from icl_mesh_training.scenes.poses.limbs import L_SHOULDER, R_SHOULDER, arm_rotations
from icl_mesh_training.scenes.poses.pose import (
    COLLARS,
    HEAD,
    HIPS,
    JOINTS,
    NECK,
    SPINE,
    WRISTS,
    Pose,
)

FloatArray = npt.NDArray[np.float64]


class EverydayPoses:
    """Samples everyday poses. rest_joints: the body's T-pose joints [24, 3], m."""

    def __init__(self, rest_joints: npt.ArrayLike) -> None:
        self._rest = np.asarray(rest_joints, dtype=np.float64)
        self._legs: list[tuple[float, Callable[[np.random.Generator, Pose], None]]] = [
            (0.32, legs.stand),
            (0.17, legs.walk),
            (0.05, legs.run),
            (0.19, legs.sit),
            (0.05, legs.sit_on_ground),
            (0.06, legs.crouch),
            (0.07, legs.half_crouch),
            (0.04, legs.kneel),
            (0.02, legs.lie),
            (0.03, legs.kick),
        ]
        total = sum(w for w, _ in self._legs)
        self._leg_shares = [w / total for w, _ in self._legs]

    def sample(self, rng: np.random.Generator, upright: bool = False) -> Pose:
        """One random pose. upright: standing or walking, with a straight trunk."""
        pose = Pose(np.zeros((JOINTS, 3)))
        if upright:
            (legs.stand if rng.random() < 0.7 else legs.walk)(rng, pose)
        else:
            self._legs[rng.choice(len(self._legs), p=self._leg_shares)][1](rng, pose)
        _trunk(rng, pose, upright)
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
        if joint < 0.30:  # both hands in front: holding, typing, steering
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
        if style in ("hip", "back"):
            beside = [s * 0.2, 0, rng.uniform(-0.05, 0.08)]
            behind = [s * 0.06, -0.02, -0.17]
            return self._point(0.2) + (beside if style == "hip" else behind), [s, 0, -0.4]
        if style == "face":
            near = [s * rng.uniform(-0.02, 0.12), rng.uniform(-0.08, 0.16), rng.uniform(0.04, 0.2)]
            return head + near, [s * rng.uniform(0.1, 1), -1, 0.2]
        if style == "lap":
            target = self._point(rng.uniform(-0.1, 0.1)) + [s * rng.uniform(0.03, 0.2), 0, 0]
            return target + [0, 0, rng.uniform(0.2, 0.42)], [s * 0.6, -0.6, -0.6]
        return self._reach_out(rng, style, s)

    def _reach_out(
        self, rng: np.random.Generator, style: str, s: int
    ) -> tuple[FloatArray, list[float]]:
        """Target and elbow hint of an arm stretched up, forward, to the side or anywhere."""
        shoulder = self._rest[L_SHOULDER if s > 0 else R_SHOULDER]
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
        # the collar rises with a hand above the shoulder
        lift = float(np.clip(target[1] - self._rest[L_SHOULDER, 1], -0.3, 0.5))
        pose.rotvec[COLLARS[side], 2] = (1 if left else -1) * (0.5 * max(lift, 0) + 0.1 * lift)
        twist = rng.normal(0, 0.5) * (1 if left else -1)
        pose.rotvec[WRISTS[side]] = [twist, rng.normal(0, 0.2), rng.normal(0, 0.3)]


_ARM_STYLES = ("down", "pocket", "hip", "face", "lap", "back", "up", "forward", "side", "free")
#: Factor of the random jitter, by joint.
_JITTER = np.ones(JOINTS)
_JITTER[[0, 10, 11, 22, 23]] = 0


def _arm_shares(pose: Pose) -> FloatArray:
    shares = np.array([0.36, 0.08, 0.06, 0.09, 0.04, 0.03, 0.06, 0.09, 0.05, 0.14])
    if pose.seated:
        shares = np.array([0.10, 0.01, 0.02, 0.15, 0.38, 0.01, 0.03, 0.14, 0.04, 0.12])
    return np.asarray(shares / shares.sum())


def _trunk(rng: np.random.Generator, pose: Pose, upright: bool = False) -> None:
    flex = rng.normal(0.06, 0.12)
    if not pose.lying and not upright and rng.random() < 0.15:  # bending over something
        flex = rng.uniform(0.3, 1.0)
        if not pose.seated:
            pitch = rng.uniform(0.0, 0.6)
            pose.rotvec[0, 0] += pitch
            pose.rotvec[list(HIPS), 0] -= pitch
    twist, side = rng.normal(0, 0.18), rng.normal(0, 0.09)
    for joint, share in zip(SPINE, (0.45, 0.35, 0.2), strict=True):
        pose.rotvec[joint] += share * np.array([flex, twist, side])
    head = np.array([rng.normal(0.05, 0.25), rng.normal(0, 0.4), rng.normal(0, 0.1)])
    head = np.clip(head - [0.3 * flex, 0, 0], [-0.7, -1.2, -0.4], [0.7, 1.2, 0.4])
    pose.rotvec[NECK], pose.rotvec[HEAD] = 0.5 * head, 0.5 * head
