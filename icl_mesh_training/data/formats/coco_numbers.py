"""Numbers of COCO files, which tools write as numbers, text, true and false."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from icl_mesh_training.errors import shown

#: Upper limit of an image's sides, px ...
LONGEST = 100_000
#: ... and of the coordinates of labels.
FARTHEST = 100 * LONGEST


def read_numbers(
    value: object, name: str, count: int, finite: bool = True
) -> npt.NDArray[np.float64]:
    """An array of count numbers. Raises ValueError for anything else."""
    try:
        numbers = np.asarray(value, np.float64).reshape(-1)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} are not numbers") from None
    if numbers.size != count:
        raise ValueError(f"{name} are {numbers.size} numbers, not {count}")
    if finite:
        check_px(numbers, name)
    return numbers


def check_px(numbers: npt.NDArray[np.float64], name: str) -> None:
    """Raises ValueError for numbers that are no pixel coordinates."""
    if (np.abs(numbers) <= FARTHEST).all():  # False for NaN
        return
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} hold NaN or infinite values")
    raise ValueError(f"{name} hold {np.abs(numbers).max():.3g}, which is no place in pixels")


def read_number(value: object, name: str) -> float:
    """One number. Raises ValueError for anything else."""
    if not isinstance(value, int | float | str):
        raise ValueError(f"{name} must be numbers, got {shown(value)}")
    return float(read_numbers(value, name, 1)[0])


def read_area(value: object) -> float | None:
    """An area above 0, None for anything else: areas are optional."""
    try:
        area = float(value) if isinstance(value, int | float | str) else 0.0
    except (ValueError, OverflowError):
        return None
    return area if 0 < area <= LONGEST**2 else None


def read_truth(value: object, name: str) -> bool:
    """A flag of 0 or 1, given as number, text or boolean; None is False."""
    text = str(value).strip().lower()
    if value is None or text in ("", "0", "0.0", "false", "no"):
        return False
    if text in ("1", "1.0", "true", "yes"):
        return True
    raise ValueError(f"{name} must be 0 or 1, got {shown(value)}")
