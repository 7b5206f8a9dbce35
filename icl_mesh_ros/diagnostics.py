"""Counts of one node's work, and their summary as a diagnostic status."""

from __future__ import annotations

import threading
from collections import defaultdict

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue


class Statistics:
    """What happened since the last summary. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int] = defaultdict(int)
        self._values: dict[str, list[float]] = defaultdict(list)
        self._last_error = ""

    def count(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1

    def record(self, name: str, value: float) -> None:
        """A value of which the summary gives the median."""
        with self._lock:
            self._values[name].append(value)

    def error(self, text: str) -> None:
        with self._lock:
            self._counts["failed"] += 1
            self._last_error = text

    def summary(self, period_s: float, name: str, facts: dict[str, str]) -> DiagnosticStatus:
        """The status of the last period_s seconds; starts a new period.

        facts: fixed key-value pairs to add, such as the weights version.
        """
        with self._lock:
            counts, values, error = self._counts, self._values, self._last_error
            self._counts, self._values, self._last_error = defaultdict(int), defaultdict(list), ""
        received, done = counts["received"], counts["done"]
        if error:
            level, text = DiagnosticStatus.ERROR, error
        elif received == 0:
            level, text = DiagnosticStatus.WARN, "no images arrive"
        else:
            level, text = DiagnosticStatus.OK, f"{done / period_s:.1f} images/s"
        pairs = {
            "input rate (Hz)": f"{received / period_s:.2f}",
            "output rate (Hz)": f"{done / period_s:.2f}",
            "dropped images": str(counts["dropped"]),
            "failed images": str(counts["failed"]),
            **{f"{key}, median": f"{np.median(list_):.2f}" for key, list_ in values.items()},
            **facts,
        }
        status = DiagnosticStatus(level=level, name=name, message=text, hardware_id="")
        status.values = [KeyValue(key=key, value=value) for key, value in pairs.items()]
        return status
