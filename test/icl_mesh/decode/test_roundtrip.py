"""A person at a known position survives encoding to maps and decoding (issue: 1 cm and 1 degree).

Tested to 1 mm and 0.05 degrees: float32 is the only source of error.
"""

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from icl_mesh.estimator import Estimator
from icl_mesh.geometry.camera import Camera

CAMERAS = {
    "vga": Camera(580.0, 580.0, 319.5, 239.5, 640, 480),
    "portrait": Camera(580.0, 580.0, 239.5, 319.5, 480, 640),
    "full_hd": Camera(1400.0, 1390.0, 955.2, 531.7, 1920, 1080),
    "principal_point_far_off": Camera(700.0, 700.0, 150.0, 400.0, 640, 480),
    "principal_point_outside": Camera(700.0, 700.0, -80.0, 500.0, 640, 480),
    "pixels_not_square": Camera(500.0, 650.0, 300.0, 250.0, 640, 480),
    "odd_size": Camera(811.0, 799.0, 400.3, 166.1, 777, 333),
    "long_lens": Camera(4000.0, 4000.0, 639.5, 359.5, 1280, 720),
    "wide_strip": Camera(400.0, 400.0, 500.0, 50.0, 1001, 97),
    "small": Camera(60.0, 60.0, 39.5, 29.5, 80, 60),
    "square": Camera(512.0, 512.0, 255.5, 255.5, 512, 512),
}
# Shares of width and height: corners, edges and inside.
PLACES = np.array(
    [
        [0.0, 0.0],
        [1.0, 1.0],
        [0.0, 0.6],
        [0.98, 0.03],
        [0.5, 0.99],
        [0.45, 0.4],
        [0.75, 0.5],
    ]
)
DEPTHS = [1.8, 2.5, 4.0, 9.0, 3.1, 2.2, 15.0]


def estimate(truth, maps, size, body, plain_network, fixed_engine, image=None):
    engine = fixed_engine(maps)
    estimator = Estimator(plain_network, body, engine=engine, input_size=size)
    camera = truth.camera
    if image is None:
        image = np.zeros((camera.height, camera.width, 3), np.uint8)
    return estimator(image, camera, vertices=True), engine


def matched(people, truth):
    """Rows of people in the order of the truth, by distance of the pelvis."""
    distance = np.linalg.norm(people.position_m[None] - truth.pelvis[:, None], axis=2)
    rows = distance.argmin(axis=1)
    assert len(set(rows.tolist())) == len(truth.pelvis)
    return people.select(rows)


def assert_same(people, truth, cells=64):
    assert len(people) == len(truth.pelvis)
    people = matched(people, truth)
    assert np.abs(people.position_m - truth.pelvis).max() < 1e-3
    between = Rotation.from_matrix(people.rotations.reshape(-1, 3, 3)).inv() * Rotation.from_matrix(
        truth.rotations.reshape(-1, 3, 3)
    )
    assert np.rad2deg(between.magnitude()).max() < 0.05
    assert np.abs(people.betas - truth.betas).max() < 1e-5
    assert np.abs(people.vertices_m - truth.vertices).max() < 2e-3
    assert np.abs(people.joints_m - truth.joints).max() < 2e-3
    in_front = truth.joints[..., 2] > 0.3 * truth.pelvis[:, None, 2]
    error = np.abs(people.joints_px - truth.project(truth.joints))[in_front]
    assert in_front.mean() > 0.9
    assert error.max() < 0.001 * max(truth.camera.fx, truth.camera.width)
    # The reported centre is the centre of the pelvis' cell.
    camera = truth.camera
    cell_px = max(camera.width, camera.height) / cells
    off = np.abs(people.center_px - truth.project(truth.pelvis)) / cell_px
    assert off.max() < 0.51
    assert off.mean() > 0.1


@pytest.mark.parametrize("size", [256, 384, 512])
@pytest.mark.parametrize("name", CAMERAS)
def test_people_come_back(name, size, people_at, encode, body, plain_network, fixed_engine) -> None:
    camera = CAMERAS[name]
    last = np.array([camera.width - 1, camera.height - 1])
    truth = people_at(camera, PLACES * last, DEPTHS, seed=3)
    people, _ = estimate(truth, encode(truth, size), size, body, plain_network, fixed_engine)
    assert_same(people, truth, cells=size // 8)
    assert not people.camera.focal_assumed


def test_first_and_last_cells_of_a_square_image(
    people_at, encode, body, plain_network, fixed_engine
):
    truth = people_at(CAMERAS["square"], [[0, 0], [511, 0], [0, 511], [511, 511]], [2, 3, 4, 5])
    maps = encode(truth, 512)
    assert maps.center_heatmap[0, 0, [0, 0, 63, 63], [0, 63, 0, 63]].tolist() == [1, 1, 1, 1]
    people, _ = estimate(truth, maps, 512, body, plain_network, fixed_engine)
    assert_same(people, truth)


def test_translation_is_not_the_pelvis(
    people_at, encode, shifted_body, plain_network, fixed_engine
) -> None:
    """On a body whose pelvis is 24 cm from the origin, as SMPL's is."""
    truth = people_at(CAMERAS["vga"], [[200.0, 300.0]], [3.0], body=shifted_body)
    people, _ = estimate(truth, encode(truth, 512), 512, shifted_body, plain_network, fixed_engine)
    assert_same(people, truth)
    unplaced = shifted_body.joints(
        torch.from_numpy(people.betas), torch.from_numpy(people.rotations)
    ).numpy()
    assert np.linalg.norm(unplaced[0, 0]) > 0.2
    np.testing.assert_allclose(people.joints_m, unplaced + people.translation_m[:, None], atol=1e-5)


def test_distance_grows_with_the_focal_length(people_at, encode, body, plain_network, fixed_engine):
    """The same maps seen through twice the focal length are twice as far, and as wide."""
    near = CAMERAS["vga"]
    truth = people_at(near, [[200.0, 300.0]], [3.0])
    maps = encode(truth, 512)
    far = Camera(2 * near.fx, 2 * near.fy, near.cx, near.cy, near.width, near.height)
    estimator = Estimator(plain_network, body, engine=fixed_engine(maps))
    image = np.zeros((480, 640, 3), np.uint8)
    first, second = estimator(image, near), estimator(image, far)
    expected = first.position_m * (1, 1, 2)  # x = (u - cx) z / f: unchanged
    np.testing.assert_allclose(second.position_m, expected, rtol=1e-5)


def test_assumed_focal_length_is_marked(
    people_at, encode, body, plain_network, fixed_engine
) -> None:
    camera = Camera.assumed(640, 480, fov_deg=60)
    truth = people_at(camera, [[300.0, 200.0]], [3.0])
    estimator = Estimator(plain_network, body, engine=fixed_engine(encode(truth, 512)))
    people = estimator(np.zeros((480, 640, 3), np.uint8))
    assert people.camera.focal_assumed
    assert_same(estimator(np.zeros((480, 640, 3), np.uint8), camera, vertices=True), truth)


@pytest.mark.parametrize("name", ["vga", "portrait", "full_hd", "odd_size", "pixels_not_square"])
def test_the_network_sees_the_person_where_the_maps_say(
    name, people_at, encode, body, plain_network, fixed_engine
):
    """Rendered: the silhouette in the network's input bounds the projected mesh to a pixel."""
    camera = CAMERAS[name]
    truth = people_at(camera, [[0.55 * camera.width, 0.45 * camera.height]], [6.0], seed=1)
    px = truth.project(truth.vertices)[0]
    image = np.zeros((camera.height, camera.width, 3), np.uint8)
    shift = 4  # fixed-point bits: OpenCV draws to 1/16 pixel
    triangles = np.round(px[body.faces] * 2**shift).astype(np.int32)
    for triangle in triangles:
        cv2.fillConvexPoly(image, triangle, (255, 255, 255), shift=shift)
    people, engine = estimate(
        truth, encode(truth, 512), 512, body, plain_network, fixed_engine, image
    )
    assert_same(people, truth)

    bright = engine.images[0].amin(dim=0).numpy() > 0.5  # black and padding are about 0 or less
    rows, columns = np.nonzero(bright)
    measured = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    full = np.array([camera.width, camera.height])
    inner = np.round(full * 512 / full.max())
    edges = (px + 0.5) * inner / full + (512 - inner) // 2
    expected = np.concatenate((edges.min(axis=0), edges.max(axis=0)))
    np.testing.assert_allclose(measured, expected, atol=1.5)
    # and the box in the image, from the decoded mesh
    rows, columns = np.nonzero(image[..., 0])
    drawn = [columns.min(), rows.min(), columns.max(), rows.max()]
    np.testing.assert_allclose(people.bbox_px[0], drawn, atol=1.5)
