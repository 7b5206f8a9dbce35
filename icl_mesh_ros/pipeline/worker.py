"""The thread that runs the network. Callbacks only store frames in its mailbox."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from icl_mesh_ros.logging.failures import FailureLog
from icl_mesh_ros.pipeline.mailbox import Mailbox

Item = TypeVar("Item")

#: Longest wait for a newer item, as a fraction of the last item's processing time. An image that is
#: nearly one camera period old would give a late result: waiting for the next one costs a few
#: results, but all of them are fresher.
PATIENCE = 0.25


class FrameWorker(Generic[Item]):
    """Runs ``work(item)`` on the newest item, repeatedly, in its own thread.

    on_error: gets the exceptions of work; the worker then continues with the next item.
    min_period_s: returns the smallest time between the starts of two calls (0: no limit).
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
        # A daemon thread: an inference that hangs must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="frame-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> bool:
        """Stop after the current item. Returns whether the thread ended in time."""
        self.mailbox.close()
        if self._thread.is_alive():  # join() raises for a thread that was never started
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _failed(self, error: Exception) -> None:
        try:
            self._on_error(error)
        except Exception as another:  # must not end the thread: no image would be processed
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
            del item  # free the image's memory before waiting for the next one
            pause = started + self._min_period_s() - time.monotonic()
            if pause > 0 and self.mailbox.wait_closed(pause):
                return
