"""The factor between measured depth and distances by body size, over the people of many images.

The ratio of one person may be due to body size or occlusion. A factor that most people share is due
to the unit of the depth image, or the error of an assumed focal length.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
import numpy.typing as npt

from icl_mesh.geometry.camera import Camera

#: Least number of detections for a factor, and the number of latest detections that are used.
LEAST, MOST = 20, 100
#: Largest factor between the quartiles: a wider spread is not due to the unit.
SPREAD = 1.5
#: Least factor that is reported; adults differ by a quarter, and children more.
FAR = 1.5


class DepthFactor:
    """Collects the ratios of people, and estimates their common factor."""

    def __init__(self) -> None:
        self._logarithms: deque[float] = deque(maxlen=MOST)

    def add(self, ratios: npt.NDArray[np.float64]) -> None:
        """ratios [N]: measured distance over distance by size of each person; NaN: not measured."""
        self._logarithms.extend(np.log(ratios[ratios > 0]).tolist())

    @property
    def count(self) -> int:
        """Number of detections used."""
        return len(self._logarithms)

    @property
    def value(self) -> float | None:
        """The common factor; None for too few detections or too wide a spread."""
        if self.count < LEAST:
            return None
        low, median, high = np.quantile(self._logarithms, (0.25, 0.5, 0.75))
        return float(np.exp(median)) if high - low <= math.log(SPREAD) else None


def explanation(factor: float, camera: Camera, scale: float, option: str) -> str:
    """The likely cause of a factor between depth and distances by size, and the remedy.

    scale: the present factor on depth; option: the option that sets it.
    """
    unit = f"in another unit (set {option} to about {scale / factor:.2g})"
    if not camera.focal_assumed:
        return f"it is likely {unit}"
    focal = camera.fx * factor
    degrees = 2 * math.degrees(math.atan(0.5 * max(camera.width, camera.height) / focal))
    return (
        f"it is {unit}, or the assumed field of view is wrong (by this it is about {degrees:.0f} "
        "degrees; better, calibrate the camera)"
    )
