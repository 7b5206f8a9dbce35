"""Pictures whose keypoints the published network has found: made from whole numbers alone, so that
they are the same on every machine. test/data/thunder_keypoints.json holds what it found."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_SKIN, _SHIRT, _TROUSERS = (224, 172, 140), (40, 70, 160), (60, 50, 45)
#: Limbs of a figure: from (x, y) to (x, y), half the width, pixels from the picture's centre; RGB.
_LIMBS = (
    ((0, -76), (0, -72), 10, _SKIN),
    ((0, -62), (0, -56), 5, _SKIN),
    ((-12, -48), (12, -48), 7, _SHIRT),
    ((-8, -40), (-7, 0), 9, _SHIRT),
    ((8, -40), (7, 0), 9, _SHIRT),
    ((-18, -46), (-30, -18), 5, _SHIRT),
    ((-30, -18), (-34, 8), 4, _SKIN),
    ((18, -46), (34, -24), 5, _SHIRT),
    ((34, -24), (40, -52), 4, _SKIN),
    ((-8, 4), (-11, 42), 7, _TROUSERS),
    ((-11, 42), (-12, 80), 5, _TROUSERS),
    ((8, 4), (14, 42), 7, _TROUSERS),
    ((14, 42), (16, 80), 5, _TROUSERS),
)


def pictures() -> npt.NDArray[np.uint8]:
    """[5, 256, 256, 3], RGB: a figure, mirrored, off the middle and beside another; noise."""
    figure = _figure(0, 0)
    return np.stack(
        [
            _noise(0, figure),
            _noise(1, figure[:, ::-1]),
            _noise(2, _figure(40, -30)),
            _noise(3, _figure(-60, 10), _figure(50, 0)),
            _noise(4),
        ]
    )


def _figure(right: int, down: int) -> npt.NDArray[np.int64]:
    """A person of capsules [256, 256, 4]: colour and whether it is there."""
    y, x = np.mgrid[:256, :256] - 128
    drawn = np.zeros((256, 256, 4), np.int64)
    for (ax, ay), (bx, by), half, colour in _LIMBS:
        dx, dy, px, py = bx - ax, by - ay, x - right - ax, y - down - ay
        length = max(dx * dx + dy * dy, 1)
        along = np.clip(px * dx + py * dy, 0, length)
        # All times the squared length of the limb: no fractions.
        apart = (px * length - along * dx) ** 2 + (py * length - along * dy) ** 2
        inside = apart < (half * length) ** 2
        drawn[inside, :3], drawn[inside, 3] = colour, 1
    return drawn


def _noise(seed: int, *figures: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    random = np.random.Generator(np.random.PCG64(seed))
    sizes = (8, 32, 256)
    coarse = [random.integers(0, 80, (n, n, 3)) for n in sizes]
    picture = sum(
        np.repeat(np.repeat(one, 256 // n, 0), 256 // n, 1)
        for one, n in zip(coarse, sizes, strict=True)
    )
    for figure in figures:
        there = figure[..., 3:] > 0
        picture = np.where(there, figure[..., :3] + coarse[-1] // 8, picture)
    return np.clip(picture, 0, 255).astype(np.uint8)
