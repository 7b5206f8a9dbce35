"""Counts and durations of a node's work: over the last seconds, and since its activation."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass
class _Period:
    """The time between two summaries."""

    started: float
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    values: dict[str, list[float]] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Summary:
    """rates: counts per second over the window. recent: counts of the last period. totals: counts
    since the start. medians: of the window's values. error: the newest error of the last period.
    """

    rates: dict[str, float]
    recent: Counter[str]
    totals: Counter[str]
    medians: dict[str, float]
    error: str


class Statistics:
    """Counts events by name. Thread-safe.

    Each summary ends a period. Rates and medians cover the last `window` periods: over one period
    of a second, a rate of a few Hz would jump between whole numbers.
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
        """Add values by name; the summary holds their medians."""
        with self._lock:
            for name, value in values.items():
                self._period.values.setdefault(name, []).append(value)

    def error(self, text: str) -> None:
        """Count a failed frame. text: why it failed."""
        self.count("failed")
        with self._lock:
            self._period.error = text

    def summary(self) -> Summary:
        """End the period and summarise."""
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
