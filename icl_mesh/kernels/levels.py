"""Selects the kernels' build by CPU level: x86-64-v4 (AVX-512), x86-64-v3 (AVX2), baseline."""

from __future__ import annotations

import importlib
import importlib.util
import os
from types import ModuleType

#: Environment variable that selects a level by name, for tests and measurements.
LEVEL_VARIABLE = "ICL_MESH_KERNELS"
HOW_TO_BUILD = (
    "build them in a checkout of icl_mesh_ros with scripts/setup, or install it anew with "
    "`pip install .` (both need a C++ compiler and CMake)"
)


def supported_levels() -> list[str]:
    """Levels that this CPU can run, the best one first. Raises ImportError as :func:`load`."""
    return [str(level) for level in load_level("baseline").supported_levels()]


def load() -> ModuleType:
    """The module of the best level for this CPU, or of LEVEL_VARIABLE.

    Raises ImportError, with the command that builds the kernels, if they do not load.
    """
    supported = supported_levels()
    if wanted := os.environ.get(LEVEL_VARIABLE):
        if wanted not in supported:
            raise ImportError(
                f"{LEVEL_VARIABLE}={wanted}: this CPU runs the levels {', '.join(supported)}"
            )
        return load_level(wanted)
    for level in supported:
        # A compiler without support for a level omits it (src/CMakeLists.txt).
        if importlib.util.find_spec(f"{__package__}._{level}") is not None:
            return load_level(level)
    return load_level("baseline")


def load_level(level: str) -> ModuleType:
    """The module of a level. Raises ImportError, with the command that builds the kernels."""
    try:
        return importlib.import_module(f"{__package__}._{level}")
    except ImportError as error:
        raise ImportError(
            f"the compiled kernels of icl_mesh do not load ({error}): {HOW_TO_BUILD}"
        ) from error
