"""A one-slot mailbox: a slow reader gets the newest item, never a queue of old ones."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")

#: Weight of a new interval in the running mean of the period.
_RATE = 0.2
#: An interval longer than the period by this factor, or shorter, restarts the estimate.
_ANOTHER = 3.0


class Mailbox(Generic[Item]):
    """Holds the latest item; putting a new one replaces an unread one. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: returns seconds."""
        self._changed = threading.Condition()
        self._item: Item | None = None
        self._closed = False
        self._clock = clock
        self._put_s = self._period_s = math.nan  # of the last item; between items

    def put(self, item: Item) -> bool:
        """Store an item. Returns whether it replaced an unread one."""
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
        """Wait for an item and remove it. None: the mailbox is closed.

        patience_s: wait for the next item instead if it is due within this time, and within less
        time than the age of the stored item.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._item is not None)
            old = self._item
            age_s = self._clock() - self._put_s
            due_s = self._period_s - age_s
            if 0 < due_s < min(patience_s, age_s):
                late_s = patience_s / 4  # periods vary, but the wait must end
                self._changed.wait_for(
                    lambda: self._closed or self._item is not old, due_s + late_s
                )
            if self._closed:
                return None
            item, self._item = self._item, None
            return item

    def wait_closed(self, timeout_s: float) -> bool:
        """Sleep for timeout_s, or until the mailbox is closed. Returns whether it is closed."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed, timeout_s)

    def close(self) -> None:
        """Wake all waiting threads; from now on take() returns None."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
