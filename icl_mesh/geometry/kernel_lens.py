"""A camera's lens as the kernels read it."""

from __future__ import annotations

import functools

import numpy as np

from icl_mesh import kernels
from icl_mesh.geometry.lens import Lens

#: A plumb_bob is a rational polynomial without a denominator.
_MODELS = {"plumb_bob": 1, "rational_polynomial": 1, "equidistant": 2}
_COEFFICIENTS = 12


@functools.lru_cache(maxsize=16)
def kernel_lens(lens: Lens | None) -> kernels.Lens | None:
    """Made once for each lens; None for a pinhole."""
    if lens is None:
        return None
    coefficients = np.zeros(_COEFFICIENTS)
    coefficients[: len(lens.coefficients)] = lens.coefficients
    radii, distorted = map(np.ascontiguousarray, lens.radial_table)
    return kernels.Lens(
        model=_MODELS[lens.model],
        coefficients=coefficients,
        valid_radius=lens.valid_radius,
        radii=radii,
        distorted=distorted,
    )
