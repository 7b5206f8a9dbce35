"""What another engine or precision costs: people of both, on the same images, in millimetres."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from icl_mesh.people import People

#: Two detections are of one person where their centres lie this near, as a share of the box.
SAME_PERSON = 0.2


@dataclass(frozen=True)
class Accuracy:
    """How people differ from the reference's.

    people: how many the reference found; missing, added: people that only one of both found.
    joints_mm [M]: of each person found by both, the mean distance of the joints, measured from
    the pelvis. places_mm [M]: the distance of the pelvises.
    """

    people: int
    missing: int
    added: int
    joints_mm: npt.NDArray[np.float64]
    places_mm: npt.NDArray[np.float64]


def compare(
    estimate: Callable[[npt.NDArray[np.uint8]], People],
    reference: Callable[[npt.NDArray[np.uint8]], People],
    images: Iterable[npt.NDArray[np.uint8]],
) -> Accuracy:
    """Run both over RGB images [H, W, 3] and compare whom they find."""
    people = missing = added = 0
    joints: list[npt.NDArray[np.float64]] = [np.zeros(0)]
    places: list[npt.NDArray[np.float64]] = [np.zeros(0)]
    for image in images:
        wanted, found = reference(image), estimate(image)
        rows, columns = same_people(wanted, found)
        people += len(wanted)
        missing += len(wanted) - len(rows)
        added += len(found) - len(rows)
        change = found.joints_m[columns].astype(np.float64) - wanted.joints_m[rows]
        places.append(np.linalg.norm(change[:, 0], axis=1) * 1e3)
        joints.append(np.linalg.norm(change - change[:, :1], axis=2).mean(axis=1) * 1e3)
    return Accuracy(people, missing, added, np.concatenate(joints), np.concatenate(places))


def same_people(
    first: People, second: People
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of both that are one person: nearest centres in the image, one to one."""
    distance = np.linalg.norm(first.center_px[:, None] - second.center_px, axis=2)
    diagonal = np.linalg.norm(first.bbox_px[:, 2:] - first.bbox_px[:, :2], axis=1)
    share = distance / np.maximum(diagonal, 1.0)[:, None]
    rows, columns = linear_sum_assignment(np.minimum(share, 1.0))
    near = share[rows, columns] <= SAME_PERSON
    return rows[near], columns[near]
