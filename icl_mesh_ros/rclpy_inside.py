"""What is used of rclpy's inside, all in one place: executors whose callbacks may fail, and nodes
that let their DDS participant go."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future as PoolFuture
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any, ClassVar
from weakref import WeakSet

from rclpy.executors import Executor, MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.service import Service
from rclpy.task import Task

from icl_mesh_ros.failures import FailureLog

_Work = Callable[[], Coroutine[Any, Any, None]]


class _Guarded(Executor):
    """No exception of a callback leaves spin, which would end the process: each is logged, and the
    message, request or tick that it came from is lost. That includes what rclpy raises while it
    reads a message or a request. A service that failed answers with an empty response, since
    whoever asked would wait for ever.
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


class EndableNode(Node):
    """A node that can be destroyed at any time, also while its constructor is at work in another
    thread, and takes its DDS participant along.

    destroy_node() of subclasses has to bear a constructor that came to nothing.
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
            # The participant, and with it its shared memory, goes with the last who holds the node.
            # A lifecycle node's state machine holds it, and nobody destroys that.
            if (machine := getattr(self, "_state_machine", None)) is not None:
                machine.destroy_when_not_in_use()

    @classmethod
    def destroy_all(cls) -> None:
        """Destroy every node of the process that was made, and what was begun of others."""
        for node in list(cls._alive):
            try:
                node.destroy_node()
            except AttributeError:  # rclpy's own constructor was at work: most of it is destroyed
                if (handle := getattr(node, "_Node__node", None)) is not None:
                    handle.destroy_when_not_in_use()


def _name(entity: Any) -> str:
    """What a callback belongs to, for the log."""
    for attribute, kind in (("topic_name", "topic"), ("service_name", "service")):
        if (name := getattr(entity, attribute, None)) is not None:
            return f"{kind} {name}"
    callback = getattr(entity, "callback", None)
    return f"{type(entity).__name__.lower()} {getattr(callback, '__qualname__', '')}".rstrip()
