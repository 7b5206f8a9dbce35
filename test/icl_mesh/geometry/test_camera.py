"""Cameras: hand-computed projections, and OpenCV as reference."""

import cv2
import numpy as np
import pytest
import torch
from oracle_placement import root_from_weak_perspective

from icl_mesh.geometry.camera import (
    MIN_DEPTH_RATIO,
    Camera,
    SquareCamera,
    project_from_weak,
    weak_perspective_from_root,
)

CAMERA = Camera(600.0, 610.0, 330.0, 250.0, 640, 480)


def test_projection_is_opencvs() -> None:
    points = np.random.default_rng(0).uniform((-2, -2, 1), (2, 2, 9), (50, 3))
    expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), CAMERA.matrix, None)
    np.testing.assert_allclose(CAMERA.project(points), expected[:, 0], atol=1e-9)


def test_projection_by_hand() -> None:
    # 600 * 0.5 / 2 + 330 = 480; 610 * -0.2 / 2 + 250 = 189
    np.testing.assert_allclose(CAMERA.project([0.5, -0.2, 2.0]), [480.0, 189.0])


def test_no_image_of_points_behind_the_camera() -> None:
    assert np.isnan(CAMERA.project([[0.0, 0.0, -1.0], [0.0, 0.0, 0.0]])).all()


def test_bodies_project_as_points_do_while_in_front() -> None:
    points = np.random.default_rng(1).uniform((-1, -1, 2.5), (1, 1, 3.5), (4, 24, 3))
    np.testing.assert_allclose(
        CAMERA.project_bodies(points, points[:, 0, 2]), CAMERA.project(points), atol=1e-9
    )


def test_bodies_reaching_behind_the_camera_stay_finite_and_on_their_side() -> None:
    points = np.array([[[0.0, 0.0, 1.0], [0.3, 0.0, -0.4], [-0.3, 0.1, 0.0]]])
    px = CAMERA.project_bodies(points, [1.0])
    assert np.isfinite(px).all()
    # depth is held at 0.2 of the root's 1 m: 600 * 0.3 / 0.2 + 330
    np.testing.assert_allclose(px[0, 1], [1230.0, 250.0])
    assert px[0, 2, 0] < CAMERA.cx
    assert MIN_DEPTH_RATIO == 0.2


def test_contains_counts_whole_pixels() -> None:
    px = np.array([[-0.5, 0.0], [639.5, 479.5], [-0.6, 0.0], [0.0, 479.6]])
    assert CAMERA.contains(px).tolist() == [True, True, False, False]


@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640)])
def test_assumed_camera_spans_the_longer_side(width, height) -> None:
    camera = Camera.assumed(width, height, fov_deg=90.0)
    # 90 degrees: half the side at unit depth is the focal length itself
    assert camera.fx == camera.fy == pytest.approx(320.0)
    assert (camera.cx, camera.cy) == ((width - 1) / 2, (height - 1) / 2)
    assert camera.focal_assumed
    assert not CAMERA.focal_assumed


@pytest.mark.parametrize("values", [(0.0, 1.0), (-5.0, 1.0), (float("nan"), 1.0), (1.0, np.inf)])
def test_bad_intrinsics_are_refused(values) -> None:
    with pytest.raises(ValueError, match="finite intrinsics and positive focal lengths"):
        Camera(*values, 0.0, 0.0, 640, 480)


def test_bad_size_and_angle_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1x1, got 0x480"):
        Camera(1.0, 1.0, 0.0, 0.0, 0, 480)
    with pytest.raises(ValueError, match=r"fov_deg must lie in \[1, 179\], got 180"):
        Camera.assumed(640, 480, 180.0)


SQUARE = SquareCamera(fx=1.7, fy=1.9, px=0.1, py=-0.2)


def test_weak_perspective_by_hand() -> None:
    root = np.array([[1.0, 0.5, 4.0]])
    weak_camera = weak_perspective_from_root(root, SQUARE)
    np.testing.assert_allclose(
        weak_camera, [[np.sqrt(1.7 * 1.9) / 4, 0.1 + 1.7 / 4, -0.2 + 1.9 * 0.5 / 4]]
    )


def test_weak_perspective_and_back() -> None:
    root = np.random.default_rng(2).uniform((-3, -2, 0.5), (3, 2, 40), (100, 3))
    back = root_from_weak_perspective(weak_perspective_from_root(root, SQUARE), SQUARE)
    np.testing.assert_allclose(back, root, rtol=1e-12)


def test_projection_from_weak_is_the_pinhole_of_square_pixels() -> None:
    square = SquareCamera(fx=1.8, fy=1.8, px=0.1, py=-0.2)
    generator = np.random.default_rng(3)
    root = generator.uniform((-1, -1, 2), (1, 1, 5), (6, 3))
    offsets = generator.uniform(-0.8, 0.8, (6, 24, 3))
    points = root[:, None] + offsets
    expected = points[..., :2] / points[..., 2:] * 1.8 + (0.1, -0.2)
    projected = project_from_weak(
        torch.from_numpy(offsets),
        torch.from_numpy(weak_perspective_from_root(root, square)),
        torch.full((6,), 1 / square.focal, dtype=torch.float64),
        torch.tensor([[0.1, -0.2]], dtype=torch.float64).expand(6, 2),
    )
    np.testing.assert_allclose(projected, expected, atol=1e-12)


def test_projection_from_weak_without_focal_length_is_weak_perspective() -> None:
    points = torch.tensor([[[0.5, -0.5, 3.0]]])
    weak_camera = torch.tensor([[0.4, 0.1, 0.2]])
    projected = project_from_weak(points, weak_camera, torch.zeros(1), torch.zeros(1, 2))
    torch.testing.assert_close(projected, torch.tensor([[[0.3, 0.0]]]))
