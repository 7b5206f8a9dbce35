"""Start, spin and end nodes: one clear line for a wrong set-up, no traceback for Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future as PoolFuture
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import (
    Executor,
    ExternalShutdownException,
    MultiThreadedExecutor,
    SingleThreadedExecutor,
)
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future, Task

from icl_mesh.wording import MESSAGE, shown

#: A process that was asked to end, but hangs in some library, ends after so long all the same.
LAST_MOMENT_S = 1.7
_END_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class QuietExecutor(MultiThreadedExecutor):
    """rclpy's, which waits until a thread has begun with a callback.

    rclpy's own hands a callback that no thread has begun with to the threads again and again,
    with the interpreter's lock in hand: beside a network that fills all cores, that took a core
    and kept images waiting for hundreds of milliseconds. It needs a thread for every callback
    group that may be busy for long.
    """

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._executor.shutdown()
        self._executor = _BegunPool(threads)


class _BegunPool(ThreadPoolExecutor):
    """submit() returns when a thread has taken the task up."""

    def submit(self, task: Task) -> PoolFuture[None]:  # type: ignore[override]
        begun = threading.Event()

        def run() -> None:
            begun.set()
            task()

        future = super().submit(run)
        begun.wait()
        return future


def run_nodes(
    makes: Sequence[Callable[[], Node]],
    *,
    threads: int = 1,
    finished: Callable[[Sequence[Any]], Future] | None = None,
) -> int:
    """Make nodes and spin them in `threads` threads until SIGINT, SIGTERM or the future of
    ``finished(nodes)``. For the main thread of a process that does nothing else.

    Returns the exit status: 1 where a node could not be made because of what the user gave it
    (ValueError, OSError, a parameter of a wrong type or range), else 0.
    """
    for number in _END_SIGNALS:
        signal.signal(number, signal.default_int_handler)
    executor: Executor | None = None

    def wake() -> None:
        if executor is not None:
            executor.wake()

    _end_in_time(wake)
    # rclpy's own handlers would take the context away at once, and with it the nodes' last words.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    nodes: list[Node] = []
    try:
        for make in makes:
            nodes.append(make())
        executor = SingleThreadedExecutor() if threads == 1 else QuietExecutor(threads)
        for node in nodes:
            executor.add_node(node)
        if finished is None:
            executor.spin()
        else:
            executor.spin_until_future_complete(finished(nodes))
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (ValueError, OSError, ParameterException) as error:
        if len(nodes) == len(makes):
            raise
        get_logger("icl_mesh_ros").fatal(shown(error, MESSAGE))
        return 1
    finally:
        for number in _END_SIGNALS:  # a second Ctrl-C must not break the clean end
            signal.signal(number, signal.SIG_IGN)
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _end_in_time(wake: Callable[[], None]) -> None:
    """See to it that SIGINT and SIGTERM end the process in LAST_MOMENT_S also where no Python
    code runs in the main thread: a model that is being compiled or loaded, say. wake: gets the
    main thread out of waiting for messages."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def watch() -> None:
        while os.read(reading, 1)[0] not in _END_SIGNALS:
            pass
        wake()
        time.sleep(LAST_MOMENT_S)
        os._exit(0)

    threading.Thread(target=watch, name="end-in-time", daemon=True).start()
