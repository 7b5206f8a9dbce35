"""Crops show the right pixels, go back to the image exactly, and are bounded wherever they lie."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest

from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.lens import Lens
from icl_mesh.preprocess.crops import cut_crops, square_around


@pytest.fixture
def ramp() -> np.ndarray:
    """Red is x, green is y: [200, 250, 3]."""
    y, x = np.mgrid[:200, :250]
    return np.stack((x, y, 0 * x + 9), axis=-1).astype(np.uint8)


@pytest.mark.parametrize(
    "square",
    [
        (125.0, 100.0, 180),  # grows
        (124.6, 99.7, 64),  # grows fourfold
        (100.5, 90.5, 256),  # reaches beyond the image at each side
        (-20.0, 100.0, 300),
        (240.0, 195.0, 90),
        (125.0, 100.0, 1100),  # shrinks
    ],
)
def test_a_crop_pixel_has_the_colour_of_its_place(ramp, square) -> None:
    crops = cut_crops(ramp, [square])
    v, u = np.mgrid[:256, :256]
    places = crops.px_from_crop(np.stack((u, v), axis=-1).reshape(1, -1, 2))[0]
    # Up to the last centres of what is both in the image and in the crop nothing is repeated.
    ends = crops.px_from_crop([[[-0.5, -0.5], [255.5, 255.5]]])[0]
    edge = 0.5 * np.maximum(crops.scale[0], 1)
    low, high = np.maximum(ends[0], -0.5) + edge, np.minimum(ends[1], [249.5, 199.5]) - edge
    inside = ((places >= low) & (places <= high)).all(-1)
    colours = crops.pixels[0].numpy().reshape(3, -1).T
    assert inside.sum() > 2000
    # A ramp of whole pixels is not straight: means over parts of pixels lie beside it.
    atol = 2e-3 if crops.scale.max() <= 1 else 0.08
    np.testing.assert_allclose(colours[inside, :2], places[inside], atol=atol)
    outside = ((places < -0.5) | (places > [249.5, 199.5])).any(-1)
    assert (colours[outside] == 0).all()
    np.testing.assert_allclose(colours[~outside, 2], 9, atol=1e-4)
    middle = crops.px_from_crop([[[127.5, 127.5]]])[0, 0]
    np.testing.assert_allclose(middle, square[:2], atol=0.5 + 0.5 * crops.scale.max())
    np.testing.assert_allclose(crops.crop_from_px(places[None])[0][0], [0, 0], atol=1e-9)


def test_shrinking_takes_the_mean_as_opencv_does() -> None:
    image = np.random.default_rng(0).integers(0, 256, (700, 600, 3), np.uint8)
    crops = cut_crops(image, [(299.5, 309.5, 512)])
    part = image[54:566, 44:556].astype(np.float32)
    wanted = cv2.resize(part, (256, 256), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(crops.pixels[0].permute(1, 2, 0), wanted, atol=1e-3)
    np.testing.assert_allclose(crops.px_from_crop([[[0, 0]]])[0, 0], [44.5, 54.5])


def test_views_are_read_as_they_are(ramp) -> None:
    squares = [(125, 100, 70), (0, 0, 99)]
    wanted = cut_crops(ramp, squares).pixels
    bgr = np.ascontiguousarray(ramp[..., ::-1])
    wide = np.zeros((200, 300, 4), np.uint8)
    wide[:, 20:270, :3] = ramp
    fortran = np.asfortranarray(ramp)
    for view in (bgr[..., ::-1], wide[:, 20:270, :3], fortran):
        assert (cut_crops(view, squares).pixels == wanted).all()
    mirrored = cut_crops(ramp[:, ::-1], [(124, 100, 70)]).pixels
    assert (mirrored - cut_crops(ramp, [(125, 100, 70)]).pixels.flip(-1)).abs().max() < 1e-3


def test_odd_squares_are_black_or_a_pixel_in_bounded_memory(ramp) -> None:
    odd = [
        (5000, 100, 60),  # outside
        (-1e300, 1e300, 1e-300),
        (125, 100, 1e300),  # the image is less than a pixel of it
        (3, 7, 0),
        (3, 7, -5),
        (249.4, 199.4, 1),
        (-30, 100, 61),  # one column
    ]
    tracemalloc.start()
    crops = cut_crops(ramp, odd)
    assert tracemalloc.get_traced_memory()[1] < 4e6 + crops.pixels.nbytes
    tracemalloc.stop()
    pixels = crops.pixels.numpy()
    assert np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 255
    assert np.isfinite(crops.scale).all() and (crops.scale > 0).all()
    assert np.isfinite(crops.offset).all()
    assert not pixels[:2].any()
    for row in (3, 4):
        assert (pixels[row].reshape(3, -1).T == [3, 7, 9]).all()
        np.testing.assert_allclose(crops.px_from_crop(np.full((7, 1, 2), 127.5))[row, 0], [3, 7])
    assert (pixels[5].reshape(3, -1).T == [249, 199, 9]).all()
    assert len(cut_crops(ramp, np.zeros((0, 3))).pixels) == 0
    one = cut_crops(np.full((1, 1, 3), 200, np.uint8), [(0, 0, 1), (0, 0, 3)]).pixels
    assert (one[0] == 200).all() and 0 < (one[1, 0] == 200).sum() < 256 * 256 / 8


def test_many_and_equal_people(ramp) -> None:
    crops = cut_crops(ramp, [(125, 100, 90)] * 64)
    assert crops.pixels.shape == (64, 3, 256, 256)
    assert (crops.pixels == crops.pixels[0]).all()


def test_bad_input_is_one_sentence(ramp) -> None:
    for squares in ([(1, 2)], [(1, 2, float("nan"))], (1, 2, 3)):
        with pytest.raises(ValueError, match=r"squares must be finite numbers \[N, 3\]"):
            cut_crops(ramp, squares)
    with pytest.raises(ValueError, match="image must be uint8"):
        cut_crops(ramp.astype(float), [(1, 2, 3)])


def test_a_square_around_points() -> None:
    nan = float("nan")
    rows = [[(10, 20), (30, 60), (nan, 1000)], [(nan, nan)] * 3, [(5, 5)] * 3]
    np.testing.assert_allclose(square_around(rows, 1.5), [(20, 40, 60), (0, 0, 1), (5, 5, 1)])
    assert square_around(np.zeros((0, 17, 2))).shape == (0, 3)


def test_through_a_lens_a_crop_leads_to_the_pinholes_pixels() -> None:
    """A dot that the lens moves is found where a pinhole sees it."""
    camera = Camera(300, 300, 320, 240, 640, 480, lens=Lens("equidistant", (0.1, 0.0, 0.0, 0.0)))
    point = np.array([[0.9, -0.5, 1.0]])
    seen = camera.project(point)[0]
    y, x = np.mgrid[:480, :640]
    dot = 255 * np.exp(-((x - seen[0]) ** 2 + (y - seen[1]) ** 2) / 8)
    image = np.repeat(dot.round().astype(np.uint8)[..., None], 3, axis=-1)
    crops = cut_crops(image, [(*(seen + [20, -30]), 100)])
    weights = crops.pixels[0, 0].numpy().astype(float)
    v, u = np.mgrid[:256, :256]
    middle = np.array([(weights * u).sum(), (weights * v).sum()]) / weights.sum()
    found = camera.undistort(crops.px_from_crop(middle[None, None]))[0, 0]
    ray = point[0, :2] * 300 + [320, 240]
    np.testing.assert_allclose(found, ray, atol=0.1)
    assert np.linalg.norm(ray - seen) > 20
