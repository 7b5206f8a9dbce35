"""RGB images stored as BGR, as views without a copy."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt


def as_stored(image: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], bool]:
    """An image [H, W, 3] -> the image in its channel order in memory, and whether that is reversed.

    A reversed view such as `bgr[..., ::-1]` would be copied by OpenCV and torch.
    """
    is_reversed = image.strides[-1] < 0
    return (image[..., ::-1] if is_reversed else image), is_reversed
