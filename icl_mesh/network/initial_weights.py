"""Copies published weights into parameters: all of them, or none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch


def copy_arrays(
    arrays: Mapping[str, npt.NDArray[Any]],
    targets: Mapping[str, torch.Tensor],
    path: str | Path,
    what: str,
) -> None:
    """Copy each array into the parameter of the same name; other arrays are ignored.

    what: names the expected weights in the error message. Raises ValueError, before anything is
    copied, where an array is missing, of another shape or type, or not finite.
    """
    faults = [
        fault for key, target in targets.items() if (fault := _fault(key, arrays.get(key), target))
    ]
    if faults:
        shown = "; ".join(faults[:3]) + ("; ..." if len(faults) > 3 else "")
        raise ValueError(f"{path} does not hold {what} ({len(faults)} faults: {shown})")
    with torch.no_grad():
        for key, target in targets.items():
            target.copy_(torch.tensor(arrays[key]))


def _fault(key: str, values: npt.NDArray[Any] | None, target: torch.Tensor) -> str | None:
    """Why these values cannot become the parameter, or None."""
    if values is None:
        return f"{key} is missing"
    if values.dtype.kind != "f":
        return f"{key} is {values.dtype}, not floating point"
    if values.shape != tuple(target.shape):
        return f"{key} is {values.shape}, not {tuple(target.shape)}"
    if not np.isfinite(values).all():
        return f"{key} is not finite"
    return None
