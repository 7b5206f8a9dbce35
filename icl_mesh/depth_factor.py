"""The factor between measured depth and distances by body size, over the people of many images.

One person may be a child, or half hidden; a factor that most people share is the depth image's
unit, or an assumed focal length's error.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
import numpy.typing as npt

from icl_mesh.camera import Camera

#: So many people, counted in each image anew, tell a factor; and the last ones count.
LEAST, MOST = 20, 100
#: Half of them must agree to within this factor: else the scene disagrees, not the unit.
SPREAD = 1.5
#: From this factor on it is said: adults differ by a quarter, and a school class from them.
FAR = 1.5


class DepthFactor:
    """Collects each person's ratio, and knows the factor that they share."""

    def __init__(self) -> None:
        self._logarithms: deque[float] = deque(maxlen=MOST)

    def add(self, ratios: npt.NDArray[np.float64]) -> None:
        """ratios [N]: measured over judged distance of each person; NaN: not measured."""
        self._logarithms.extend(np.log(ratios[ratios > 0]).tolist())

    @property
    def count(self) -> int:
        """People that it is over."""
        return len(self._logarithms)

    @property
    def value(self) -> float | None:
        """None while there are too few people, or too different ones."""
        if self.count < LEAST:
            return None
        low, middle, high = np.quantile(self._logarithms, (0.25, 0.5, 0.75))
        return float(np.exp(middle)) if high - low <= math.log(SPREAD) else None


def explanation(factor: float, camera: Camera, scale: float, option: str) -> str:
    """What makes depth `factor` times the distances by size, and what to set.

    scale: what depth is multiplied by now, and option: what the user sets it with.
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
