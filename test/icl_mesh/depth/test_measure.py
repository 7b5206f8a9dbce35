"""Distances from rendered depth images, with what a sensor adds: noise, holes, occluders.

The people in the image are 15 % larger and farther than the estimate: the same pixels, so that
only the depth image shows it.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from icl_mesh.depth.measure import DepthImage, correct_distances
from icl_mesh.geometry.camera import Camera
from icl_mesh.rendering import RenderingUnavailableError
from icl_mesh.rendering.mesh import NormalOperator, RenderMesh
from icl_mesh.rendering.renderer import Renderer

CAMERA = Camera(290.0, 290.0, 159.5, 119.5, 320, 240)
LARGER = 1.15
WALL_M = 9.0
TOLERANCE_M = 0.04  # the body in the image is 15 % thicker than the estimated one: 2 cm


@pytest.fixture(scope="module")
def renderer():
    try:
        with Renderer() as renderer:
            yield renderer
    except RenderingUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture
def seen(make_people, renderer):
    """(true pelvis [N, 3]) -> the people as estimated, and the depth of the true ones, m."""

    def see(*pelvis: tuple[float, float, float]):
        people = make_people(np.array(pelvis) / LARGER, CAMERA, vertices=True)
        normals = NormalOperator(people.body.faces, people.body.vertex_count)
        true = (people.vertices_m * LARGER).astype(np.float32)
        meshes = [RenderMesh(v, normals.faces, normals(v), i + 1) for i, v in enumerate(true)]
        depth = renderer.render(meshes, CAMERA, maps=True)[0].depth
        return people, np.where(depth > 0, depth, WALL_M)

    return see


def as_sensor(depth: np.ndarray, seed: int = 0) -> DepthImage:
    """16UC1: millimetres, 1 % noise, a third of the pixels missing."""
    generator = np.random.default_rng(seed)
    noisy = depth * (1 + 0.01 * generator.standard_normal(depth.shape))
    noisy[generator.random(depth.shape) < 0.33] = 0
    return DepthImage((1000 * noisy).round().clip(0, 65535).astype("<u2"), 0.001)


def torso_box(people, row: int = 0) -> tuple[int, int, int, int]:
    """x0 y0 x1 y1 around shoulders and hips."""
    px = people.joints_px[row, [1, 2, 16, 17]]
    return (*px.min(axis=0).astype(int), *px.max(axis=0).astype(int) + 1)


def test_the_measured_distance_replaces_the_one_by_size(seen):
    true = np.array([[-0.6, 0.1, 3.0], [0.7, 0.0, 4.0]])
    people, depth = seen(*true)
    corrected = correct_distances(people, as_sensor(depth))
    assert corrected.distance_from_depth.tolist() == [True, True]
    assert not people.distance_from_depth.any()
    np.testing.assert_allclose(corrected.position_m, true, atol=TOLERANCE_M)
    assert np.abs(people.position_m - true).max() > 0.3
    # The whole body has moved, along the ray of the pelvis; the image is what it was.
    step = (corrected.position_m - people.position_m)[:, None]
    np.testing.assert_allclose(corrected.joints_m - people.joints_m, step.repeat(24, 1), atol=1e-5)
    moved = corrected.vertices_m - people.vertices_m
    np.testing.assert_allclose(moved, np.broadcast_to(step, moved.shape), atol=1e-5)
    np.testing.assert_allclose(
        corrected.translation_m - people.translation_m, step[:, 0], atol=1e-5
    )
    np.testing.assert_allclose(
        CAMERA.project(corrected.position_m), people.joints_px[:, 0], atol=0.01
    )
    np.testing.assert_array_equal(corrected.joints_px, people.joints_px)


def test_metres_as_floats_with_nan_and_infinity(seen):
    people, depth = seen((0.2, 0.1, 3.0))
    pixels = depth.astype("<f4")
    pixels[::3] = np.nan
    pixels[1::6] = np.inf
    pixels[:, ::5] = -1.0
    corrected = correct_distances(people, DepthImage(pixels, 1.0))
    assert corrected.position_m[0, 2] == pytest.approx(3.0, abs=TOLERANCE_M)


@pytest.mark.parametrize("nearer_m", [0.4, 1.2])
@pytest.mark.parametrize("covered", [0.2, 0.45])
def test_something_in_front_of_the_torso(seen, covered, nearer_m):
    people, depth = seen((0.0, 0.1, 3.0))
    x0, y0, x1, y1 = torso_box(people)
    depth[int(y1 - covered * (y1 - y0)) :, x0 - 20 : x1 + 20] = 3.0 - nearer_m
    corrected = correct_distances(people, as_sensor(depth))
    assert corrected.distance_from_depth[0]
    assert corrected.position_m[0, 2] == pytest.approx(3.0, abs=TOLERANCE_M)


def test_invisible_joints_are_ignored(seen):
    """A table in front of more than half of the torso, where the network sees no joints."""
    people, depth = seen((0.0, 0.1, 3.0))
    x0, _, x1, _ = torso_box(people)
    chest = int(people.joints_px[0, 6, 1])  # spine2
    depth[chest:, x0 - 20 : x1 + 20] = 2.7
    people.joint_confidence[0, [0, 1, 2, 3]] = 0.02
    corrected = correct_distances(people, as_sensor(depth))
    assert corrected.distance_from_depth[0]
    assert corrected.position_m[0, 2] == pytest.approx(3.0, abs=TOLERANCE_M)


def test_people_in_front_of_each_other_keep_their_own_distances(seen):
    true = np.array([[0.0, 0.1, 2.6], [0.27, 0.1, 3.4], [-0.4, 0.1, 4.4]])
    people, depth = seen(*true)
    corrected = correct_distances(people, as_sensor(depth))
    assert corrected.distance_from_depth.all()
    np.testing.assert_allclose(corrected.position_m[:, 2], true[:, 2], atol=TOLERANCE_M)


def test_occluded_people_are_not_measured(seen):
    people, depth = seen((0.0, 0.1, 2.0), (0.0, 0.1, 2.5))
    corrected = correct_distances(people, as_sensor(depth))
    assert corrected.distance_from_depth.tolist() == [True, False]
    np.testing.assert_array_equal(corrected.joints_m[1], people.joints_m[1])
    assert corrected.position_m[0, 2] == pytest.approx(2.0, abs=TOLERANCE_M)


@pytest.mark.parametrize("empty", [0.0, np.nan, np.inf, 0.5, WALL_M])
def test_without_plausible_pixels_nothing_changes(seen, empty):
    """No values, a lens cap at 0.5 m, or only the wall at 9 m."""
    people, depth = seen((0.0, 0.1, 3.0))
    corrected = correct_distances(people, DepthImage(np.full_like(depth, empty, "<f4"), 1.0))
    assert not corrected.distance_from_depth.any()
    np.testing.assert_array_equal(corrected.joints_m, people.joints_m)


@pytest.mark.parametrize("assumed", [True, False])
def test_an_assumed_focal_length_makes_more_distances_plausible(seen, assumed):
    """60 degrees assumed for a lens of 27: distances by size are 2.4 times too small."""
    people, depth = seen((0.1, 0.1, 3.0))
    camera = dataclasses.replace(CAMERA, focal_assumed=assumed)
    people = dataclasses.replace(people, camera=camera)
    far = np.where(depth < WALL_M, 2.4 * depth, 20.0)
    corrected = correct_distances(people, DepthImage(far, 1.0))
    assert corrected.distance_from_depth[0] == assumed
    if assumed:
        assert corrected.position_m[0, 2] == pytest.approx(2.4 * 3.0, abs=0.25)  # 2.8 x as thick


def test_a_person_outside_the_image_or_without_confident_joints_is_not_measured(seen):
    people, depth = seen((-6.0, 0.1, 3.0), (0.0, 0.1, 3.0))
    people.joint_confidence[1] = 0.01
    assert not correct_distances(people, as_sensor(depth)).distance_from_depth.any()


def test_a_depth_image_of_another_size_is_refused(seen, make_people):
    people, depth = seen((0.0, 0.1, 3.0))
    with pytest.raises(ValueError, match="depth image is 160x120, the image 320x240"):
        correct_distances(people, DepthImage(depth[::2, ::2], 1.0))
    nobody = make_people([], CAMERA)
    assert len(correct_distances(nobody, DepthImage(depth, 1.0))) == 0


def test_a_body_estimated_in_another_pose_is_positioned_to_a_decimetre(seen, make_people):
    """Rotated by 60 degrees about the vertical, with other arms: the surface differs from the
    estimate, but by less than a torso's thickness."""
    true = (0.3, 0.1, 3.2)
    people, depth = seen(true)
    turn = Rotation.from_rotvec([0, np.pi / 3, 0]).as_matrix()
    pelvis = people.position_m[0]
    people.vertices_m[0] = ((people.vertices_m[0] - pelvis) @ turn.T + pelvis).astype(np.float32)
    corrected = correct_distances(people, as_sensor(depth))
    assert corrected.distance_from_depth[0]
    assert corrected.position_m[0, 2] == pytest.approx(true[2], abs=0.1)
