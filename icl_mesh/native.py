"""Compiled kernels (src/*.cpp) for the small steps around the network.

Each does what a function of this package does with numpy, in a fraction of its time: on a few
hundred numbers per person, and after the network has emptied the caches, starting numpy's
operations takes longer than their work. Where the library was not built (an installation without a
compiler), or with ICL_MESH_NATIVE=0, numpy does it all; tests hold the two against each other.

The library knows nothing of Python: it is called by ctypes, which releases the interpreter's lock.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_LOG = logging.getLogger(__name__)

#: Of the functions' arguments: icl_version() of src/version.cpp.
VERSION = 2

POINTER, INT, FLOAT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float
#: Knows where a buffer begins in a fifth of the time that numpy takes to say so.
_first_byte: Callable[[Any], ctypes.c_byte] = ctypes.c_byte.from_buffer


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled kernels, or None: not built, built from other sources, or switched off."""
    if os.environ.get("ICL_MESH_NATIVE") == "0":
        return None
    for path in sorted(Path(__file__).parent.glob("_native*.so")):
        try:
            loaded = ctypes.CDLL(str(path))
            version = loaded.icl_version()
        except (OSError, AttributeError) as error:
            _LOG.warning("%s: cannot be loaded (%s); numpy does its work, slower", path, error)
            continue
        if version == VERSION:
            return loaded
        _LOG.warning(
            "%s: of version %d, this package needs %d: build it again; numpy does its work, slower",
            path,
            version,
            VERSION,
        )
    return None


def kernel(name: str, *arguments: Any) -> Callable[..., None] | None:
    """An exported function, by the types of its arguments; None without the library."""
    loaded = library()
    if loaded is None:
        return None
    functions = _functions(loaded)
    if (function := functions.get(name)) is None:
        function = loaded[name]  # an own object, with own types
        function.argtypes, function.restype = arguments, None
        functions[name] = function
    return function


@functools.cache
def _functions(_loaded: ctypes.CDLL) -> dict[str, Any]:
    """Those of this library that have been asked for, by name."""
    return {}


def address(array: npt.NDArray[Any], kind: type[np.generic] = np.float32) -> int:
    """Where an array's numbers lie; they must be of this type, in C order and aligned.

    The caller keeps the array alive during the call. Raises ValueError for another array.
    """
    if array.dtype != kind or not (array.flags.c_contiguous and array.flags.aligned):
        raise ValueError(
            f"a compiled kernel needs a contiguous array of {np.dtype(kind).name}, got "
            f"{array.dtype} {list(array.shape)} with strides {list(array.strides)}"
        )
    try:
        return ctypes.addressof(_first_byte(array))
    except (TypeError, ValueError):  # not to be written to, or empty: asked in a slower way
        return int(array.__array_interface__["data"][0])
