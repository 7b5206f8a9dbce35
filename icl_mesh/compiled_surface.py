"""Surfaces in their places, and boxes around them, by a compiled function (src/surface.cpp,
src/placement.cpp) for the people of a compiled reader."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from icl_mesh import native
from icl_mesh.body import BodyModel
from icl_mesh.body.surface_tables import SurfaceTables
from icl_mesh.decoding import MAX_PEOPLE

Floats = npt.NDArray[np.floating[Any]]


class _Tables(ctypes.Structure):
    """SurfaceTables of src/people.hpp."""

    _fields_ = (
        ("vertices", native.INT),
        *((name, native.POINTER) for name in SurfaceTables._fields),
    )


class Surface(ctypes.Structure):
    """Surface of src/people.hpp."""

    _fields_ = (
        ("tables", _Tables),
        ("index", native.POINTER),
        ("points", native.INT),
        ("placed", native.POINTER),
        ("boxes", native.POINTER),
    )


class CompiledSurface:
    """One surface of a body on the CPU: its mesh, or its outline."""

    def __init__(self, body: BodyModel, *, mesh: bool) -> None:
        """Raises ValueError without the compiled library."""
        call = native.kernel("icl_place_surfaces", native.POINTER, native.POINTER)
        if call is None:
            raise ValueError("the compiled kernels are not installed (icl_mesh.native)")
        self._call = call
        outline = body.outline_index.numpy()
        arrays: tuple[npt.NDArray[Any], ...] = SurfaceTables.of(body, None if mesh else outline)
        self._size = len(arrays[0])
        # A mesh's box is that of its outline: the same with meshes and without.
        self._kept = (*arrays, outline)
        tables = _Tables(self._size, *(native.address(one, one.dtype.type) for one in arrays))
        index = native.address(outline, np.int64) if mesh else None
        self._surface = Surface(tables, index, len(outline))
        self._is_mesh = mesh
        self._placed = np.empty((0, self._size, 3), np.float32)
        self._boxes = np.empty((MAX_PEOPLE, 4), np.float32)
        self._surface.boxes = native.address(self._boxes)

    def __call__(self, job: int, count: int) -> tuple[Floats, Floats]:
        """Vertices [N, V, 3], m, and boxes [N, 4], px, of the N people of a job at this address,
        which the reader has placed. A mesh is the caller's to keep; an outline, and the boxes, last
        until the next call."""
        if self._is_mesh or count > len(self._placed):
            self._placed = np.empty((count, self._size, 3), np.float32)
            self._surface.placed = native.address(self._placed)
        self._call(job, ctypes.addressof(self._surface))
        return self._placed[:count], self._boxes[:count]
