"""Repeated measurements in alternation, their median and spread."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Key = TypeVar("Key", bound=Hashable)
Samples = npt.NDArray[np.float64]

#: Runs once and returns times by part, ms.
Case = Callable[[], Mapping[str, float]]


@dataclass(frozen=True)
class Spread:
    """Median, 10th and 90th percentile of repeated measurements."""

    median: float
    p10: float
    p90: float

    @classmethod
    def of(cls, samples: npt.ArrayLike) -> Spread:
        """samples [R]: one value per repetition."""
        p10, median, p90 = np.percentile(np.asarray(samples, dtype=np.float64), [10, 50, 90])
        return cls(float(median), float(p10), float(p90))


#: Time after which a part of the benchmark stops repeating, on a slow or busy machine.
BUDGET_S = 75.0
LEAST_ROUNDS = 3


def interleaved(
    cases: Mapping[Key, Case],
    repetitions: int,
    warm_up: int = 2,
    seed: int = 0,
    budget_s: float = BUDGET_S,
) -> dict[Key, dict[str, Samples]]:
    """Run every case once per round, in random order.

    Slow phases of the machine and cache effects of the preceding case then affect all cases alike,
    and values of one round can be divided by each other. Returns the parts of each case
    [repetitions], without the warm_up rounds. After budget_s seconds no round starts once
    min(repetitions, LEAST_ROUNDS) are done. Raises ValueError for counts out of range.
    """
    if repetitions < 1 or warm_up < 0:
        raise ValueError(
            f"repetitions must be 1 or more and warm_up 0 or more, got {repetitions} and {warm_up}"
        )
    order, generator = list(cases), random.Random(seed)
    rounds: dict[Key, list[Mapping[str, float]]] = {key: [] for key in cases}
    least = warm_up + min(repetitions, LEAST_ROUNDS)
    start = time.perf_counter()
    for done in range(warm_up + repetitions):
        if done >= least and time.perf_counter() - start > budget_s:
            break
        generator.shuffle(order)
        for key in order:
            rounds[key].append(cases[key]())
    return {
        key: {
            part: np.array([measured[part] for measured in measurements[warm_up:]])
            for part in measurements[-1]
        }
        for key, measurements in rounds.items()
    }


def total(parts: Mapping[str, Samples]) -> Samples:
    """Sum of all parts, per round [R]."""
    return np.sum(list(parts.values()), axis=0)


def timed(function: Callable[[], object], part: str) -> Case:
    """A case of one part: the wall time of a call."""

    def case() -> Mapping[str, float]:
        watch = Stopwatch()
        function()
        watch.lap(part)
        return watch.times

    return case


class Stopwatch:
    """Adds the wall time since the last lap to a part, ms."""

    def __init__(self) -> None:
        self.times: dict[str, float] = {}
        self._start = time.perf_counter()

    def lap(self, part: str) -> None:
        now = time.perf_counter()
        self.times[part] = self.times.get(part, 0.0) + (now - self._start) * 1e3
        self._start = now
