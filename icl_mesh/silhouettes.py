"""Who is in front at each pixel, roughly: bodies as convex hulls of their 24 parts."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

#: Longest side of the map, cells; and vertices that a part's hull is made from.
MAP_SIDE, HULL_VERTICES = 320, 48


class BodyParts:
    """The vertices of each part of a body, thinned out: enough for the hull of its image."""

    def __init__(self, joint_of_vertex: npt.NDArray[np.integer]) -> None:
        """joint_of_vertex [V]: the joint that moves each vertex most."""
        parts = [np.flatnonzero(joint_of_vertex == joint) for joint in range(24)]
        steps = [max(1, len(part) // HULL_VERTICES) for part in parts]
        self.vertices = [part[::step] for part, step in zip(parts, steps, strict=True) if len(part)]


@dataclass(frozen=True)
class OwnerMap:
    """owner int32 [h, w]: row of the person in front, -1 for nobody; scale: cells per pixel."""

    owner: npt.NDArray[np.int32]
    scale: float

    def at(
        self, columns: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int32]:
        """Who is in front at whole pixels of the image."""
        last_row, last_column = np.array(self.owner.shape) - 1
        x = np.minimum(np.rint((columns + 0.5) * self.scale - 0.5).astype(int), last_column)
        y = np.minimum(np.rint((rows + 0.5) * self.scale - 0.5).astype(int), last_row)
        return np.asarray(self.owner[np.maximum(y, 0), np.maximum(x, 0)])


def front_most(parts: BodyParts, px: Array, distance: Array, size: tuple[int, int]) -> OwnerMap:
    """Painted from far to near: px [N, V, 2] image pixels of the meshes, distance [N], size
    (width, height) of the image. Of parts, only the near-enough shape counts: they are drawn as
    the convex hull of each."""
    width, height = size
    scale = min(1.0, MAP_SIDE / max(width, height))
    shape = max(1, round(height * scale)), max(1, round(width * scale))
    owner = np.full(shape, -1, dtype=np.int32)
    # Far outside the map, OpenCV's fixed-point coordinates would overflow.
    cells = np.clip((px + 0.5) * scale - 0.5, -4.0 * MAP_SIDE, 8.0 * MAP_SIDE).astype(np.float32)
    for row in np.argsort(-distance, kind="stable"):
        for part in parts.vertices:
            hull = cv2.convexHull(cells[row, part])
            cv2.fillConvexPoly(owner, np.rint(hull).astype(np.int32), int(row))
    return OwnerMap(owner, scale)
