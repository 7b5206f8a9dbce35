"""Lens distortion and its inverse, in normalised image coordinates.

Normalised coordinates are (x / z, y / z) of a point in the camera optical frame; K transforms them
to pixels. Models, names and order of coefficients are those of OpenCV and of ROS's CameraInfo.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from icl_mesh.geometry.lens_names import known_lens
from icl_mesh.io.wording import shown

if TYPE_CHECKING:
    from icl_mesh import kernels

Array = npt.NDArray[np.float64]

#: Model -> allowed numbers of coefficients.
LENS_MODELS: dict[str, tuple[int, ...]] = {
    "plumb_bob": (4, 5),  # k1 k2 p1 p2 [k3]
    "rational_polynomial": (8, 12),  # k1 k2 p1 p2 k3 k4 k5 k6 [s1 s2 s3 s4]
    "equidistant": (4,),  # k1 k2 k3 k4 over the angle from the axis (Kannala, Brandt 2006)
}
#: The kernels' numbers of the models. A plumb_bob is a rational polynomial without a denominator.
_KERNEL_MODELS = {"plumb_bob": 1, "rational_polynomial": 1, "equidistant": 2}
_KERNEL_COEFFICIENTS = 12
#: Least slope of the distorted radius. Where a polynomial is not monotonic, points far outside the
#: image would be projected into it.
LEAST_SLOPE = 0.01
#: Largest angle from the axis for which normalised coordinates are used.
WIDEST_RAD = math.radians(89.0)
_TABLE_ROWS, _TABLE_DIRECTIONS = 4096, 16
_NEWTON_STEPS = 8
_STEP = 1e-6


@dataclass(frozen=True)
class Lens:
    """One lens: its model (a key of LENS_MODELS) and its coefficients.

    Inside ``valid_radius`` this is OpenCV's function. Outside it, where the fitted polynomial is
    meaningless, the distorted radius is proportional to the radius: every point has a finite
    projection in its own direction.
    """

    model: str
    coefficients: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.model not in LENS_MODELS:
            raise ValueError(
                f"lens model must be one of {', '.join(LENS_MODELS)}, got '{shown(self.model)}'"
            )
        numbers = tuple(float(c) for c in self.coefficients)
        object.__setattr__(self, "coefficients", numbers)
        counts = LENS_MODELS[self.model]
        if len(numbers) not in counts:
            tilted = ", of which the last two are a tilted sensor's" if len(numbers) == 14 else ""
            raise ValueError(
                f"lens model {self.model} has {' or '.join(map(str, counts))} coefficients, got "
                f"{len(numbers)}{tilted}"
            )
        if not all(map(math.isfinite, numbers)):
            raise ValueError(f"lens coefficients must be finite, got {list(numbers)}")

    @classmethod
    def from_calibration(cls, model: str, coefficients: Sequence[float]) -> Lens | None:
        """The lens of a calibration; None without distortion (no coefficients, or all zero).

        Accepts the names of drivers and tools (lens_names), and trailing zeros. Raises ValueError
        for an unknown model or number of coefficients.
        """
        name, numbers = known_lens(model, list(coefficients))
        return cls(name, tuple(numbers)) if numbers else None

    def distort(self, points: npt.ArrayLike) -> Array:
        """Normalised [..., 2] -> distorted normalised [..., 2]."""
        points = np.asarray(points, dtype=np.float64)
        radius = np.linalg.norm(points, axis=-1, keepdims=True)
        beyond = np.maximum(radius / self.valid_radius, 1.0)
        return self._polynomial(points / beyond) * beyond

    def undistort(self, points: npt.ArrayLike) -> Array:
        """The inverse of distort: [..., 2] -> [..., 2]. NaN stays NaN."""
        points = np.asarray(points, dtype=np.float64)
        radii, distorted = _radial_table(self)
        radius = np.linalg.norm(points, axis=-1, keepdims=True)
        beyond = np.maximum(radius / distorted[-1], 1.0)
        start = np.interp(radius / beyond, distorted, radii) * beyond
        guess = points * start / np.maximum(radius, 1e-12)
        for _ in range(_NEWTON_STEPS):
            step = np.linalg.solve(self._jacobian(guess), (points - self.distort(guess))[..., None])
            guess = guess + step.squeeze(-1)
        return guess

    @property
    def valid_radius(self) -> float:
        """Normalised radius up to which distortion is monotonic, at most tan(89 degrees)."""
        return float(_radial_table(self)[0][-1])

    @property
    def radial_table(self) -> tuple[Array, Array]:
        """Radii [M] up to valid_radius, and their distorted radii [M], the mean over directions."""
        return _radial_table(self)

    @cached_property
    def kernel(self) -> kernels.Lens:
        """This lens as the kernels read it."""
        from icl_mesh import kernels  # a calibration is read without them

        coefficients = np.zeros(_KERNEL_COEFFICIENTS)
        coefficients[: len(self.coefficients)] = self.coefficients
        radii, distorted = map(np.ascontiguousarray, self.radial_table)
        return kernels.Lens(
            model=_KERNEL_MODELS[self.model],
            coefficients=coefficients,
            valid_radius=self.valid_radius,
            radii=radii,
            distorted=distorted,
        )

    def __reduce__(self) -> tuple[type[Lens], tuple[str, tuple[float, ...]]]:
        """Copies and pickles leave the kernels' form out, which cannot be pickled."""
        return Lens, (self.model, self.coefficients)

    def _radial_factor(self, squared: Array) -> Array:
        k = self.coefficients
        if self.model == "equidistant":
            radius = np.sqrt(squared)
            angle = np.arctan(radius)
            a2 = angle**2
            bent = angle * (1 + a2 * (k[0] + a2 * (k[1] + a2 * (k[2] + a2 * k[3]))))
            return np.asarray(
                np.where(radius > 1e-8, bent / np.maximum(radius, 1e-8), 1.0), dtype=np.float64
            )
        third = k[4] if len(k) > 4 else 0.0
        factor = 1 + squared * (k[0] + squared * (k[1] + squared * third))
        if self.model == "rational_polynomial":
            factor = factor / (1 + squared * (k[5] + squared * (k[6] + squared * k[7])))
        return np.asarray(factor, dtype=np.float64)

    def _polynomial(self, points: Array) -> Array:
        """OpenCV's distortion (calib3d, "Detailed description"), which may not be monotonic."""
        squared = (points**2).sum(axis=-1)
        bent = points * self._radial_factor(squared)[..., None]
        if self.model == "equidistant":
            return bent
        x, y = points[..., 0], points[..., 1]
        p1, p2 = self.coefficients[2:4]
        dx = 2 * p1 * x * y + p2 * (squared + 2 * x**2)
        dy = p1 * (squared + 2 * y**2) + 2 * p2 * x * y
        if len(self.coefficients) == 12:  # thin prism
            s1, s2, s3, s4 = self.coefficients[8:]
            dx, dy = dx + squared * (s1 + s2 * squared), dy + squared * (s3 + s4 * squared)
        return np.asarray(bent + np.stack((dx, dy), axis=-1), dtype=np.float64)

    def _jacobian(self, points: Array) -> Array:
        """Jacobian of distort [..., 2 (output), 2 (input)], by central differences."""
        step = _STEP * np.maximum(1.0, np.linalg.norm(points, axis=-1))[..., None]
        columns = [
            (self.distort(points + step * axis) - self.distort(points - step * axis)) / (2 * step)
            for axis in np.eye(2)
        ]
        return np.stack(columns, axis=-1)


# Each CameraInfo message and image file brings its own Lens; equal ones share this table (10 ms).
@lru_cache(maxsize=64)
def _radial_table(lens: Lens) -> tuple[Array, Array]:
    """Radii up to the valid one, in equal steps of the angle, and their mean distorted radii."""
    angles = np.linspace(0, WIDEST_RAD, _TABLE_ROWS)
    azimuth = np.linspace(0, 2 * math.pi, _TABLE_DIRECTIONS, endpoint=False)
    outwards = np.stack((np.cos(azimuth), np.sin(azimuth)), axis=-1)
    radii = np.tan(angles)
    with np.errstate(all="ignore"):  # the polynomial may have poles
        bent = lens._polynomial(radii[:, None, None] * outwards)  # [rows, directions, 2]
        distorted = (bent * outwards).sum(axis=-1)
        # Without distortion a fisheye lens is linear in the angle, the others in the radius.
        argument = angles if lens.model == "equidistant" else radii
        slope = np.gradient(distorted, argument, axis=0).min(axis=1)
    good = slope > LEAST_SLOPE
    count = len(radii) if good.all() else max(int(good.argmin()) - 1, 2)
    return radii[:count], distorted[:count].mean(axis=1)
