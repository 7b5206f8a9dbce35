"""The one thread that owns the network. Callbacks only leave frames in its mailbox."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from icl_mesh_ros.failures import FailureLog
from icl_mesh_ros.mailbox import Mailbox

Item = TypeVar("Item")

#: Share of an item's work that may be spent waiting for a newer one. Images that are nearly as old
#: as a camera's period would make the oldest results: for a few results less, all are fresher.
PATIENCE = 0.25


class FrameWorker(Generic[Item]):
    """Runs ``work(item)`` on the newest item, over and over, in a thread of its own.

    work: may raise; the error goes to ``on_error`` and the next item is worked on.
    min_period_s: returns the least time between the starts of two works (0: no limit).
    """

    def __init__(
        self,
        work: Callable[[Item], None],
        on_error: Callable[[Exception], None],
        min_period_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.mailbox: Mailbox[Item] = Mailbox()
        self._work = work
        self._on_error = on_error
        self._min_period_s = min_period_s
        self._failures = FailureLog()
        # A daemon: an inference that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="frame-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> bool:
        """Stop after the item at work. Returns whether that ended in time."""
        self.mailbox.close()
        if self._thread.is_alive():  # it may never have been started
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _failed(self, error: Exception) -> None:
        try:
            self._on_error(error)
        except Exception as another:  # without this thread, no image would be worked on again
            self._failures(logging.getLogger(__name__), self._thread.name, another)

    def _run(self) -> None:
        took = 0.0
        while (item := self.mailbox.take(PATIENCE * took)) is not None:
            started = time.monotonic()
            try:
                self._work(item)
            except Exception as error:
                self._failed(error)
            took = time.monotonic() - started
            del item  # a full image: not held while waiting for the next one
            pause = started + self._min_period_s() - time.monotonic()
            if pause > 0 and self.mailbox.wait_closed(pause):
                return
