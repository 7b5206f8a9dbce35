"""Ways that people walk before a camera: crossing, hiding, leaving, entering.

Floor coordinates as in icl_mesh_training.scenes.view: (x, z), m, the camera above the origin,
looking along -z.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from icl_mesh_training.scenes.gait import CYCLE_M, walking_pose
from icl_mesh_training.scenes.layout import turned
from icl_mesh_training.scenes.pose import Pose

FloatArray = npt.NDArray[np.float64]

#: What happens in a sequence; see `sample_walks`.
STORIES = ("crossing", "occlusion", "leaving", "entering")
#: Pelvises stay this far apart, m.
LEAST_GAP_M = 0.45
#: A way is sampled so finely, s; its corners and turns are rounded with this deviation, s.
_STEP_S, _ROUND_S = 0.02, 0.2
#: Slower than this, a person keeps the direction they face, m/s.
_FACING_SPEED = 0.15


@dataclass(frozen=True)
class Walk:
    """One person's way. times [K] s, rising, and spots [K, 2] m: where they are then; straight
    and even in between, with rounded corners. facing: yaw, rad, of one who never moves.
    phase: of the first step, rad."""

    times: FloatArray
    spots: FloatArray
    facing: float
    phase: float

    def sample(self, at: npt.ArrayLike) -> tuple[FloatArray, list[Pose]]:
        """Spots [F, 2], m, and poses, turned into the direction of walking, at times [F], s."""
        fine = np.arange(self.times[0] - 1, self.times[-1] + 1, _STEP_S)
        way = np.stack([np.interp(fine, self.times, self.spots[:, k]) for k in range(2)], axis=1)
        way = gaussian_filter1d(way, _ROUND_S / _STEP_S, axis=0)
        velocity = np.gradient(way, _STEP_S, axis=0)
        speed = np.linalg.norm(velocity, axis=1)
        yaw = self._yaw(velocity, speed)
        phase = self.phase + 2 * math.pi * np.cumsum(speed) * _STEP_S / CYCLE_M
        vigour = np.minimum(1.0, speed / 0.6)
        rows = np.clip(np.searchsorted(fine, np.asarray(at)), 0, len(fine) - 1)
        poses = [turned(walking_pose(phase[i], vigour[i]), yaw[i]) for i in rows]
        return way[rows], poses

    def _yaw(self, velocity: FloatArray, speed: FloatArray) -> FloatArray:
        moving = np.flatnonzero(speed > _FACING_SPEED)
        if not len(moving):
            return np.full(len(speed), self.facing)
        # one who stands faces where they last went; before the first step, where they will go
        latest = moving[np.clip(np.searchsorted(moving, np.arange(len(speed))), 1, None) - 1]
        yaw = np.unwrap(np.arctan2(velocity[latest, 0], velocity[latest, 1]))
        return np.asarray(gaussian_filter1d(yaw, 0.2 / _STEP_S, mode="nearest"))


@dataclass(frozen=True)
class Stage:
    """The floor that a level camera sees. half_width: x / z at the image's left and right edge."""

    half_width: float
    seconds: float

    def spot(self, across: float, depth: float) -> list[float]:
        """(x, z) at a share `across` of the half width; 1 is the right edge of the image."""
        return [across * self.half_width * depth, -depth]


def sample_walks(rng: np.random.Generator, story: str, stage: Stage) -> list[Walk]:
    """Two to four people in one of STORIES; nobody walks through anybody else.

    crossing: two pass each other; or meet, and both turn back. occlusion: one walks behind
    another who stands, and most often stops there. leaving: one walks past another and out of
    the image. entering: one comes from outside and past another. In every story up to two more
    people stand or stroll farther back.
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
        ways = np.stack([walk.sample(times)[0] for walk in walks])
        apart = np.linalg.norm(ways[:, None] - ways[None], axis=-1)
        apart[np.arange(len(walks)), np.arange(len(walks))] = np.inf
        if apart.min() >= LEAST_GAP_M:
            return walks
    raise RuntimeError(f"found no {story} in which people keep {LEAST_GAP_M} m apart")


def _walk(rng: np.random.Generator, times: list[float], spots: list[list[float]]) -> Walk:
    return Walk(
        np.array(times, float), np.array(spots), rng.uniform(-0.8, 0.8), rng.uniform(0, 2 * math.pi)
    )


def _depths(rng: np.random.Generator) -> tuple[float, float]:
    """Of one who passes in front, and of one behind, m."""
    near = rng.uniform(2.0, 3.5)
    return near, near + rng.uniform(0.55, 1.8)


def _crossing(rng: np.random.Generator, stage: Stage) -> list[Walk]:
    near, far = _depths(rng)
    side, end, walks = rng.choice([-1.0, 1.0]), stage.seconds, []
    turn_back = rng.random() < 0.35
    for depth, sign in ((near, side), (far, -side)):
        start, stop = sign * rng.uniform(0.5, 0.85), sign * rng.uniform(0.5, 0.85)
        if turn_back:
            middle = sign * rng.uniform(-0.03, 0.12)
            times = [0.0, end / 2 + rng.uniform(-0.2, 0.2), end]
            spots = [stage.spot(v, depth) for v in (start, middle, stop)]
        else:
            slant = rng.uniform(-0.25, 0.25)
            times = [0.0, end]
            spots = [stage.spot(start, depth + slant), stage.spot(-stop, depth - slant)]
        walks.append(_walk(rng, times, spots))
    return walks


def _occlusion(rng: np.random.Generator, stage: Stage) -> list[Walk]:
    near, far = _depths(rng)
    at, side, end = rng.uniform(-0.3, 0.3), rng.choice([-1.0, 1.0]), stage.seconds
    standing = _walk(rng, [0.0, end], [stage.spot(at, near)] * 2)
    start, stop = side * rng.uniform(0.6, 0.85), -side * rng.uniform(0.6, 0.85)
    if rng.random() < 0.4:  # comes back where they came from
        stop = side * rng.uniform(0.6, 0.85)
    pause = rng.uniform(0.0, 0.8)
    times = [0.0, (end - pause) / 2, (end + pause) / 2, end]
    passing = _walk(rng, times, [stage.spot(v, far) for v in (start, at, at, stop)])
    return [standing, passing]


def _leaving(rng: np.random.Generator, stage: Stage) -> list[Walk]:
    near, far = _depths(rng)
    if rng.random() < 0.5:
        near, far = far, near  # the one who leaves passes in front, or behind
    side, end = rng.choice([-1.0, 1.0]), stage.seconds
    out = end * rng.uniform(0.75, 0.9)
    leaver = [stage.spot(-side * rng.uniform(0.4, 0.8), near), stage.spot(side * 1.5, near)]
    leaving = _walk(rng, [0.0, out], leaver)
    return [leaving, _stroller(rng, stage, far)]


def _entering(rng: np.random.Generator, stage: Stage) -> list[Walk]:
    near, far = _depths(rng)
    if rng.random() < 0.5:
        near, far = far, near
    side, end = rng.choice([-1.0, 1.0]), stage.seconds
    comes = end * rng.uniform(0.05, 0.2)
    enterer = [stage.spot(side * 1.4, near), stage.spot(-side * rng.uniform(0.4, 0.8), near)]
    return [_walk(rng, [comes, end], enterer), _stroller(rng, stage, far)]


def _stroller(rng: np.random.Generator, stage: Stage, depth: float) -> Walk:
    start = rng.uniform(-0.5, 0.5)
    stop = float(np.clip(start + rng.uniform(-0.6, 0.6), -0.8, 0.8))
    spots = [stage.spot(start, depth), stage.spot(stop, depth + rng.uniform(-0.3, 0.3))]
    return _walk(rng, [0.0, stage.seconds], spots)


def _bystander(rng: np.random.Generator, stage: Stage) -> Walk:
    depth, at = rng.uniform(3.2, 6.5), rng.uniform(-0.8, 0.8)
    if rng.random() < 0.5:
        return _walk(rng, [0.0, stage.seconds], [stage.spot(at, depth)] * 2)
    return _stroller(rng, stage, depth)
