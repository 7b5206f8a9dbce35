"""Letterbox: exact inverse, and true for the pixels of the network's input."""

import cv2
import numpy as np
import pytest

from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.letterbox import PAD_VALUE, Letterbox
from icl_mesh.geometry.view import View
from icl_mesh.preprocess.host import image_size, preprocess

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
SIZES = [(640, 480), (480, 640), (1920, 1080), (333, 777), (512, 512), (1001, 97), (60, 45)]


def squared(image: np.ndarray, size: int) -> np.ndarray:
    """The network's input [size, size, 3], 0 to 255."""
    planes = preprocess(image, View.of(Camera.assumed(*image_size(image)), size))[0]
    planes = planes.numpy().transpose(1, 2, 0)
    return (planes * STD + MEAN) * 255


@pytest.mark.parametrize("size", [256, 384, 512])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_coordinates_and_back(width, height, size) -> None:
    box = Letterbox(width, height, size)
    px = np.random.default_rng(0).uniform(-50, 2000, (100, 2))
    np.testing.assert_allclose(box.px_from_square(box.square_from_px(px)), px, atol=1e-9)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_image_edges_are_the_inner_rectangles_edges(width, height) -> None:
    box = Letterbox(width, height, 512)
    low, high = box.square_from_px([[-0.5, -0.5], [width - 0.5, height - 0.5]])
    start = np.array(box.offset)
    np.testing.assert_allclose((low + 1) * 256, start, atol=1e-9)
    np.testing.assert_allclose((high + 1) * 256, start + box.inner_size, atol=1e-9)
    assert max(box.inner_size) == 512
    # centred to a pixel, and the longer side fills the square
    after = 512 - start - box.inner_size
    assert (np.abs(after - start) <= 1).all()


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_pixels_land_where_the_coordinates_say(width, height) -> None:
    """A bright block's centre of brightness, measured in the square."""
    box = Letterbox(width, height, 512)
    image = np.zeros((height, width, 3), dtype=np.uint8)
    side = max(4, min(width, height) // 6)
    x, y = round(0.6 * (width - side)), round(0.3 * (height - side))
    image[y : y + side, x : x + side] = 255
    square = squared(image, 512)[..., 0]
    left, top = box.offset
    square[:top], square[top + box.inner_size[1] :] = 0, 0
    square[:, :left], square[:, left + box.inner_size[0] :] = 0, 0
    rows, columns = np.mgrid[:512, :512]
    measured = np.array([(square * columns).sum(), (square * rows).sum()]) / square.sum()
    middle = [x + (side - 1) / 2, y + (side - 1) / 2]
    expected = (box.square_from_px(middle) + 1) * 256 - 0.5  # integer = centre of a square pixel
    np.testing.assert_allclose(measured, expected, atol=0.05)


def test_padding_and_untouched_pixels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (256, 512, 3), dtype=np.uint8)
    square = squared(image, 512)
    np.testing.assert_allclose(square[128:384], image, atol=1e-3)
    np.testing.assert_allclose(square[:128] - PAD_VALUE, 0, atol=1e-3)
    np.testing.assert_allclose(square[384:] - PAD_VALUE, 0, atol=1e-3)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_square_camera_projects_like_the_camera(width, height) -> None:
    camera = Camera(0.9 * width, 0.95 * width, 0.4 * width, 0.6 * height, width, height)
    box = Letterbox(width, height, 384)
    points = np.random.default_rng(1).uniform((-2, -2, 1), (2, 2, 9), (50, 3))
    square = box.camera(camera)
    projected = points[:, :2] / points[:, 2:] * (square.fx, square.fy) + (square.px, square.py)
    np.testing.assert_allclose(projected, box.square_from_px(camera.project(points)), atol=1e-9)


def test_other_sizes_are_refused() -> None:
    box = Letterbox(640, 480, 512)
    with pytest.raises(ValueError, match="camera is for 320x240 images, the image is 640x480"):
        box.camera(Camera.assumed(320, 240))
    with pytest.raises(ValueError, match="positive sizes, got image 0x480 and square 512"):
        Letterbox(0, 480, 512)


@pytest.mark.parametrize(("width", "height"), [*SIZES, (1920, 1080), (4096, 2160), (1281, 721)])
def test_images_are_resized_as_by_opencv(width, height) -> None:
    """Its means of areas and its interpolation, of floats: neither rounds to bytes."""
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    letterbox = Letterbox(width, height, 256)
    inner_width, inner_height = letterbox.inner_size
    x, y = letterbox.offset
    found = squared(image, 256)[y : y + inner_height, x : x + inner_width]
    grows = max(width, height) < 256
    way = cv2.INTER_LINEAR if grows else cv2.INTER_AREA
    expected = cv2.resize(image.astype(np.float32), letterbox.inner_size, interpolation=way)
    np.testing.assert_allclose(found, expected, atol=0.01)


@pytest.mark.parametrize("upright", [True, False])
def test_thin_images_shrink_along_their_length(upright) -> None:
    """Means of two, although one pixel across stays one: nothing is left out."""
    line = np.random.default_rng(0).integers(0, 256, (128, 1, 3), dtype=np.uint8)
    image = line if upright else line.transpose(1, 0, 2)
    square = squared(image, 64)
    found = square[:, 31] if upright else square[31]
    np.testing.assert_allclose(found, line.reshape(64, 2, 3).mean(1), atol=1e-3)
