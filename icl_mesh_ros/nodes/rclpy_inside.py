"""All code that uses rclpy's internals: executors that survive failing callbacks, and nodes that
release their DDS participant."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future as PoolFuture
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any, ClassVar
from weakref import WeakSet

from rclpy.exceptions import InvalidHandle
from rclpy.executors import Executor, MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.service import Service
from rclpy.task import Task

from icl_mesh_ros.logging.failures import FailureLog

_Work = Callable[[], Coroutine[Any, Any, None]]


class _Guarded(Executor):
    """Logs the exceptions of callbacks, which would otherwise leave spin and end the process. The
    message, request or timer tick is lost. Exceptions that rclpy raises while it reads a message
    are logged too. A service that fails sends an empty response, so that its client does not wait
    for ever.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.failures = FailureLog()

    def _make_handler(self, entity: Any, node: Node, take: Callable[[Any], _Work | None]) -> Task:
        if isinstance(entity, Service) and not hasattr(entity.callback, "__wrapped__"):
            entity.callback = self._answering(node, entity.service_name, entity.callback)

        def guarded(entity: Any) -> _Work | None:
            try:
                work = take(entity)
            except Exception as error:
                self.failures(node.get_logger(), _name(entity), error)
                return None
            return work and self._guarded_work(node, _name(entity), work)

        return super()._make_handler(entity, node, guarded)

    def _guarded_work(self, node: Node, name: str, work: _Work) -> _Work:
        async def run() -> None:
            try:
                await work()
            except Exception as error:
                self.failures(node.get_logger(), name, error)

        return run

    def _answering(self, node: Node, name: str, callback: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(callback)
        def answer(request: Any, response: Any) -> Any:
            try:
                return callback(request, response)
            except Exception as error:
                self.failures(node.get_logger(), f"service {name}", error)
                return type(response)()

        return answer


class OneThreadExecutor(_Guarded, SingleThreadedExecutor):
    """Runs callbacks in the thread that spins."""


class QuietExecutor(_Guarded, MultiThreadedExecutor):
    """rclpy's MultiThreadedExecutor, but submitting a callback waits until a thread starts it.

    rclpy's resubmits a callback that no thread has started yet in a busy loop that holds the GIL.
    Beside a network that uses all cores, that took one core and delayed images by hundreds of
    milliseconds. Needs one thread per callback group that may be busy for long.
    """

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._executor.shutdown()
        self._executor = _StartedPool(threads)


class _StartedPool(ThreadPoolExecutor):
    """submit() returns when a thread has started the task."""

    def submit(self, task: Task) -> PoolFuture[None]:  # type: ignore[override]
        started = threading.Event()

        def run() -> None:
            started.set()
            task()

        future = super().submit(run)
        started.wait()
        return future


class EndableNode(Node):
    """A node that can be destroyed at any time, also while its constructor runs in another thread,
    and that releases its DDS participant.

    A subclass's destroy_node() must work after a constructor that failed half-way.
    """

    _alive: ClassVar[WeakSet[EndableNode]] = WeakSet()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._alive.add(self)
        super().__init__(*arguments, **options)

    def destroy_node(self) -> None:
        self._alive.discard(self)
        try:
            super().destroy_node()
        finally:
            # The participant and its shared memory are released with the last reference to the
            # node. A lifecycle node's state machine holds one, and rclpy never destroys that.
            if (machine := getattr(self, "_state_machine", None)) is not None:
                machine.destroy_when_not_in_use()

    @classmethod
    def destroy_all(cls) -> None:
        """Destroy all nodes of the process, also those whose constructor still runs."""
        for node in list(cls._alive):
            try:
                node.destroy_node()
            except (AttributeError, InvalidHandle):  # rclpy's constructor still ran
                if (handle := getattr(node, "_Node__node", None)) is not None:
                    handle.destroy_when_not_in_use()


def _name(entity: Any) -> str:
    """Name of a callback's entity, for the log."""
    for attribute, kind in (("topic_name", "topic"), ("service_name", "service")):
        if (name := getattr(entity, attribute, None)) is not None:
            return f"{kind} {name}"
    callback = getattr(entity, "callback", None)
    return f"{type(entity).__name__.lower()} {getattr(callback, '__qualname__', '')}".rstrip()
