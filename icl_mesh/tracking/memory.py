"""State of the tracks between two images."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from icl_mesh.geometry.camera import Camera
from icl_mesh.people import FloatArray, People
from icl_mesh.tracking.appearance import AppearanceFeatures
from icl_mesh.tracking.assignment import pelvis_px
from icl_mesh.tracking.kalman import Array, Motion
from icl_mesh.tracking.one_euro import Smooth


@dataclass
class Memory:
    """T tracks after the last image. Immutable by convention, since instances share arrays."""

    ids: npt.NDArray[np.int64]
    hits: npt.NDArray[np.int64]
    seen_s: Array
    filters: Motion
    people: People  # last detections, not smoothed, without vertices
    features: AppearanceFeatures
    smooth: Smooth | None  # None without smoothing

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, index: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> Memory:
        """The tracks of an index array or a mask; for all tracks in order, self without a copy."""
        if is_everyone(index, len(self)):
            return self
        return Memory(
            self.ids[index],
            self.hits[index],
            self.seen_s[index],
            self.filters.select(index),
            self.people.select(index),
            self.features.select(index),
            None if self.smooth is None else self.smooth.select(index),
        )

    def join(self, other: Memory) -> Memory:
        """These tracks, then the others; smoothed if both are."""
        if len(other) == 0:
            return self
        return Memory(
            np.concatenate((self.ids, other.ids)),
            np.concatenate((self.hits, other.hits)),
            np.concatenate((self.seen_s, other.seen_s)),
            self.filters.join(other.filters),
            People.concatenate((self.people, other.people)),
            self.features.join(other.features),
            self.smooth.join(other.smooth) if self.smooth and other.smooth else None,
        )


def is_everyone(index: npt.NDArray[np.integer] | npt.NDArray[np.bool_], count: int) -> bool:
    """Whether an index array or a mask selects all of `count` rows in order."""
    if len(index) != count:
        return False
    rows = index.tolist()  # faster than numpy for few rows
    return all(rows) if index.dtype == np.bool_ else rows == list(range(count))


def moved(people: People, position: FloatArray) -> People:
    """Last detections, moved to their predicted positions [N, 3], m."""
    step = position - people.position_m
    joints = people.joints_m + step[:, None]
    shift = pelvis_px(position, people) - pelvis_px(people.position_m, people)
    last = np.array([people.camera.width - 1, people.camera.height - 1] * 2)
    return dataclasses.replace(
        people,
        center_px=(people.center_px + shift).astype(np.float32),
        bbox_px=np.clip(people.bbox_px + np.tile(shift, 2), 0, last).astype(np.float32),
        translation_m=people.translation_m + step,
        joints_m=joints,
        joints_px=people.camera.project_bodies(joints, position[:, 2]).astype(np.float32),
        joint_confidence=np.zeros_like(people.joint_confidence),
        joint_visible=np.zeros_like(people.joint_visible),
    )


def through(people: People, camera: Camera) -> People:
    """The same people at the same positions, projected by another calibration of the camera.

    Pixels move with their rays; metric arrays are unchanged.
    """
    if camera == people.camera:
        return people

    def pixels(px: FloatArray) -> FloatArray:
        rays = people.camera.rays(px)
        points = np.concatenate((rays, np.ones_like(rays[..., :1])), axis=-1)
        return camera.project(points).astype(np.float32)

    last = np.array([camera.width - 1, camera.height - 1] * 2, np.float32)
    joints_px = camera.project_bodies(people.joints_m, people.position_m[:, 2])
    return dataclasses.replace(
        people,
        center_px=pixels(people.center_px),
        bbox_px=np.clip(pixels(people.bbox_px.reshape(-1, 2, 2)).reshape(-1, 4), 0, last),
        joints_px=joints_px.astype(np.float32),
        camera=camera,
    )
