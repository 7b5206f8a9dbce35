"""Lens distortion against OpenCV, whose models ROS's calibrations use."""

from __future__ import annotations

import dataclasses
import json

import cv2
import numpy as np
import pytest

from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.lens import Lens

LENSES = {
    "webcam": (Lens("plumb_bob", (0.06, -0.17, 0.0012, -0.0007, 0.09)), 0.8),
    "wide": (Lens("plumb_bob", (-0.31, 0.11, 0.0008, -0.0011, -0.017)), 1.0),
    "four numbers": (Lens("plumb_bob", (-0.2, 0.04, 0.0, 0.001)), 0.9),
    "oak": (Lens("rational_polynomial", (8.1, 2.5, 3e-4, -1e-4, 0.1, 8.4, 5.2, 0.6)), 1.2),
    "thin prism": (
        Lens("rational_polynomial", (0.2, 0.1, 0, 1e-3, 0, 0.3, 0, 0, 1e-3, -2e-4, 5e-4, 1e-4)),
        1.0,
    ),
    "fisheye": (Lens("equidistant", (-0.021, 0.012, -0.0061, 0.0009)), 4.0),
}


def opencv_distort(lens: Lens, points: np.ndarray) -> np.ndarray:
    coefficients = np.array(lens.coefficients, dtype=float)
    if lens.model == "equidistant":
        return cv2.fisheye.distortPoints(points[None], np.eye(3), coefficients)[0]
    rays = np.column_stack((points, np.ones(len(points))))
    px, _ = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), np.eye(3), coefficients)
    return px[:, 0]


def opencv_undistort(lens: Lens, points: np.ndarray) -> np.ndarray:
    coefficients = np.array(lens.coefficients, dtype=float)
    if lens.model == "equidistant":
        return cv2.fisheye.undistortPoints(points[None], np.eye(3), coefficients)[0]
    return cv2.undistortPoints(points[:, None], np.eye(3), coefficients)[:, 0]


def points_within(lens: Lens, reach: float, count: int = 400) -> np.ndarray:
    points = np.random.default_rng(0).uniform(-reach, reach, (count, 2))
    assert reach * np.sqrt(2) < lens.valid_radius
    return points


@pytest.mark.parametrize("name", LENSES)
def test_distortion_is_opencvs(name):
    lens, reach = LENSES[name]
    points = points_within(lens, reach)
    np.testing.assert_allclose(lens.distort(points), opencv_distort(lens, points), atol=1e-12)
    np.testing.assert_array_equal(lens.distort([0.0, 0.0]), [0.0, 0.0])


@pytest.mark.parametrize("name", LENSES)
def test_the_compiled_lens_is_opencvs(name):
    """Forwards, and back from what OpenCV made."""
    lens, reach = LENSES[name]
    points = points_within(lens, reach)
    compiled, found = lens.kernel, np.empty_like(points)
    compiled.distort(points, found)
    np.testing.assert_allclose(found, opencv_distort(lens, points), atol=1e-12)
    compiled.undistort(opencv_distort(lens, points), found)
    np.testing.assert_allclose(found, points, atol=1e-9)


@pytest.mark.parametrize("name", LENSES)
def test_undistortion_inverts_opencvs_distortion(name):
    lens, reach = LENSES[name]
    points = points_within(lens, reach)
    np.testing.assert_allclose(lens.undistort(opencv_distort(lens, points)), points, atol=1e-10)


@pytest.mark.parametrize("name", LENSES)
def test_undistortion_is_opencvs_where_that_converges(name):
    """OpenCV stops after five rounds of fixed-point iteration: good near the axis only."""
    lens, reach = LENSES[name]
    bent = lens.distort(points_within(lens, 0.25 * reach))
    atol = 1e-6 if name in ("webcam", "four numbers", "thin prism", "fisheye") else 2e-3
    np.testing.assert_allclose(lens.undistort(bent), opencv_undistort(lens, bent), atol=atol)


@pytest.mark.parametrize("name", LENSES)
def test_points_outside_every_image_stay_outside(name):
    """OpenCV's polynomials are not monotonic far out; here direction and order are kept."""
    lens, _ = LENSES[name]
    radii = np.geomspace(0.01, 500, 300)
    for turn in np.linspace(0, 2 * np.pi, 9):
        outwards = np.array([np.cos(turn), np.sin(turn)])
        bent = lens.distort(radii[:, None] * outwards) @ outwards
        assert np.isfinite(bent).all()
        assert (np.diff(bent) > 0).all()
        back = lens.undistort(lens.distort(radii[:, None] * outwards))
        np.testing.assert_allclose(back, radii[:, None] * outwards, rtol=1e-6, atol=1e-9)


def test_a_fold_is_where_the_derivative_vanishes():
    # r (1 - 0.3 r^2) turns round at 1 - 0.9 r^2 = 0; slope 0.01 is reached a little before.
    lens = Lens("plumb_bob", (-0.3, 0.0, 0.0, 0.0))
    assert lens.valid_radius == pytest.approx(np.sqrt(0.99 / 0.9), abs=2e-3)


def test_lenses_that_cannot_be():
    with pytest.raises(ValueError, match=r"must be one of plumb_bob, rational.*got 'fish'"):
        Lens("fish", (0.1,))
    with pytest.raises(ValueError, match="plumb_bob has 4 or 5 coefficients, got 3"):
        Lens("plumb_bob", (0.1, 0.0, 0.0))
    with pytest.raises(ValueError, match="coefficients must be finite"):
        Lens("equidistant", (float("nan"), 0.0, 0.0, 0.0))


K5, K8 = [-0.31, 0.11, 8e-4, -1e-3, -0.017], [0.2, 0.1, 0.001, 0.002, 0.1, 0.3, 0.05, 0.01]
FISHEYE = [-0.021, 0.012, -0.0061, 0.0009]


@pytest.mark.parametrize(
    ("model", "numbers", "lens"),
    [
        *(
            (name, K5, ("plumb_bob", K5))
            for name in ("plumb_bob", "plumb-bob", "Plumb Bob", "PLUMB_BOB", "plumbbob", "", " ")
            + ("radtan", "RadTan", "radial-tangential", "Brown Conrady", "brown_conrady")
            + ("pinhole-radtan", "opencv", "rational_polynomial")
        ),
        *(
            (name, FISHEYE, ("equidistant", FISHEYE))
            for name in ("equidistant", "fisheye", "KANNALA_BRANDT", "kannala_brandt")
            + ("kannala_brandt4", "Kannala Brandt4", "kb4", "equi", "Fish-Eye")
        ),
        *(
            (name, K8, ("rational_polynomial", K8))
            for name in ("rational_polynomial", "plumb_bob", "Rational Polynomial", "radtan", "")
        ),
        ("radtan", [*K5[:4]], ("plumb_bob", K5[:4])),
        ("fisheye", [0.1, 0, 0, 0], ("equidistant", [0.1, 0, 0, 0])),
        ("kannala_brandt", [*FISHEYE, 0.0], ("equidistant", FISHEYE)),
        ("plumb_bob", [*K5, 0, 0, 0], ("rational_polynomial", [*K5, 0, 0, 0])),
        ("plumb_bob", [*K8, 1e-3, 0, 0, 2e-3], ("rational_polynomial", [*K8, 1e-3, 0, 0, 2e-3])),
        # OpenCV writes 14 numbers where the sensor might be tilted; most are not
        ("rational_polynomial", [*K8, *[0.0] * 6], ("rational_polynomial", [*K8, *[0.0] * 4])),
        ("plumb_bob", [0.0] * 5, None),
        ("equidistant", [0.0] * 4, None),  # as image_geometry has it
        ("inverse_brown_conrady", [0.0] * 5, None),
        ("none", [], None),
        ("Pinhole", [0.0], None),
        ("", [], None),
    ],
)
def test_names_and_coefficients_of_calibrations(model, numbers, lens):
    found = Lens.from_calibration(model, numbers)
    assert found == (lens and Lens(lens[0], tuple(lens[1])))


@pytest.mark.parametrize(
    ("model", "numbers", "said"),
    [
        ("double_sphere", [0.5, -0.2], "must be one of plumb_bob, .*, got 'double_sphere'"),
        ("double_sphere", [], "got 'double_sphere'"),  # its numbers may be elsewhere
        ("omni", [0.0] * 4, "got 'omni'"),
        ("pinhole", K5, "got 'pinhole'"),
        ("inverse_brown_conrady", K5, "got 'inverse_brown_conrady'"),
        ("x" * 5000, [], r"got 'x{30}\.\.\.\[4940 characters\]\.\.\.x{30}'$"),
        ("two\nlines", [], r"got 'two\\nlines'"),
        ("plumb_bob", [0.1] * 3, "plumb_bob has 4 or 5 coefficients, got 3"),
        ("kannala_brandt", [0.1] * 8, "equidistant has 4 coefficients, got 8"),
        ("rational_polynomial", [0.1] * 14, "8 or 12 coefficients, got 14, of which the last two"),
        ("plumb_bob", [float("nan")] * 5, "must be finite"),
    ],
)
def test_what_is_no_lens_is_named(model, numbers, said):
    with pytest.raises(ValueError, match=said):
        Lens.from_calibration(model, numbers)


CAMERA = Camera(600.0, 610.0, 330.0, 250.0, 640, 480, lens=LENSES["wide"][0])


def test_projection_through_a_lens_is_opencvs():
    points = np.random.default_rng(1).uniform((-0.7, -0.6, 1), (0.7, 0.6, 1.2), (50, 3))
    distortion = np.array(CAMERA.lens.coefficients)
    zero = np.zeros(3)
    expected, _ = cv2.projectPoints(points, zero, zero, CAMERA.matrix, distortion)
    np.testing.assert_allclose(CAMERA.project(points), expected[:, 0], atol=1e-9)
    bodies = CAMERA.project_bodies(points[None], points[:1, 2])
    np.testing.assert_allclose(bodies[0], expected[:, 0], atol=1e-9)
    straight, _ = cv2.projectPoints(points, zero, zero, CAMERA.matrix, None)
    np.testing.assert_allclose(CAMERA.undistort(expected[:, 0]), straight[:, 0], atol=1e-8)
    rays = points[:, :2] / points[:, 2:]
    np.testing.assert_allclose(CAMERA.rays(expected[:, 0]), rays, atol=1e-10)
    # A renderer without lenses, given the moved points, draws them at the same pixels.
    pinhole = dataclasses.replace(CAMERA, lens=None)
    moved = pinhole.project(CAMERA.pinhole_equivalent(points))
    np.testing.assert_allclose(moved, expected[:, 0], atol=1e-9)
    assert np.isnan(CAMERA.project([0.0, 0.1, -1.0])).all()


def test_a_region_of_binned_pixels_sees_the_same_rays():
    """By hand: pixel (u, v) of the result is the centre of 2 x 3 pixels of the sensor."""
    part = CAMERA.cropped(100, 60, 400, 300).binned(2, 3)
    assert (part.width, part.height) == (200, 100)
    for u, v in ((0, 0), (57, 33), (199, 99)):
        sensor = np.array([100 + 2 * u + 0.5, 60 + 3 * v + 1.0])
        np.testing.assert_allclose(part.rays([u, v]), CAMERA.rays(sensor), atol=1e-12)


def test_a_camera_survives_json():
    for camera in (CAMERA, dataclasses.replace(CAMERA, lens=None)):
        assert Camera.from_dict(json.loads(json.dumps(dataclasses.asdict(camera)))) == camera


def test_an_overlay_is_distorted_by_the_lens(make_people):
    rendering = pytest.importorskip("icl_mesh.rendering")
    from icl_mesh.rendering.overlay import draw_overlay

    people = make_people([[0.6, 0.0, 2.6]], CAMERA, vertices=True)
    black = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
    try:
        drawn = draw_overlay(black, people, labels=False)
    except rendering.RenderingUnavailableError as error:
        pytest.skip(str(error))
    rows, columns = np.nonzero(drawn.max(axis=2) > 30)
    flat = people.vertices_m.reshape(-1, 1, 3).astype(float)
    zero, distortion = np.zeros(3), np.array(CAMERA.lens.coefficients)
    px = cv2.projectPoints(flat, zero, zero, CAMERA.matrix, distortion)[0][:, 0]
    found = [columns.min(), rows.min(), columns.max(), rows.max()]
    expected = np.concatenate((px.min(axis=0), px.max(axis=0)))
    np.testing.assert_allclose(found, expected, atol=2.5)
    straight = cv2.projectPoints(flat, zero, zero, CAMERA.matrix, None)[0][:, 0]
    assert abs(straight[:, 0].max() - expected[2]) > 10
