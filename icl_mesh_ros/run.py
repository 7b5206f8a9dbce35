"""Start, spin and end nodes: one clear line for a wrong set-up, no traceback for Ctrl-C."""

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

from icl_mesh_ros.rclpy_inside import EndableNode, OneThreadExecutor, QuietExecutor

#: A process that was asked to end, but hangs in some library, ends after so long all the same.
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
    ``finished(nodes)``. For the main thread of a process that does nothing else.

    Returns the exit status: 1 where a node could not be made because of what the user gave it
    (ValueError, OSError, a parameter of a wrong type or range), else the future's result or 0. No
    DDS participant is left, so that the process may end by os._exit.
    """
    end = _EndRequest()
    try:
        _init()
    except RuntimeError as error:  # rcl's, about what stands behind --ros-args
        get_logger(_NAME).fatal(str(error).split(", at ")[0])  # not where in rcl's source
        return 1
    making = _Making(makes, done=end.turn)
    executor: OneThreadExecutor | QuietExecutor | None = None
    try:
        making.start()
        end.turn.wait()
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
    """Takes note of SIGINT and SIGTERM. No exception is raised for them: inside a library, while a
    model is loaded, that would come out as another error, or be taken for the library's own.

    Once one has come, the process ends in LAST_MOMENT_S also where no Python code runs in the main
    thread. A second one changes nothing.
    """

    def __init__(self) -> None:
        self.asked = False
        #: Set when a signal has come; others may set it for reasons of their own.
        self.turn = threading.Event()
        #: Gets the main thread out of waiting for messages.
        self.wake: Callable[[], None] = lambda: None
        for number in _END_SIGNALS:
            signal.signal(number, lambda *_: None)  # the wakeup descriptor tells
        self._reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name="end-in-time", daemon=True).start()

    def _watch(self) -> None:
        while os.read(self._reading, 1)[0] not in _END_SIGNALS:
            pass
        self.asked = True
        self.turn.set()
        self.wake()
        time.sleep(LAST_MOMENT_S)
        os._exit(0)


class _Making(threading.Thread):
    """Makes the nodes beside the main thread, which can so end the process at any time."""

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
    """Say what is wrong with what the user gave. Raises what is no fault of theirs."""
    if not isinstance(problem, (ValueError, OSError, ParameterException)):
        raise problem
    get_logger(_NAME).fatal(str(problem))
    return 1


def _init() -> None:
    """rclpy.init, also where no log file can be written: rcl itself would fail."""
    arguments, why = list(sys.argv), _no_log_files()
    if why:
        arguments += ["--ros-args", "--disable-external-lib-logs"]
    # rclpy's own handlers would take the context away at once, and with it the nodes' last words.
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    if why:
        get_logger(_NAME).warning(
            f"log files cannot be written ({why}): the log goes to the console and to /rosout "
            "alone; set ROS_LOG_DIR to a folder that can be written"
        )


def _no_log_files() -> str:
    """Why rcl could not write its log files; empty where it can. The folder is as rcl finds it."""
    home = os.environ.get("ROS_HOME") or "~/.ros"
    folder = Path(os.environ.get("ROS_LOG_DIR") or f"{home}/log")
    try:
        folder = folder.expanduser()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        return str(error)
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"no permission for {folder}"
