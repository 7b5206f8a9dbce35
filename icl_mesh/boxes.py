"""Boxes around bodies in the image. N people, V vertices, P of them those of an outline."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from icl_mesh import native
from icl_mesh.camera import MIN_DEPTH_RATIO, Camera

Floats = npt.NDArray[np.floating[Any]]
_DOUBLE = ctypes.c_double
#: Of icl_boxes in src/boxes.cpp.
_ARGUMENTS = (
    *(native.INT, native.INT, native.POINTER),  # vertices
    *(native.INT, native.POINTER),  # those of the outline
    *(native.POINTER, _DOUBLE),  # depths
    *[_DOUBLE] * 4,
    *(native.INT, native.INT),  # camera
    native.POINTER,
)


def bounding_boxes(
    camera: Camera,
    vertices: Floats,
    root_depth: npt.NDArray[np.float64],
    outline_index: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.float32]:
    """Boxes x0 y0 x1 y1 [N, 4] around vertices [N, V, 3], float32, m, in the camera frame: around
    all, or those of outline_index [P]; clipped to the image's pixels.

    root_depth [N], m: see Camera.project_bodies. Occluded parts count. A body beside the image gets
    an empty box on the image's edge.
    """
    call = native.kernel("icl_boxes", *_ARGUMENTS)
    if call is None or camera.lens is not None:
        outline = vertices if outline_index is None else vertices[:, outline_index]
        px = camera.project_bodies(outline, root_depth)
        x, y = px[..., 0], px[..., 1]  # apart: numpy reduces them 15 times faster than [V, 2]
        corners = np.stack((x.min(axis=1), y.min(axis=1), x.max(axis=1), y.max(axis=1)), axis=1)
        last = (camera.width - 1, camera.height - 1)
        return np.clip(corners, 0, last + last).astype(np.float32)
    count, size = vertices.shape[:2]
    depth = np.ascontiguousarray(root_depth)
    boxes = np.empty((count, 4), np.float32)
    call(
        count,
        size,
        native.address(vertices),
        size if outline_index is None else len(outline_index),
        None if outline_index is None else native.address(outline_index, np.int64),
        native.address(depth, np.float64),
        MIN_DEPTH_RATIO,
        *(camera.fx, camera.fy, camera.cx, camera.cy),
        *(camera.width, camera.height),
        native.address(boxes),
    )
    return boxes
