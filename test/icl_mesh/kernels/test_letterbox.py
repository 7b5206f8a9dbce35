"""The compiled letterbox, and that of GPUs, against weights counted in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.letterbox import PAD_VALUE, Letterbox
from icl_mesh.geometry.view import View
from icl_mesh.preprocess.device import preprocess_on_device
from icl_mesh.preprocess.host import image_size, preprocess

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])

#: Image width and height, and the square's size.
SIZES = [
    (640, 480, 384),  # 5 to 3
    (480, 640, 384),
    (640, 480, 448),
    (1280, 720, 384),  # 10 to 3
    (848, 480, 384),  # no small fraction
    (333, 777, 512),
    (101, 67, 96),  # barely smaller
    (640, 480, 320),  # 2 to 1
    (960, 600, 192),  # 5 to 1
    (500, 370, 64),  # 8 to 1 and no whole number
    (1000, 998, 1),  # everything into one pixel, more rows than 16 bits can sum
    (2, 1200, 3),
    (384, 384, 384),
    (384, 216, 384),
    (384, 1, 384),
    (60, 45, 128),  # enlarged
    (45, 61, 64),
    (127, 3, 128),  # one axis as it is
    (1, 1, 1),
    (1, 1, 32),
    (1, 2, 32),
    (3, 2, 2),
    (1, 900, 64),  # thin: one pixel stays one
    (900, 1, 64),
    (1001, 97, 63),
]


def weights(before: int, after: int) -> np.ndarray:
    """Weight of every old pixel in each new one [after, before]."""
    if after <= before:
        edges = np.arange(after + 1) * before / after
        start, end = np.arange(before), np.arange(before) + 1
        covered = np.minimum(end, edges[1:, None]) - np.maximum(start, edges[:-1, None])
        return covered.clip(min=0) * after / before
    # A tent around each new pixel's centre, which stays within the old ones' centres.
    centres = ((np.arange(after) + 0.5) * before / after - 0.5).clip(0, before - 1)
    return (1 - np.abs(centres[:, None] - np.arange(before))).clip(min=0)


def expected_input(image: np.ndarray, size: int) -> np.ndarray:
    """[3, size, size] in float64: weights, then padding, then torchvision's normalisation."""
    letterbox = Letterbox(image.shape[1], image.shape[0], size)
    (width, height), (x, y) = letterbox.inner_size, letterbox.offset
    down, across = weights(image.shape[0], height), weights(image.shape[1], width)
    square = np.tile(np.array(PAD_VALUE, np.float64), (size, size, 1))
    square[y : y + height, x : x + width] = np.einsum(
        "ih,jw,hwc->ijc", down, across, image.astype(np.float64), optimize=True
    )
    return ((square / 255 - MEAN) / STD).transpose(2, 0, 1)


def noise(width: int, height: int) -> np.ndarray:
    """RGB noise [height, width, 3]: any misplaced pixel changes the result."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def network_input(image: np.ndarray, size: int) -> torch.Tensor:
    """By the compiled kernel."""
    return preprocess(image, View.of(Camera.assumed(*image_size(image)), size))


@pytest.mark.parametrize(("width", "height", "size"), SIZES)
def test_every_number_is_the_mean_that_geometry_says(width, height, size) -> None:
    image = noise(width, height)
    found = network_input(image, size)
    assert found.shape == (1, 3, size, size) and found.dtype == torch.float32
    assert found.is_contiguous()
    np.testing.assert_allclose(found[0].numpy(), expected_input(image, size), rtol=0, atol=1e-5)


def on_device(image: np.ndarray, size: int) -> torch.Tensor:
    """The letterbox of GPUs, run on the CPU."""
    return preprocess_on_device(image, View.of(Camera.assumed(*image_size(image)), size))


@pytest.mark.parametrize(("width", "height", "size"), SIZES)
def test_a_gpu_makes_the_same_means(width, height, size) -> None:
    image = noise(width, height)
    found = on_device(image, size)
    assert found.shape == (1, 3, size, size) and found.dtype == torch.float32
    assert found.is_contiguous()
    np.testing.assert_allclose(found[0].numpy(), expected_input(image, size), rtol=0, atol=1e-5)
    backwards = np.ascontiguousarray(image[..., ::-1])[..., ::-1]
    assert torch.equal(on_device(backwards, size), found)


@pytest.mark.parametrize(("width", "height", "size"), SIZES)
def test_views_are_read_where_they_lie(width, height, size) -> None:
    """BGR, padded rows, flipped, repeated: bitwise equal to the result of a copy."""
    stored = noise(width + 5, height)[:, :width]
    views = [stored, stored[..., ::-1], stored[::-1], stored[::-1, :, ::-1]]
    views += [np.broadcast_to(stored[:1], stored.shape)]
    for view in views:
        view.flags.writeable = False
        assert torch.equal(network_input(view, size), network_input(view.copy(order="C"), size))


def test_other_views_are_copied() -> None:
    """Views with pixels or channels that are not adjacent, which the kernel cannot read."""
    large = np.random.default_rng(0).integers(0, 256, (60, 160, 6), dtype=np.uint8)
    four = np.ascontiguousarray(large[..., :4])
    planar = np.ascontiguousarray(large[..., :3].transpose(2, 0, 1)).transpose(1, 2, 0)
    views = [large[:, ::2, :3], large[:, ::-1, 3:], large[..., ::2], large[..., ::-2], planar]
    views += [four[..., :3], four[..., 2::-1], four[..., 1:], large[..., :3].transpose(1, 0, 2)]
    for view in views:
        assert view.strides[1:] not in {(3, 1), (3, -1)}
        assert torch.equal(network_input(view, 48), network_input(view.copy(order="C"), 48))


def test_nothing_outside_of_the_image_counts() -> None:
    """A uniform region surrounded by noise stays uniform up to its edges."""
    for width, height, size in SIZES:
        around = noise(width + 2, height + 2)
        image = around[1:-1, 1:-1]
        image[:] = PAD_VALUE
        found = network_input(image, size)
        expected = (np.array(PAD_VALUE) / 255 - MEAN) / STD
        np.testing.assert_allclose(
            found[0].numpy(), np.broadcast_to(expected[:, None, None], found.shape[1:]), atol=5e-5
        )


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu"), torch.device("cpu", 0)])
def test_the_cpu_by_any_name(device) -> None:
    view = View.of(Camera.assumed(64, 48), 32, device)
    assert preprocess(noise(64, 48), view).shape == (1, 3, 32, 32)


def test_a_gpu_gets_the_image_as_it_came() -> None:
    """By preprocess itself, with a device that torch can calculate shapes on."""
    found = preprocess(noise(64, 48), View.of(Camera.assumed(64, 48), 32, "meta"))
    assert found.shape == (1, 3, 32, 32) and found.device.type == "meta"


def test_inputs_are_kept_apart() -> None:
    """The network may still read one input while the next is written."""
    first = network_input(noise(64, 48), 32)
    kept = first.clone()
    network_input(255 - noise(64, 48), 32)
    assert torch.equal(first, kept)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((48, 64, 3), np.float32), "image must be uint8 .* got float32"),
        (np.zeros((48, 64, 3), np.int8), "image must be uint8 .* got int8"),
        (np.zeros((48, 64), np.uint8), r"image must be RGB .* got \[48, 64\]"),
        (np.zeros((48, 64, 4), np.uint8), r"image must be RGB .* got \[48, 64, 4\]"),
        (np.zeros((48, 0, 3), np.uint8), "image is empty: its size is 0x48 pixels"),
        ([[[0, 0, 0]]], "image must be a numpy array .* got list"),
    ],
)
def test_bad_images_are_refused(bad, message) -> None:
    with pytest.raises(ValueError, match=message):
        preprocess(bad, View.of(Camera.assumed(64, 48), 32))


@pytest.mark.parametrize("size", [0, -1])
def test_bad_sizes_are_refused(size) -> None:
    with pytest.raises(ValueError, match=f"positive sizes, got image 64x48 and square {size}"):
        network_input(noise(64, 48), size)


def test_an_image_of_another_size_than_the_views_is_refused() -> None:
    view = View.of(Camera.assumed(48, 64), 32)
    with pytest.raises(ValueError, match="camera is for 48x64 images, the image is 64x48"):
        preprocess(noise(64, 48), view)
