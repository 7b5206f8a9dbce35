"""Shrunk images against shares of area, counted in float64."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from icl_mesh.area_average import shrink

#: Before and after, (width, height): by small fractions, by others, by whole numbers, one axis.
SIZES = [
    ((640, 480), (384, 288)),
    ((480, 640), (288, 384)),
    ((640, 480), (448, 336)),
    ((640, 480), (512, 384)),
    ((1280, 720), (384, 216)),
    ((100, 60), (40, 36)),
    ((848, 480), (384, 217)),
    ((333, 777), (219, 512)),
    ((640, 480), (320, 240)),
    ((100, 3), (60, 3)),
]


def shares(before: int, after: int) -> np.ndarray:
    """Of every old pixel in each new one [after, before]."""
    edges = np.arange(after + 1) * before / after
    start, end = np.arange(before), np.arange(before) + 1
    covered = np.minimum(end, edges[1:, None]) - np.maximum(start, edges[:-1, None])
    return covered.clip(min=0) * after / before


@pytest.mark.parametrize(("before", "after"), SIZES)
def test_every_pixel_is_the_mean_of_what_it_covers(before, after) -> None:
    """Noise, where a wrong pixel shows; in padded rows and into a part of a larger image."""
    generator = np.random.default_rng(0)
    padded = generator.integers(0, 256, (before[1], before[0] + 5, 3), dtype=np.uint8)
    image = padded[:, : before[0]]
    square = np.full((after[1] + 4, after[0] + 6, 3), 7, np.uint8)
    shrink(image, square[2:-2, 3:-3])
    across, down = (shares(*sides) for sides in zip(before, after, strict=True))
    expected = np.einsum("ih,jw,hwc->ijc", down, across, image, optimize=True)
    difference = np.abs(square[2:-2, 3:-3] - expected)
    assert difference.max() < 2.5
    assert difference.mean() < 0.5  # 0.25 where it is rounded once
    around = square.copy()
    around[2:-2, 3:-3] = 7
    assert (around == 7).all()


@pytest.mark.parametrize("level", [0, 1, 100, 254, 255])
def test_plain_colours_stay(level) -> None:
    target = np.empty((288, 384, 3), np.uint8)
    shrink(np.full((480, 640, 3), level, np.uint8), target)
    assert (target == level).all()


def test_no_drift_in_brightness() -> None:
    """Rounding falls on both sides: the mean of a picture stays, to a hundredth."""
    coarse = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (1280, 720), interpolation=cv2.INTER_CUBIC)
    target = np.empty((216, 384, 3), np.uint8)
    shrink(image, target)
    assert abs(target.mean() - image.mean()) < 0.01
