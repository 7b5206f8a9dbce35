"""Samples the camera's pose and the poses and positions of people."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from icl_mesh.geometry.camera import Camera
from icl_mesh_training.scenes.people.people import Person, PersonFactory
from icl_mesh_training.scenes.poses.distribution import PoseDistribution
from icl_mesh_training.scenes.poses.everyday import EverydayPoses
from icl_mesh_training.scenes.poses.mocap import MocapPoses
from icl_mesh_training.scenes.poses.pose import Pose
from icl_mesh_training.scenes.render.cameras import (
    View,
    pitch_towards,
    place_view,
    sample_camera,
    sample_roll,
)

#: Least distance between the pelvises of two people, m.
MIN_GAP_M = 0.42
#: Least depth of a body's vertices, m.
MIN_DEPTH_M = 0.15
#: Share of people with poses of motion capture, besides pairs; others have everyday poses.
ACTIVE_SHARE = 0.25
#: Share of scenes without people.
EMPTY_SHARE = 0.12
#: Share of scenes, least and greatest height of the main person as a share of the image's
#: (log-uniform). "upright": wholly visible, standing or walking, mostly facing towards or away
#: from the camera; "close": heads and half bodies; "any": the rest.
_SHOTS = {"upright": (0.3, 0.5, 0.95), "close": (0.25, 1.1, 3.4), "any": (0.45, 0.16, 1.5)}
#: Grouping of people: share of scenes, least and most people.
_MODES = {"alone": (0.32, 1, 1), "few": (0.34, 2, 3), "crowd": (0.2, 4, 10), "row": (0.14, 3, 6)}


@dataclass
class Layout:
    """A view and its people, in the world frame."""

    view: View
    people: list[Person]


class LayoutSampler:
    """Samples layouts. mocap: source of active poses; None for the shipped distribution. aspect: of
    the images, see sample_camera."""

    def __init__(
        self,
        factory: PersonFactory,
        mocap: MocapPoses | None,
        max_people: int = 8,
        aspect: float | None = None,
    ) -> None:
        self._factory, self._mocap, self._aspect = factory, mocap, aspect
        self._everyday = EverydayPoses(factory.rest_joints)
        self._max_people = max_people
        self._active: MocapPoses | PoseDistribution = mocap or PoseDistribution()

    def sample(self, rng: np.random.Generator, long_side: int) -> Layout:
        """One layout, without objects and outfits."""
        camera = sample_camera(rng, long_side, self._aspect)
        if rng.random() < EMPTY_SHARE:
            pitch = rng.normal(0.1, 0.25)
            view = place_view(camera, rng.uniform(0.5, 2.5), pitch, sample_roll(rng))
            return Layout(view, [])
        shot = str(rng.choice(list(_SHOTS), p=[share for share, _, _ in _SHOTS.values()]))
        upright = shot == "upright"
        pair = (
            self._pair(rng, self._mocap)
            if self._mocap and self._max_people > 1 and not upright and rng.random() < 0.17
            else []
        )
        mode = str(rng.choice(list(_MODES), p=[share for share, _, _ in _MODES.values()]))
        _, least, most = _MODES[mode]
        count = int(np.clip(rng.integers(least, most + 1), 1, self._max_people))
        if mode == "crowd" and self._max_people > most:
            count = int(rng.integers(least, self._max_people + 1))
        singles = max(0 if pair else 1, count - len(pair))
        poses = [self._pose(rng, upright) for _ in range(singles)]
        people = pair + self._factory.bodies(rng, poses)
        view, distance, across = self._aim(rng, people[0], camera, shot)
        anchor = np.array([across, 0.0, -distance])
        for person in pair or people[:1]:
            person.shift(anchor)
        taken = [p.joints[0][[0, 2]] for p in pair or people[:1]]
        placed = list(pair or people[:1])
        for person in people[len(placed) :]:
            # in an upright shot nobody stands in front of the main person
            nearest = distance * (1.05 if upright else 0.65)
            at = self._free_position(rng, mode, view, (nearest, 2.8 * distance), taken)
            if at is None:
                continue
            person.shift([at[0], 0.0, at[1]])
            taken.append(at)
            placed.append(person)
        for person in placed:
            if not person.pose.seated and rng.random() < 0.1:  # on a step, on a slope, in a jump
                person.shift([0, rng.uniform(-0.3, 0.5), 0])
        return Layout(view, [p for p in placed if self._is_in_view(view, p)])

    def _pose(self, rng: np.random.Generator, upright: bool = False) -> Pose:
        if upright and rng.random() < 0.85:
            pose = self._everyday.sample(rng, upright=True)
            facing = rng.normal(0 if rng.random() < 0.65 else math.pi, 0.5)
            return rotated(pose, facing, rng.normal(0, 0.04, 2))
        if rng.random() < ACTIVE_SHARE:
            pose = self._active.sample(rng)
        else:
            pose = self._everyday.sample(rng)
        kind = rng.random()
        facing = (
            rng.normal(0, 0.5) if kind < 0.33
            else rng.normal(math.pi, 0.5) if kind < 0.45
            else rng.uniform(-math.pi, math.pi)
        )  # fmt: skip
        return rotated(pose, facing, rng.normal(0, 0.05, 2))

    def _pair(self, rng: np.random.Generator, mocap: MocapPoses) -> list[Person]:
        drawn = mocap.sample_pair(rng)
        if drawn is None:
            return []
        poses, roots = drawn
        yaw = rng.uniform(-math.pi, math.pi)
        people = self._factory.bodies(rng, [rotated(p, yaw) for p in poses])
        relative = (roots - roots.mean(axis=0))[:, [0, 2]]
        if np.linalg.norm(relative[0] - relative[1]) < 0.3:
            return people[:1]
        c, s = math.cos(yaw), math.sin(yaw)
        for person, (x, z) in zip(people, relative, strict=True):
            person.shift([c * x + s * z, 0.0, -s * x + c * z])
        return people

    def _aim(
        self, rng: np.random.Generator, main: Person, camera: Camera, shot: str
    ) -> tuple[View, float, float]:
        """A view for a sampled size and image position of the main person; that person's distance
        and x, m."""
        _, least, most = _SHOTS[shot]
        size = math.exp(rng.uniform(math.log(least), math.log(most)))
        distance = max(0.6, camera.fy * 1.68 / (size * camera.height))
        low, high = (0.38, 0.72) if size < 1 else (0.45, 1.0)
        if shot == "upright":
            low, high = 0.45, 0.55
        aim_height = float(np.clip(rng.uniform(low, high), 0.05, 0.95)) * main.height
        kind = rng.random()
        height = (
            rng.uniform(1.1, 1.75) if kind < 0.6
            else rng.uniform(0.25, 1.1) if kind < 0.8
            else rng.uniform(1.75, 4.0)
        )  # fmt: skip
        steepest = (0.45 if rng.random() < 0.85 else 1.0) * distance
        height = float(np.clip(height, aim_height - steepest, aim_height + steepest))
        # a body smaller than the image lies mostly inside it
        spread = max(0.12, 0.42 - 0.4 * size) if size < 1 else 0.2
        if shot == "upright":
            spread = max(0.0, 0.5 - 0.52 * size)
        row = camera.height * (0.5 + rng.uniform(-spread, spread))
        column = camera.width * (0.5 + rng.uniform(-0.36, 0.36))
        pitch = pitch_towards(camera, height, aim_height, distance, row)
        pitch = float(np.clip(pitch, -0.7, 1.1))
        view = place_view(camera, max(height, 0.15), pitch, sample_roll(rng))
        slant = math.hypot(distance, height - aim_height)
        return view, distance, (column - camera.cx) / camera.fx * slant

    def _free_position(
        self,
        rng: np.random.Generator,
        mode: str,
        view: View,
        depths: tuple[float, float],
        taken: list[npt.NDArray],
    ) -> npt.NDArray | None:
        """A free position (x, z) on the floor, in or near the view, or None. depths: range, m."""
        for _ in range(12):
            if mode == "crowd" or rng.random() < 0.25:
                start = taken[int(rng.integers(len(taken)))]
                angle, step = rng.uniform(0, 2 * math.pi), rng.uniform(MIN_GAP_M, 1.3)
                at = start + step * np.array([math.cos(angle), math.sin(angle)])
            elif mode == "row":
                start = taken[-1] if rng.random() < 0.5 else taken[0]
                side = rng.choice([-1, 1]) * rng.uniform(MIN_GAP_M, 0.9)
                at = start + [side, rng.normal(0, 0.2)]
            else:
                far = math.exp(rng.uniform(math.log(depths[0]), math.log(depths[1])))
                column = view.camera.width * rng.uniform(0.0, 1.0)
                at = np.array([(column - view.camera.cx) / view.camera.fx * far, -far])
            if at[1] > -0.7 or at[1] < -40:
                continue
            if all(np.linalg.norm(at - other) >= MIN_GAP_M for other in taken):
                return np.asarray(at)
        return None

    @staticmethod
    def _is_in_view(view: View, person: Person) -> bool:
        """Whether all vertices are in front of the camera and some joint is inside the image."""
        if view.to_camera(person.vertices)[:, 2].min() < MIN_DEPTH_M:
            return False
        px = view.camera.project(view.to_camera(person.joints))
        size = [view.camera.width, view.camera.height]
        return bool(((px >= 0) & (px < size)).all(axis=1).any())


def rotated(pose: Pose, yaw: float, tilt: npt.ArrayLike = (0.0, 0.0)) -> Pose:
    """The pose rotated by ``yaw`` about the vertical and by ``tilt`` (pitch, roll), rad."""
    pitch, roll = np.asarray(tilt, dtype=np.float64)
    rotvec = pose.rotvec.copy()
    rotation = Rotation.from_rotvec([0, yaw, 0]) * Rotation.from_rotvec([pitch, 0, roll])
    rotvec[0] = (rotation * Rotation.from_rotvec(rotvec[0])).as_rotvec()
    return Pose(rotvec, pose.seated, pose.lying)
