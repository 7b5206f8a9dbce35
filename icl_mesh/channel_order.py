"""RGB images whose bytes lie as BGR: turned by a view instead of a copy."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt


def as_stored(image: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], bool]:
    """An image [H, W, 3] -> the same with its channels as they lie in memory, and whether that is
    backwards: as in `bgr[..., ::-1]`, which OpenCV and torch would have to copy."""
    backwards = image.strides[-1] < 0
    return (image[..., ::-1] if backwards else image), backwards
