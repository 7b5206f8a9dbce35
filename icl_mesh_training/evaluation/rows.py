"""A row per person who must be found; figures over rows, and over bins of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Edges of the bins of the hidden share of a person, and of the share outside the image.
BINS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)


@dataclass
class Row:
    """A demanded person: hidden share, share outside the image, and errors if found; NaN where
    unknown. turned: 1 where the body faces the other way (see facing.turned_away), else 0."""

    hidden: float
    outside: float
    found: bool
    mpjpe: float = np.nan
    pa_mpjpe: float = np.nan
    pve: float = np.nan
    pck_3d: float = np.nan
    distance: float = np.nan
    turned: float = np.nan


def bins_of(rows: Sequence[Row], share: str) -> list[dict[str, Any]]:
    """Recall and errors by BINS of a share ("hidden" or "outside"); none where it is unknown."""
    bins = []
    for low, high in itertools.pairwise(BINS):
        values = ((row, getattr(row, share)) for row in rows)
        chosen = [row for row, value in values if low <= value < high or value == high == 1]
        if chosen:
            found = sum(row.found for row in chosen)
            bins.append(
                {
                    share: [low, high],
                    "people": len(chosen),
                    "recall": found / len(chosen),
                    **errors_of(chosen),
                }
            )
    return bins


def errors_of(rows: Sequence[Row]) -> dict[str, Any]:
    """Errors over found people; kinds without labels are left out."""
    found = [row for row in rows if row.found]
    result: dict[str, Any] = {}
    for name in ("mpjpe", "pa_mpjpe", "pve"):
        if len(values := _known(found, name)):
            result[f"{name}_mm"] = float(values.mean())
    if len(right := _known(found, "pck_3d")):
        missed = len(rows) - len(found)
        result["pck_3d"] = float(right.sum() / (len(right) + missed))
        result["pck_3d_found"] = float(right.mean())
    if len(distance := _known(found, "distance")):
        result["distance_error"] = float(np.median(distance))
    if len(turned := _known(found, "turned")):
        result["front_back"] = float(turned.mean())
    return result


def _known(rows: Sequence[Row], name: str) -> np.ndarray:
    values = np.array([getattr(row, name) for row in rows])
    return values[np.isfinite(values)]
