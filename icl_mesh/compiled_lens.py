"""A lens as the compiled kernels read it (src/lens.hpp)."""

from __future__ import annotations

import ctypes
import functools

import numpy as np

from icl_mesh.lens import Lens
from icl_mesh.native import INT, POINTER, address

#: LensModel of src/lens.hpp; a plumb_bob is a rational polynomial without a denominator.
_MODELS = {"plumb_bob": 1, "rational_polynomial": 1, "equidistant": 2}


class LensStructure(ctypes.Structure):
    """Lens of src/lens.hpp; all zero for a pinhole."""

    _fields_ = (
        ("model", INT),
        ("k", ctypes.c_double * 12),
        ("valid_radius", ctypes.c_double),
        ("radii", POINTER),
        ("distorted", POINTER),
        ("rows", INT),
    )


class CompiledLens:
    """The structure, and the table that it points to, for as long as this lives."""

    def __init__(self, lens: Lens | None) -> None:
        self.structure = LensStructure()
        if lens is not None:
            radii, distorted = self._kept = [np.ascontiguousarray(one) for one in lens.radial_table]
            self.structure = LensStructure(
                _MODELS[lens.model],
                lens.coefficients,
                lens.valid_radius,
                address(radii, np.float64),
                address(distorted, np.float64),
                len(radii),
            )
        self.address = ctypes.addressof(self.structure)


@functools.lru_cache(maxsize=16)
def compiled_lens(lens: Lens | None) -> CompiledLens:
    """Made once for each lens. A user keeps it: the cache may not."""
    return CompiledLens(lens)
