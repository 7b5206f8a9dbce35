"""A one-slot mailbox: whoever is late gets the newest frame, never a queue of old ones."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")

#: How fast the estimate of the period follows what is measured.
_RATE = 0.2
#: An interval so many times the period, or such a part of it, is another stream.
_ANOTHER = 3.0


class Mailbox(Generic[Item]):
    """Holds the latest item; putting a new one replaces an unread one. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds."""
        self._changed = threading.Condition()
        self._item: Item | None = None
        self._closed = False
        self._clock = clock
        self._put_s = self._period_s = math.nan  # of the last item; between items

    def put(self, item: Item) -> bool:
        """Leave an item. Returns whether an unread one was dropped for it."""
        with self._changed:
            now = self._clock()
            interval, self._put_s = now - self._put_s, now
            if self._period_s / _ANOTHER < interval < self._period_s * _ANOTHER:
                self._period_s += _RATE * (interval - self._period_s)
            else:
                self._period_s = interval
            dropped = self._item is not None
            self._item = item
            self._changed.notify()
        return dropped

    def take(self, patience_s: float = 0.0) -> Item | None:
        """Wait for an item and take it out. None: the mailbox is closed.

        patience_s: where the next item is due within this time, and sooner than the waiting one is
        old, that one is waited for.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._item is not None)
            old = self._item
            age_s = self._clock() - self._put_s
            due_s = self._period_s - age_s
            if 0 < due_s < min(patience_s, age_s):
                late_s = patience_s / 4  # periods vary; what does not come is not waited for
                self._changed.wait_for(
                    lambda: self._closed or self._item is not old, due_s + late_s
                )
            if self._closed:
                return None
            item, self._item = self._item, None
            return item

    def wait_closed(self, timeout_s: float) -> bool:
        """Sleep until the time is over or the mailbox is closed; returns whether it is closed."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed, timeout_s)

    def close(self) -> None:
        """Wake whoever waits; from now on take() returns None."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
