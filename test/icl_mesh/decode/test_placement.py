"""People seen through a distorting lens are placed at their true positions.

OpenCV projects the truth. A perfect network's (s, tx, ty) is the one whose body image is nearest to
the 24 true joints, found here by SciPy.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
import torch
from oracle_placement import place_bodies
from scipy.optimize import least_squares

from icl_mesh.estimator import Estimator
from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.lens import Lens
from icl_mesh.geometry.letterbox import Letterbox

SIZE = 512
CAMERAS = {
    "webcam": Camera(
        600, 600, 321, 238, 640, 480, lens=Lens("plumb_bob", (0.06, -0.17, 1e-3, -7e-4, 0.09))
    ),
    "wide": Camera(
        420, 425, 330, 250, 640, 480, lens=Lens("plumb_bob", (-0.31, 0.11, 8e-4, -1e-3, -0.017))
    ),
    "oak": Camera(
        800,
        800,
        640,
        360,
        1280,
        720,
        lens=Lens("rational_polynomial", (8.1, 2.5, 3e-4, -1e-4, 0.1, 8.4, 5.2, 0.6)),
    ),
    "fisheye": Camera(
        280, 280, 319.5, 239.5, 640, 480, lens=Lens("equidistant", (-0.02, 0.01, -0.006, 1e-3))
    ),
}
PLACES = np.array([[0.5, 0.5], [0.2, 0.45], [0.85, 0.55], [0.5, 0.25], [0.15, 0.75]])
DEPTHS = np.array([2.5, 3.0, 4.0, 5.0, 3.5])


def opencv_project(camera: Camera, points: np.ndarray) -> np.ndarray:
    flat = points.reshape(-1, 1, 3)
    zero, distortion = np.zeros(3), np.array(camera.lens.coefficients)
    if camera.lens.model == "equidistant":
        px, _ = cv2.fisheye.projectPoints(flat, zero, zero, camera.matrix, distortion)
    else:
        px, _ = cv2.projectPoints(flat, zero, zero, camera.matrix, distortion)
    return px.reshape(*points.shape[:-1], 2)


def best_weak_perspective(camera: Camera, pelvis: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(s, tx, ty) in the 512 square: pinhole perspective of scale s about (tx, ty), in the image
    of the lens, closest to the true joints."""
    full = np.array([camera.width, camera.height])
    unit = 2 * np.round(full * SIZE / full.max()) / full / SIZE

    def square(px: np.ndarray) -> np.ndarray:
        return (px - (full - 1) / 2) * unit  # the image is centred in the square

    joints = square(opencv_project(camera, pelvis + offsets))
    focal_xy = unit * [camera.fx, camera.fy]
    focal = np.sqrt(focal_xy.prod())
    center = square(np.array([camera.cx, camera.cy]))

    def error(guess: np.ndarray) -> np.ndarray:
        z0 = focal / np.exp(guess[0])
        root = np.array([*((guess[1:] - center) * z0 / focal_xy), z0])
        x, y, z = (root + offsets).T
        seen = center + focal_xy * np.stack((x / z, y / z), axis=1)
        return (seen - joints).ravel()

    root_px = square(opencv_project(camera, pelvis[None])[0])
    start = np.array([np.log(focal / pelvis[2]), *root_px])
    fit = least_squares(error, start, xtol=1e-15, ftol=1e-15, gtol=1e-15)
    return np.array([np.exp(fit.x[0]), *fit.x[1:]])


@pytest.fixture(params=CAMERAS)
def scene(request, people_at):
    """The camera, people in it, and the perfect network's weak perspective of each, [N, 3]."""
    camera = CAMERAS[request.param]
    px = PLACES * [camera.width - 1, camera.height - 1]
    truth = people_at(camera, px, DEPTHS, seed=5)
    rays = camera.rays(px)
    pelvis = np.column_stack((rays * DEPTHS[:, None], DEPTHS))
    truth = dataclasses.replace(truth, pelvis=pelvis)
    offsets = truth.joints - truth.joints[:, :1]
    weak_camera = [
        best_weak_perspective(camera, p, o) for p, o in zip(pelvis, offsets, strict=True)
    ]
    return camera, truth, np.array(weak_camera)


def test_people_come_back_through_the_lens(
    scene, encode, body, plain_network, fixed_engine
) -> None:
    camera, truth, weak_camera = scene
    maps = encode(truth, SIZE)
    # encode() has no lens: write the network's output to the right cells
    heat = torch.zeros_like(maps.center_heatmap)
    cells = np.floor((weak_camera[:, 1:] + 1) / 2 * (SIZE // 8)).astype(int)
    six = np.concatenate((truth.rotations[:, :22, :, 0], truth.rotations[:, :22, :, 1]), axis=2)
    for n, (x, y) in enumerate(cells):
        heat[0, 0, y, x] = 0.9 - 0.05 * n
        values = [np.log(weak_camera[n, 0]) / np.log(1.1), *weak_camera[n, 1:]]
        maps.camera[0, :, y, x] = torch.tensor(values)
        numbers = np.concatenate((six[n].ravel(), truth.betas[n]))
        maps.smpl[0, :, y, x] = torch.from_numpy(numbers).float()
    engine = fixed_engine(maps._replace(center_heatmap=heat))
    estimator = Estimator(plain_network, body, engine=engine, input_size=SIZE)
    image = np.zeros((camera.height, camera.width, 3), np.uint8)
    people = estimator(image, camera, vertices=True)
    assert len(people) == len(truth.pelvis)
    off = np.linalg.norm(people.position_m - truth.pelvis, axis=1)
    assert off.max() < 1e-4
    np.testing.assert_allclose(people.vertices_m, truth.vertices, atol=5e-3)
    # Pixels are those of the distorted image, as in OpenCV.
    np.testing.assert_allclose(people.joints_px, opencv_project(camera, truth.joints), atol=0.5)
    # Without the lens, the same maps place someone at least 2 cm off.
    blind = estimator(image, dataclasses.replace(camera, lens=None))
    assert np.linalg.norm(blind.position_m - truth.pelvis, axis=1).max() > 0.02


def test_an_undistorted_lens_changes_nothing(scene) -> None:
    camera, truth, weak_camera = scene
    letterbox = Letterbox(camera.width, camera.height, SIZE)
    offsets = truth.joints - truth.joints[:, :1]
    pinhole = dataclasses.replace(camera, lens=None)
    flat = dataclasses.replace(camera, lens=Lens("plumb_bob", (0.0, 0.0, 0.0, 0.0)))
    np.testing.assert_allclose(
        place_bodies(offsets, weak_camera, letterbox, flat),
        place_bodies(offsets, weak_camera, letterbox, pinhole),
        rtol=1e-6,
    )


def test_any_network_output_gets_a_finite_place_in_front(scene) -> None:
    camera, truth, _ = scene
    generator = np.random.default_rng(0)
    count = 300
    offsets = (truth.joints - truth.joints[:, :1])[generator.integers(0, len(truth.joints), count)]
    scale = 1.1 ** generator.uniform(-80, 80, count)
    weak_camera = np.column_stack((scale, generator.normal(0, 3, (count, 2))))
    root = place_bodies(offsets, weak_camera, Letterbox(camera.width, camera.height, SIZE), camera)
    assert np.isfinite(root).all()
    assert (root[:, 2] > 0).all()
