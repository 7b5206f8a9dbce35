"""Occlusion per joint and per person, from the renderer's maps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from icl_mesh.rendering import Tiles
from icl_mesh_training.scenes.render.labels import (
    BY_OBJECT,
    BY_PERSON,
    BY_SELF,
    OUTSIDE,
    VISIBLE,
    SceneLabels,
)

#: Instance ids in scenes: people 1..MAX_PEOPLE, objects from FIRST_OBJECT, backdrops (rooms,
#: floors that catch shadows) from FIRST_BACKDROP on.
MAX_PEOPLE, FIRST_OBJECT, FIRST_BACKDROP = 63, 64, 200

#: Greatest depth of each visible joint below its own surface, m: a few centimetres in limbs, half
#: the trunk's width seen from the side, plus clothes. A deeper joint counts as hidden.
JOINT_DEPTH_M = np.array(
    [.22, .18, .18, .22, .11, .11, .22, .10, .10, .22, .08, .08,
     .14, .18, .18, .18, .13, .13, .09, .09, .08, .08, .08, .08]
)  # fmt: skip


def joint_occlusion(
    person: int,
    row: int,
    labels: SceneLabels,
    *,
    instance: npt.NDArray[np.uint8],
    depth: npt.NDArray[np.float32],
    own: Tiles,
) -> npt.NDArray[np.uint8]:
    """Occlusion [24] of one person's joints.

    person: its instance id. row: its row in ``labels`` (joints_m, joints_px) and in ``own``.
    instance, depth: maps [H, W] of the scene.

    At a joint's pixel, another person or an object in front of the joint hides it. The person's
    own surface hides it where it is more than JOINT_DEPTH_M in front (another limb).
    """
    joints_m, joints_px = labels.joints_m[row], labels.joints_px[row]
    height, width = instance.shape
    result = np.full(24, OUTSIDE, np.uint8)
    finite = np.isfinite(joints_px).all(axis=1)
    rounded = np.rint(np.where(finite[:, None], joints_px, -1)).astype(int)
    inside = finite & (rounded >= 0).all(axis=1) & (rounded < [width, height]).all(axis=1)
    size = own.depth.shape[1]
    cells = np.floor((rounded + 0.0 - own.origin_px[row]) / own.px_per_cell[row]).astype(int)
    for k in np.flatnonzero(inside):
        x, y = rounded[k]
        z, seen, front = float(joints_m[k, 2]), int(instance[y, x]), float(depth[y, x])
        u, v = cells[k]
        surface = float(own.depth[row, v, u]) if 0 <= u < size and 0 <= v < size else 0.0
        self_hidden = surface > 0 and surface < z - JOINT_DEPTH_M[k]
        if seen not in (0, person) and seen < FIRST_BACKDROP and front < z:
            result[k] = BY_PERSON if seen <= MAX_PEOPLE else BY_OBJECT
        else:
            result[k] = BY_SELF if self_hidden else VISIBLE
    return result


def visible_share(person: int, instance: npt.NDArray[np.uint8], own: Tiles, row: int) -> float:
    """Visible pixels over all pixels of the silhouette, including those outside the image."""
    whole = float((own.depth[row] > 0).sum() * own.px_per_cell[row].prod())
    return float(min(1.0, (instance == person).sum() / max(whole, 1e-6)))


def hidden_by_people(
    person: int,
    instance: npt.NDArray[np.uint8],
    depth: npt.NDArray[np.float32],
    own: Tiles,
    row: int,
) -> float:
    """Share of a person's silhouette within the image that other people hide; 0 for a person
    outside it. instance, depth: maps [H, W] of the scene. row: the person's in ``own``."""
    v, u = np.nonzero(own.depth[row])
    px = own.origin_px[row] + (np.stack((u, v), axis=1) + 0.5) * own.px_per_cell[row]
    x, y = np.rint(px).astype(int).T
    height, width = instance.shape
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    if not inside.any():
        return 0.0
    x, y = x[inside], y[inside]
    surface = own.depth[row, v[inside], u[inside]]
    seen = instance[y, x]
    others = (seen != person) & (seen > 0) & (seen <= MAX_PEOPLE) & (depth[y, x] < surface)
    return float(others.mean())
