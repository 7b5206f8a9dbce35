"""Compares the people of two engines or precisions on the same images, in millimetres."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from icl_mesh.people import People

#: Two detections match if their centres are within this share of the box's diagonal.
SAME_PERSON = 0.2


@dataclass(frozen=True)
class Accuracy:
    """Difference from the reference's people.

    people: number found by the reference; missing, added: people found by only one of both.
    joints_mm [M]: mean distance of the pelvis-relative joints of each matched person. positions_mm
    [M]: distance of the pelvises.
    """

    people: int
    missing: int
    added: int
    joints_mm: npt.NDArray[np.float64]
    positions_mm: npt.NDArray[np.float64]


def compare(
    estimate: Callable[[npt.NDArray[np.uint8]], People],
    reference: Callable[[npt.NDArray[np.uint8]], People],
    images: Iterable[npt.NDArray[np.uint8]],
) -> Accuracy:
    """Run both on RGB images [H, W, 3] and compare the people found."""
    people = missing = added = 0
    joints: list[npt.NDArray[np.float64]] = [np.zeros(0)]
    positions: list[npt.NDArray[np.float64]] = [np.zeros(0)]
    for image in images:
        wanted, found = reference(image), estimate(image)
        rows, columns = same_people(wanted, found)
        people += len(wanted)
        missing += len(wanted) - len(rows)
        added += len(found) - len(rows)
        change = found.joints_m[columns].astype(np.float64) - wanted.joints_m[rows]
        positions.append(np.linalg.norm(change[:, 0], axis=1) * 1e3)
        joints.append(np.linalg.norm(change - change[:, :1], axis=2).mean(axis=1) * 1e3)
    return Accuracy(people, missing, added, np.concatenate(joints), np.concatenate(positions))


def same_people(
    first: People, second: People
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Matched rows of both: one to one, by distance of the centres in the image."""
    distance = np.linalg.norm(first.center_px[:, None] - second.center_px, axis=2)
    diagonal = np.linalg.norm(first.bbox_px[:, 2:] - first.bbox_px[:, :2], axis=1)
    share = distance / np.maximum(diagonal, 1.0)[:, None]
    rows, columns = linear_sum_assignment(np.minimum(share, 1.0))
    near = share[rows, columns] <= SAME_PERSON
    return rows[near], columns[near]
