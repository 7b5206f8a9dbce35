"""What follows from a camera and the network's input size."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest
import torch

from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.lens import Lens
from icl_mesh.geometry.letterbox import Letterbox
from icl_mesh.geometry.view import View

LENS = Lens("plumb_bob", (-0.31, 0.11, 0.0008, -0.0011, -0.017))
CAMERA = Camera(600.0, 610.0, 330.0, 250.0, 640, 480, lens=LENS)


def test_a_letterbox_of_another_image_is_refused() -> None:
    with pytest.raises(ValueError, match="camera is for 640x480 images, the image is 320x240"):
        View(CAMERA, Letterbox(320, 240, 256), torch.device("cpu"))


def test_a_view_holds_the_camera_in_the_square() -> None:
    """By hand: 640 x 480 becomes 256 x 192, below 32 rows of padding."""
    view = View.of(CAMERA, 256)
    assert view.window == (256, 192, 0, 32)
    square = view.square
    assert (square.fx, square.fy) == pytest.approx((600 / 320, 610 / 320))
    assert (square.px, square.py) == pytest.approx((330.5 / 320 - 1, (250.5 + 80) / 320 - 1))
    assert view.geometry is view.geometry  # made once
    assert CAMERA.kernel_lens is CAMERA.kernel_lens is not None
    assert dataclasses.replace(CAMERA, lens=None).kernel_lens is None


def test_equal_cameras_have_equal_views() -> None:
    view, other = View.of(CAMERA, 256), View.of(copy.deepcopy(CAMERA), 256)
    assert view.geometry and view == other
    assert view != View.of(CAMERA, 512)
    assert view != View.of(dataclasses.replace(CAMERA, fx=601.0), 256)


def test_resampling_makes_means_in_the_window() -> None:
    rows, columns = View.of(Camera.assumed(8, 4), 4).resampling
    image = torch.arange(32.0).reshape(4, 8)
    means = image.reshape(2, 2, 4, 2).mean(dim=(1, 3))
    torch.testing.assert_close(rows @ image @ columns, means)


def test_a_lens_that_the_kernels_have_read_can_be_copied_and_pickled() -> None:
    camera, points = dataclasses.replace(CAMERA, lens=Lens(LENS.model, LENS.coefficients)), 0.3
    assert camera.kernel_lens is not None
    for copied in (copy.deepcopy(camera), pickle.loads(pickle.dumps(camera))):
        assert copied == camera
        found = np.full((1, 2), points)
        copied.kernel_lens.distort(np.full((1, 2), points), found)
        np.testing.assert_allclose(found[0], LENS.distort([points, points]), atol=1e-12)
