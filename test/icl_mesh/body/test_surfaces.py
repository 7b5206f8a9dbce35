"""The tables of the surface kernel, and boxes around bodies."""

from __future__ import annotations

import numpy as np
import pytest

from icl_mesh.body import BodyModel
from icl_mesh.body.surface_tables import SurfaceTables
from icl_mesh.geometry.boxes import bounding_boxes
from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.lens import Lens


def test_tables_leave_out_what_is_zero_and_nothing_else() -> None:
    body = BodyModel.load("default")
    chosen = body.extreme_index.numpy()[::-1].copy()  # in any order
    tables = SurfaceTables.of(body, chosen)
    weights = np.zeros((len(chosen), 24), np.float32)
    poses = np.zeros((len(chosen), 23, 3, 9), np.float32)
    for row in range(len(chosen)):
        ends = slice(*tables.weight_start[row : row + 2])
        weights[row, tables.weight_joint[ends]] = tables.weight[ends]
        ends = slice(*tables.pose_start[row : row + 2])
        poses[row, tables.pose_joint[ends]] = tables.pose_directions[ends]
    np.testing.assert_array_equal(weights, body.skinning_weights[chosen])
    assert body.pose_directions is not None
    wanted = body.pose_directions.unflatten(1, (-1, 3))[:, chosen].unflatten(0, (23, 9))
    np.testing.assert_array_equal(poses, wanted.permute(2, 0, 3, 1))
    assert sum(table.nbytes for table in SurfaceTables.of(body)) < 2e6


CAMERA = Camera(500.0, 510.0, 321.0, 243.0, 640, 480)


@pytest.fixture
def bodies() -> tuple[np.ndarray, np.ndarray]:
    """Vertices [8, 500, 3] and depths of the roots: some reach past the camera, one is beside the
    image."""
    roots = np.array([[x, 0.1 * x, 4.6 - 0.7 * x] for x in range(7)] + [[-9, 0, 3]], float)
    offsets = np.random.default_rng(0).normal(0, 0.4, (8, 500, 3))
    return (roots[:, None] + offsets).astype(np.float32), roots[:, 2]


def test_boxes_hold_the_projected_vertices(bodies) -> None:
    """Against the definition, with a lens too."""
    vertices, depth = bodies
    lens = Lens("plumb_bob", (-0.1, 0.02, 0.0, 0.0, 0.0))
    for camera in (CAMERA, Camera(500, 510, 321, 243, 640, 480, lens=lens)):
        px = camera.project_bodies(vertices, depth)
        ends = np.concatenate((px.min(axis=1), px.max(axis=1)), axis=1)
        wanted = ends.clip(0, [639, 479, 639, 479])
        np.testing.assert_allclose(bounding_boxes(camera, vertices, depth), wanted, rtol=1e-6)
    assert wanted[7, 0] == wanted[7, 2] == 0  # beside the image
