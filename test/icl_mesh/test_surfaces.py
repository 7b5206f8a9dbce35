"""The compiled kernels for surfaces and boxes against torch and numpy."""

from __future__ import annotations

import numpy as np
import pytest
import roma
import torch

from icl_mesh.body import BodyModel
from icl_mesh.body.posing import Poser, Skeletons
from icl_mesh.body.surface_tables import SurfaceTables
from icl_mesh.boxes import bounding_boxes
from icl_mesh.camera import Camera
from icl_mesh.lens import Lens

COUNTS = [0, 1, 3, 8, 19]


def plain(body: BodyModel) -> None:
    """As it comes: pose directions and weights are sparse."""


def without_poses(body: BodyModel) -> None:
    body.pose_directions = None


def dense(body: BodyModel) -> None:
    """As a licensed SMPL file may be: every joint bends every vertex, which hangs on all joints."""
    generator = torch.Generator().manual_seed(1)
    shape = (207, 3 * body.vertex_count)
    body.pose_directions = 0.003 * torch.randn(shape, generator=generator)
    weights = torch.rand(body.vertex_count, 24, generator=generator)
    body.skinning_weights = weights / weights.sum(1, keepdim=True)


def posed(poser: Poser, count: int) -> tuple[Skeletons, np.ndarray]:
    generator = torch.Generator().manual_seed(count)
    betas = torch.randn(count, 10, generator=generator)
    vectors = 0.6 * torch.randn(count, 24, 3, generator=generator)
    skeletons = poser.skeletons(betas.numpy(), roma.rotvec_to_rotmat(vectors).numpy())
    return skeletons, np.random.default_rng(count).normal([1, -2, 6], 1, (count, 3))


@pytest.mark.parametrize("change", [plain, without_poses, dense])
@pytest.mark.parametrize("surface", ["mesh", "outline"])
def test_surfaces_are_those_of_torch(change, surface, without_library) -> None:
    body = BodyModel.load("default")
    change(body)
    fast, slow = Poser(body), Poser(body)
    found = [getattr(fast, surface)(*posed(fast, count)) for count in COUNTS]
    without_library()
    for count, placed in zip(COUNTS, found, strict=True):
        wanted = getattr(slow, surface)(*posed(slow, count))
        assert placed.shape == wanted.shape and placed.dtype == torch.float32
        torch.testing.assert_close(placed, wanted, rtol=0, atol=5e-6)
    assert fast._kernels[surface] is not None and slow._kernels[surface] is None


def test_a_surface_lasts_beyond_the_next() -> None:
    poser = Poser(BodyModel.load("default"))
    first = poser.outline(*posed(poser, 2))
    kept = first.clone()
    poser.outline(*posed(poser, 3))
    assert torch.equal(first, kept)


def test_tables_leave_out_what_is_zero_and_nothing_else() -> None:
    body = BodyModel.load("default")
    chosen = body.outline_index.numpy()[::-1].copy()  # in any order
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


@pytest.mark.parametrize("count", [0, 1, 3, 8])
def test_boxes_are_those_of_numpy(bodies, count, without_library) -> None:
    vertices, depth = bodies[0][:count], bodies[1][:count]
    index = np.arange(3, 500, 7)
    found = [bounding_boxes(CAMERA, vertices, depth, chosen) for chosen in (None, index)]
    without_library()
    wanted = [bounding_boxes(CAMERA, vertices, depth, chosen) for chosen in (None, index)]
    for one, other in zip(found, wanted, strict=True):
        assert one.shape == (count, 4) and one.dtype == np.float32
        np.testing.assert_allclose(one, other, rtol=1e-6)
    assert count == 0 or (found[0] != found[1]).any()


def test_boxes_hold_the_projected_vertices(bodies) -> None:
    """Against the definition, with a lens too, for which there is no kernel."""
    vertices, depth = bodies
    lens = Lens("plumb_bob", (-0.1, 0.02, 0.0, 0.0, 0.0))
    for camera in (CAMERA, Camera(500, 510, 321, 243, 640, 480, lens=lens)):
        px = camera.project_bodies(vertices, depth)
        ends = np.concatenate((px.min(axis=1), px.max(axis=1)), axis=1)
        wanted = ends.clip(0, [639, 479, 639, 479])
        np.testing.assert_allclose(bounding_boxes(camera, vertices, depth), wanted, rtol=1e-6)
    assert wanted[7, 0] == wanted[7, 2] == 0  # beside the image
