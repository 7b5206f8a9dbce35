"""A budget of time for the second stage: those who need it most first, the others carry on.

For the images of one camera, one after the other. N people of the current image, K = 17 keypoints.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.int64]

#: People of two images are the same at most so far apart: distance of their squares' centres, and
#: difference of the logarithms of their sides, together, in sides.
GATE = 0.5
#: What a carried correction weighs after each image that does not refresh it.
DECAY = 0.8
#: A person who was never refined comes before all others; a move by a side counts as much as so
#: many images without refinement.
NEW, MOVE = 1e3, 20.0


class Corrections(NamedTuple):
    """What refinement last changed for M people: square [M, 3] in the image (centre, side, px);
    offset [M, K, 2] of keypoints from the first pose, in half extents; weight [M, K]; score [M];
    age [M], images since then."""

    square: Floats
    offset: Floats
    weight: Floats
    score: Floats
    age: Floats

    def at(self, rows: Indices) -> Corrections:
        """Those of some people, one image older."""
        square, offset, weight, score, age = (value[rows] for value in self)
        return Corrections(square, offset, DECAY * weight, score, age + 1)


class Budget:
    """Refines people of a camera's images as long as there is time.

    A person who is not refined now gets the correction of before, relative to the current first
    pose.
    """

    def __init__(self, budget_ms: float) -> None:
        """budget_ms: time for crops and keypoints per image; one person is refined at least."""
        self.budget_ms = budget_ms
        self._known: Corrections | None = None
        self._last: tuple[Indices, Indices] = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def order(self, squares: Floats, score: Floats) -> Indices:
        """People [N] by their need: squares [N, 3] as in Corrections. New ones first, then those
        that moved or were not refined for long."""
        need = NEW + score
        self._last = rows, known = self._matches(squares)
        if self._known is not None and len(rows):
            before = self._known.square[known]
            move = np.linalg.norm(squares[rows, :2] - before[:, :2], axis=1) / before[:, 2]
            need[rows] = self._known.age[known] + MOVE * move
        return np.argsort(-need, kind="stable")

    def parts(self, order: Indices) -> Iterator[Indices]:
        """One person after the other, while the next is expected to end in time."""
        start = time.perf_counter()
        for done in range(len(order)):
            passed = 1e3 * (time.perf_counter() - start)
            if done and passed * (done + 1) / done > self.budget_ms:
                return
            yield order[done : done + 1]

    def carried(self) -> tuple[Indices, Corrections] | None:
        """Of the people of the last order: those who were known, and their corrections."""
        rows, known = self._last
        return None if self._known is None else (rows, self._known.at(known))

    def remember(self, corrections: Corrections) -> None:
        """Keep these for the next image."""
        self._known = corrections

    def _matches(self, squares: Floats) -> tuple[Indices, Indices]:
        if self._known is None or not len(squares):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        known = self._known.square
        apart = np.linalg.norm(squares[:, None, :2] - known[None, :, :2], axis=2) / known[:, 2]
        cost = apart + np.abs(np.log(squares[:, None, 2] / known[None, :, 2]))
        rows, columns = linear_sum_assignment(np.minimum(cost, 10 * GATE))
        near = cost[rows, columns] < GATE
        return rows[near], columns[near]
