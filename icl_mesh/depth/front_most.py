"""Approximate map of the front-most person: bodies as convex hulls of their 24 parts."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

#: Longest side of the map, cells; and vertices per part for its hull.
MAP_SIDE, HULL_VERTICES = 320, 48


class BodyParts:
    """Subsampled vertices of each body part, for the convex hull of its projection."""

    def __init__(self, joint_of_vertex: npt.NDArray[np.integer]) -> None:
        """joint_of_vertex [V]: the joint of largest skinning weight."""
        parts = [np.flatnonzero(joint_of_vertex == joint) for joint in range(24)]
        steps = [max(1, len(part) // HULL_VERTICES) for part in parts]
        self.vertices = [part[::step] for part, step in zip(parts, steps, strict=True) if len(part)]


@dataclass(frozen=True)
class FrontMostMap:
    """owner int32 [h, w]: row of the front-most person, -1 for none; scale: cells per pixel."""

    owner: npt.NDArray[np.int32]
    scale: float

    def at(
        self, columns: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int32]:
        """Rows of the front-most people at integer pixels of the image; -1 for none."""
        last_row, last_column = np.array(self.owner.shape) - 1
        x = np.minimum(np.rint((columns + 0.5) * self.scale - 0.5).astype(int), last_column)
        y = np.minimum(np.rint((rows + 0.5) * self.scale - 0.5).astype(int), last_row)
        return np.asarray(self.owner[np.maximum(y, 0), np.maximum(x, 0)])


def front_most(parts: BodyParts, px: Array, distance: Array, size: tuple[int, int]) -> FrontMostMap:
    """Paint the parts' convex hulls from far to near.

    px [N, V, 2]: image pixels of the meshes; distance [N]; size: (width, height) of the image.
    """
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
    return FrontMostMap(owner, scale)
