"""Starts, spins and ends nodes: one log line for a wrong set-up, no traceback for Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from icl_mesh.io.wording import MESSAGE, shown
from icl_mesh_ros.nodes.rclpy_inside import EndableNode, OneThreadExecutor, QuietExecutor

#: After SIGINT or SIGTERM, a process that hangs in a library is ended after this time.
LAST_MOMENT_S = 1.7
_END_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_NAME = "icl_mesh_ros"


def run_nodes(
    makes: Sequence[Callable[[], EndableNode]],
    *,
    threads: int = 1,
    finished: Callable[[Sequence[Any]], Future] | None = None,
) -> int:
    """Make nodes and spin them in `threads` threads until SIGINT, SIGTERM or the future of
    ``finished(nodes)``. Call it in the main thread of a process that does nothing else.

    Returns the exit status: 1 if a node's constructor fails because of the user's input
    (ValueError, OSError, a parameter of a wrong type or range), else the future's result or 0. All
    DDS participants are released, so the process may end by os._exit.
    """
    end = _EndRequest()
    try:
        _init()
    except RuntimeError as error:  # from rcl: wrong arguments after --ros-args
        text = str(error).split(", at ")[0]  # without the location in rcl's source
        get_logger(_NAME).fatal(shown(text, MESSAGE))
        return 1
    making = _Making(makes, done=end.event)
    executor: OneThreadExecutor | QuietExecutor | None = None
    try:
        making.start()
        end.event.wait()
        if end.asked:
            return 0
        if making.problem is not None:
            return _refused(making.problem)
        executor = OneThreadExecutor() if threads == 1 else QuietExecutor(threads)
        for node in making.nodes:
            executor.add_node(node)
        end.wake = executor.wake
        future = Future() if finished is None else finished(making.nodes)
        future.add_done_callback(lambda _: executor.wake())
        while executor.context.ok() and not (end.asked or future.done()):
            executor.spin_once()
        if future.done():
            return future.result() or 0
    except ExternalShutdownException:
        pass
    finally:
        if executor is not None:
            executor.failures.quiet = True
        EndableNode.destroy_all()
        rclpy.try_shutdown()
    return 0


class _EndRequest:
    """Records SIGINT and SIGTERM without raising an exception: a library that loads a model might
    convert or catch it.

    After the first signal the process ends within LAST_MOMENT_S, even if the main thread does not
    run Python code. A second signal changes nothing.
    """

    def __init__(self) -> None:
        self.asked = False
        #: Set by a signal, and by _Making when it is done.
        self.event = threading.Event()
        #: Wakes the main thread while it waits for messages.
        self.wake: Callable[[], None] = lambda: None
        for number in _END_SIGNALS:
            signal.signal(number, lambda *_: None)  # the wakeup descriptor reports it
        self._reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name="end-in-time", daemon=True).start()

    def _watch(self) -> None:
        while os.read(self._reading, 1)[0] not in _END_SIGNALS:
            pass
        self.asked = True
        self.event.set()
        self.wake()
        time.sleep(LAST_MOMENT_S)
        os._exit(0)


class _Making(threading.Thread):
    """Makes the nodes in a thread, so that the main thread can end the process at any time."""

    def __init__(self, makes: Sequence[Callable[[], EndableNode]], done: threading.Event) -> None:
        super().__init__(name="make-nodes", daemon=True)
        self._makes, self._done = makes, done
        self.nodes: list[EndableNode] = []
        self.problem: BaseException | None = None

    def run(self) -> None:
        try:
            for make in self._makes:
                self.nodes.append(make())
        except BaseException as error:
            self.problem = error
        self._done.set()


def _refused(problem: BaseException) -> int:
    """Log an error of the user's input and return 1. Raises any other error."""
    if not isinstance(problem, (ValueError, OSError, ParameterException)):
        raise problem
    get_logger(_NAME).fatal(shown(problem, MESSAGE))
    return 1


def _init() -> None:
    """rclpy.init, without log files if they cannot be written: rcl would fail."""
    arguments, why = list(sys.argv), _no_log_files()
    if why:
        arguments += ["--ros-args", "--disable-external-lib-logs"]
    # rclpy's handlers would shut the context down before the nodes publish their final messages.
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    if why:
        get_logger(_NAME).warning(
            f"log files cannot be written ({why}): the log goes to the console and to /rosout "
            "alone; set ROS_LOG_DIR to a folder that can be written"
        )


def _no_log_files() -> str:
    """Why rcl cannot write its log files; empty if it can. Finds the log folder as rcl does."""
    name = os.environ.get("ROS_LOG_DIR") or f"{os.environ.get('ROS_HOME') or '~/.ros'}/log"
    if name.startswith("~") and not os.environ.get("HOME"):
        return "HOME is not set"
    try:
        folder = Path(name).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: the home of an unknown user
        return str(error)
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"no permission for {folder}"
