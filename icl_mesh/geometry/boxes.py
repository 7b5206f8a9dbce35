"""Bounding boxes of bodies in the image. N people, V vertices."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from icl_mesh.geometry.camera import Camera

Floats = npt.NDArray[np.floating[Any]]


def bounding_boxes(
    camera: Camera, vertices: Floats, root_depth: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """Bounding boxes x0 y0 x1 y1 [N, 4], px, clipped to the image.

    vertices [N, V, 3], m, camera optical frame; root_depth [N], m: see Camera.project_bodies.
    Boxes include occluded parts. The box of a body outside the image is empty, on the image's edge.
    """
    px = camera.project_bodies(vertices, root_depth)
    x, y = px[..., 0], px[..., 1]  # numpy reduces x and y 15 times faster than [V, 2]
    corners = np.stack((x.min(axis=1), y.min(axis=1), x.max(axis=1), y.max(axis=1)), axis=1)
    last = (camera.width - 1, camera.height - 1)
    return np.clip(corners, 0, last + last).astype(np.float32)
