"""Counts and times of a node's work over the last seconds, and since it became active."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass
class _Period:
    """Between two summaries."""

    started: float
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    values: dict[str, list[float]] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Summary:
    """rates: counts per second, over the window; recent: counts of the last period alone, and
    totals: since the start; medians: of the window's values; error: the last of the last period.
    """

    rates: dict[str, float]
    recent: Counter[str]
    totals: Counter[str]
    medians: dict[str, float]
    error: str


class Statistics:
    """What happened, counted by name. Thread-safe.

    One period ends with each summary; rates and medians are over the last `window` periods, so
    that a rate of a few Hz does not jump between whole numbers.
    """

    def __init__(self, window: int = 5, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._totals: Counter[str] = Counter()
        self._past: deque[_Period] = deque(maxlen=window)
        self._period = _Period(clock())

    def count(self, name: str, times: int = 1) -> None:
        with self._lock:
            self._period.counts[name] += times
            self._totals[name] += times

    def record(self, values: Mapping[str, float]) -> None:
        """Values by name, of which the summary gives the medians."""
        with self._lock:
            for name, value in values.items():
                self._period.values.setdefault(name, []).append(value)

    def error(self, text: str) -> None:
        """A frame that failed, and why."""
        self.count("failed")
        with self._lock:
            self._period.error = text

    def summary(self) -> Summary:
        """Ends the period."""
        with self._lock:
            now, period = self._clock(), self._period
            period.seconds = now - period.started
            self._period = _Period(now)
            self._past.append(period)
            past, totals = list(self._past), self._totals.copy()
        seconds = max(sum(one.seconds for one in past), 1e-9)
        counts = sum((one.counts for one in past), Counter())
        names = dict.fromkeys(name for one in past for name in one.values)
        gathered = {name: [v for one in past for v in one.values.get(name, [])] for name in names}
        return Summary(
            rates={name: count / seconds for name, count in counts.items()},
            recent=period.counts,
            totals=totals,
            medians={name: float(np.median(values)) for name, values in gathered.items()},
            error=period.error,
        )
