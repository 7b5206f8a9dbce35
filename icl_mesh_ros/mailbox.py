"""A one-slot mailbox: whoever is late gets the newest frame, never a queue of old ones."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """Holds the latest item; putting a new one replaces an unread one. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: Item | None = None
        self._closed = False

    def put(self, item: Item) -> bool:
        """Leave an item. Returns whether an unread one was dropped for it."""
        with self._changed:
            dropped = self._item is not None
            self._item = item
            self._changed.notify()
        return dropped

    def take(self) -> Item | None:
        """Wait for an item and take it out. None: the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._item is not None)
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
