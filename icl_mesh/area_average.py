"""Images shrunk by averaging areas: every new pixel is the mean of what it covers; no aliasing.

OpenCV's INTER_AREA is quick for whole numbers (2 pixels to 1) and slow for fractions (5 to 3), as
the sizes of cameras and networks mostly have them. Those are small enough to be written out: every
5 rows make 3, each of which is a sum of few rows, which OpenCV adds many pixels at a time.
"""

from __future__ import annotations

import functools
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

#: So many rows at most become fewer ones as sums written out.
MOST_ROWS = 16


def shrink(image: Image, target: Image) -> None:
    """Fill target [h, w, 3] with the image [H, W, 3], which is larger, or as large in one axis.

    As OpenCV's INTER_AREA but for rounding, by 2 of 255 at most; images from four times as large
    are halved first.
    """
    height, width = target.shape[:2]
    image = _halved(image, (width, height))
    down, across = Fraction(image.shape[0], height), Fraction(image.shape[1], width)
    if min(down.denominator, across.denominator) > 1 and (
        max(down.numerator, across.numerator) <= MOST_ROWS
    ):
        # Columns as rows: neighbours of other rows are added many at a time, those of one are not.
        columns = np.asarray(cv2.transpose(_fewer_rows(image, down)), dtype=np.uint8)
        cv2.transpose(_fewer_rows(columns, across), dst=target)
    else:
        cv2.resize(image, (width, height), dst=target, interpolation=cv2.INTER_AREA)


def _fewer_rows(image: Image, by: Fraction) -> Image:
    """Means of `by` rows each, more than 1; their number is a multiple of by's numerator."""
    before, after = by.numerator, by.denominator
    count = len(image) // before
    rows = image.reshape(count, before, -1)  # a view, also where rows are padded
    result = np.empty((count, after, rows.shape[2]), np.uint8)
    for row, shares in enumerate(_shares(by)):
        # A running mean stays a byte; the last one is written in place.
        covered, mean = 0, rows[:, shares[0][0]]
        for old, share in shares:
            covered += share
            if covered > share:
                target = result[:, row] if covered == before else None
                part = share / covered
                added = cv2.addWeighted(mean, 1 - part, rows[:, old], part, 0.0, dst=target)
                mean = np.asarray(added, dtype=np.uint8)
    return result.reshape(count * after, *image.shape[1:])


@functools.lru_cache(maxsize=16)
def _shares(by: Fraction) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Of each of by's denominator new rows: the old rows that it covers, and how much of each."""
    before, after = by.numerator, by.denominator
    return tuple(
        tuple(
            (old, min((new + 1) * before, (old + 1) * after) - max(new * before, old * after))
            for old in range(new * before // after, -(-(new + 1) * before // after))
        )
        for new in range(after)
    )


def _halved(image: Image, inner: tuple[int, int]) -> Image:
    """The image, halved while it stays twice as large as wanted with room to spare: OpenCV averages
    pixels two by two many times faster than by fractions, and what is left to do is small."""
    width, height = image.shape[1], image.shape[0]
    while width % 2 == height % 2 == 0 and width >= 4 * inner[0] and height >= 4 * inner[1]:
        width, height = width // 2, height // 2
        halved = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        image = np.asarray(halved, dtype=np.uint8)
    return image
