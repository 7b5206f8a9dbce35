"""Paths of people who walk in front of a camera: crossing, hiding, leaving, entering.

Floor coordinates (x, z), m, of the world frame of icl_mesh_training.scenes.render.cameras.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from icl_mesh_training.scenes.poses.gait import CYCLE_M, walking_pose
from icl_mesh_training.scenes.poses.pose import Pose
from icl_mesh_training.scenes.world.layout import rotated

FloatArray = npt.NDArray[np.float64]

#: Kinds of sequences; see `sample_walks`.
STORIES = ("crossing", "occlusion", "leaving", "entering")
#: Least distance between pelvises, m.
LEAST_GAP_M = 0.45
#: Step at which a path is sampled, and deviation of the Gaussian that rounds its corners, s.
_STEP_S, _ROUND_S = 0.02, 0.2
#: Below this speed a person keeps their yaw, m/s.
_FACING_SPEED = 0.15


@dataclass(frozen=True)
class Walk:
    """One person's path, linear between waypoints, with rounded corners.

    times: [K] s, ascending. positions: [K, 2] m. facing: yaw of a person who never moves, rad.
    phase: of the first step, rad.
    """

    times: FloatArray
    positions: FloatArray
    facing: float
    phase: float

    def sample(self, at: npt.ArrayLike) -> tuple[FloatArray, list[Pose]]:
        """Positions [F, 2], m, and poses, which face the direction of walking, at times [F], s."""
        fine = np.arange(self.times[0] - 1, self.times[-1] + 1, _STEP_S)
        path = np.stack(
            [np.interp(fine, self.times, self.positions[:, k]) for k in range(2)], axis=1
        )
        path = gaussian_filter1d(path, _ROUND_S / _STEP_S, axis=0)
        velocity = np.gradient(path, _STEP_S, axis=0)
        speed = np.linalg.norm(velocity, axis=1)
        yaw = self._yaw(velocity, speed)
        phase = self.phase + 2 * math.pi * np.cumsum(speed) * _STEP_S / CYCLE_M
        vigour = np.minimum(1.0, speed / 0.6)
        rows = np.clip(np.searchsorted(fine, np.asarray(at)), 0, len(fine) - 1)
        poses = [rotated(walking_pose(phase[i], vigour[i]), yaw[i]) for i in rows]
        return path[rows], poses

    def _yaw(self, velocity: FloatArray, speed: FloatArray) -> FloatArray:
        moving = np.flatnonzero(speed > _FACING_SPEED)
        if not len(moving):
            return np.full(len(speed), self.facing)
        # a standing person keeps the last direction of walking; before the first step, the next one
        latest = moving[np.clip(np.searchsorted(moving, np.arange(len(speed))), 1, None) - 1]
        yaw = np.unwrap(np.arctan2(velocity[latest, 0], velocity[latest, 1]))
        return np.asarray(gaussian_filter1d(yaw, 0.2 / _STEP_S, mode="nearest"))


@dataclass(frozen=True)
class Stage:
    """The floor of a level camera. half_width: x / z at the image's edges. seconds: duration."""

    half_width: float
    seconds: float

    def position(self, across: float, depth: float) -> list[float]:
        """(x, z) at a share `across` of the half width; 1 is the right edge of the image."""
        return [across * self.half_width * depth, -depth]


def sample_walks(rng: np.random.Generator, story: str, stage: Stage) -> list[Walk]:
    """Walks of two to four people in one of STORIES, at least LEAST_GAP_M apart.

    crossing: two people pass each other, or meet and turn back. occlusion: one walks behind a
    standing person, and mostly pauses there. leaving: one walks past another and out of the image.
    entering: one walks into the image and past another. In every story up to two more people stand
    or stroll farther back. Raises ValueError for another story.
    """
    build = {
        "crossing": _crossing,
        "occlusion": _occlusion,
        "leaving": _leaving,
        "entering": _entering,
    }
    if story not in build:
        raise ValueError(f"story must be one of {', '.join(STORIES)}, got '{story}'")
    others = int(rng.choice(3, p=[0.5, 0.35, 0.15]))
    times = np.linspace(0, stage.seconds, round(stage.seconds / 0.1) + 1)
    for _ in range(200):
        walks = build[story](rng, stage) + [_bystander(rng, stage) for _ in range(others)]
        paths = np.stack([walk.sample(times)[0] for walk in walks])
        apart = np.linalg.norm(paths[:, None] - paths[None], axis=-1)
        apart[np.arange(len(walks)), np.arange(len(walks))] = np.inf
        if apart.min() >= LEAST_GAP_M:
            return walks
    raise RuntimeError(f"found no {story} in which people keep {LEAST_GAP_M} m apart")


def _walk(rng: np.random.Generator, times: list[float], positions: list[list[float]]) -> Walk:
    return Walk(
        np.array(times, float),
        np.array(positions),
        rng.uniform(-0.8, 0.8),
        rng.uniform(0, 2 * math.pi),
    )


def _depths(rng: np.random.Generator) -> tuple[float, float]:
    """Depths of a person in front and of one behind, m."""
    near = rng.uniform(2.0, 3.5)
    return near, near + rng.uniform(0.55, 1.8)


def _crossing(rng: np.random.Generator, stage: Stage) -> list[Walk]:
    near, far = _depths(rng)
    side, end, walks = rng.choice([-1.0, 1.0]), stage.seconds, []
    turn_back = rng.random() < 0.35
    for depth, sign in ((near, side), (far, -side)):
        start, stop = sign * rng.uniform(0.5, 0.85), sign * rng.uniform(0.5, 0.85)
        if turn_back:
            meeting = sign * rng.uniform(-0.03, 0.12)
            times = [0.0, end / 2 + rng.uniform(-0.2, 0.2), end]
            positions = [stage.position(v, depth) for v in (start, meeting, stop)]
        else:
            slant = rng.uniform(-0.25, 0.25)
            times = [0.0, end]
            positions = [stage.position(start, depth + slant), stage.position(-stop, depth - slant)]
        walks.append(_walk(rng, times, positions))
    return walks


def _occlusion(rng: np.random.Generator, stage: Stage) -> list[Walk]:
    near, far = _depths(rng)
    at, side, end = rng.uniform(-0.3, 0.3), rng.choice([-1.0, 1.0]), stage.seconds
    standing = _walk(rng, [0.0, end], [stage.position(at, near)] * 2)
    start, stop = side * rng.uniform(0.6, 0.85), -side * rng.uniform(0.6, 0.85)
    if rng.random() < 0.4:  # turns back
        stop = side * rng.uniform(0.6, 0.85)
    pause = rng.uniform(0.0, 0.8)
    times = [0.0, (end - pause) / 2, (end + pause) / 2, end]
    passing = _walk(rng, times, [stage.position(v, far) for v in (start, at, at, stop)])
    return [standing, passing]


def _leaving(rng: np.random.Generator, stage: Stage) -> list[Walk]:
    near, far = _depths(rng)
    if rng.random() < 0.5:
        near, far = far, near  # who leaves passes in front or behind
    side, end = rng.choice([-1.0, 1.0]), stage.seconds
    out = end * rng.uniform(0.75, 0.9)
    leaver = [stage.position(-side * rng.uniform(0.4, 0.8), near), stage.position(side * 1.5, near)]
    leaving = _walk(rng, [0.0, out], leaver)
    return [leaving, _stroller(rng, stage, far)]


def _entering(rng: np.random.Generator, stage: Stage) -> list[Walk]:
    near, far = _depths(rng)
    if rng.random() < 0.5:
        near, far = far, near
    side, end = rng.choice([-1.0, 1.0]), stage.seconds
    comes = end * rng.uniform(0.05, 0.2)
    enterer = [
        stage.position(side * 1.4, near),
        stage.position(-side * rng.uniform(0.4, 0.8), near),
    ]
    return [_walk(rng, [comes, end], enterer), _stroller(rng, stage, far)]


def _stroller(rng: np.random.Generator, stage: Stage, depth: float) -> Walk:
    start = rng.uniform(-0.5, 0.5)
    stop = float(np.clip(start + rng.uniform(-0.6, 0.6), -0.8, 0.8))
    positions = [stage.position(start, depth), stage.position(stop, depth + rng.uniform(-0.3, 0.3))]
    return _walk(rng, [0.0, stage.seconds], positions)


def _bystander(rng: np.random.Generator, stage: Stage) -> Walk:
    depth, at = rng.uniform(3.2, 6.5), rng.uniform(-0.8, 0.8)
    if rng.random() < 0.5:
        return _walk(rng, [0.0, stage.seconds], [stage.position(at, depth)] * 2)
    return _stroller(rng, stage, depth)
