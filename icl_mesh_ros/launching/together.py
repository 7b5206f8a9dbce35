"""Ends all processes of a launch file when one of them fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from launch.action import Action
from launch.actions import EmitEvent, ExecuteProcess, OpaqueFunction
from launch.event_handlers import OnProcessExit, OnProcessIO, OnShutdown
from launch.events import IncludeLaunchDescription, Shutdown
from launch.events.process import ProcessExited, ProcessIO
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription

from icl_mesh_ros.launching.checks import why_ended

POLL_S = 0.1
#: A process's last output may arrive after its exit event.
LAST_LINES_S = 0.3
KEPT_CHARACTERS = 10_000


class Together(Action):
    """When one of the processes fails, all end, the launch exits with status 1, and its last log
    line says why. List it before the processes in the launch description.

    lasting: processes whose end is always a failure. others: processes that fail only with an exit
    status other than 0.
    """

    def __init__(
        self, lasting: Sequence[ExecuteProcess], others: Sequence[ExecuteProcess] = ()
    ) -> None:
        super().__init__()
        self._lasting = lasting
        self._written: dict[ExecuteProcess, str] = dict.fromkeys((*lasting, *others), "")
        self._failure: asyncio.Task[None] | None = None
        self._over: asyncio.Future[None] | None = None

    def execute(self, context: LaunchContext) -> None:
        self._over = context.asyncio_loop.create_future()
        ours = self._written.__contains__
        for handler in (
            OnProcessIO(target_action=ours, on_stdout=self._wrote, on_stderr=self._wrote),
            OnProcessExit(target_action=ours, on_exit=self._ended),
            OnShutdown(on_shutdown=self._shut_down),
        ):
            context.register_event_handler(handler)

    def get_asyncio_future(self) -> asyncio.Future[None] | None:
        """Launch runs until this future is done."""
        return self._over

    def _wrote(self, event: ProcessIO) -> None:
        text = self._written[event.action] + event.text.decode(errors="replace")
        self._written[event.action] = text[-KEPT_CHARACTERS:]

    def _ended(self, event: ProcessExited, context: LaunchContext) -> EmitEvent | None:
        unexpected = event.returncode != 0 or event.action in self._lasting
        if not unexpected or context.is_shutdown or self._failure is not None:
            return None
        self._failure = context.asyncio_loop.create_task(self._fail(event, context))
        return EmitEvent(event=Shutdown(reason=f"{event.process_name} has ended"))

    def _shut_down(self, _: Shutdown, __: LaunchContext) -> None:
        if self._failure is None and self._over is not None and not self._over.done():
            self._over.set_result(None)

    async def _fail(self, event: ProcessExited, context: LaunchContext) -> None:
        """When all processes have ended, raise in an action: launch logs it and exits with 1."""
        while any(self._runs(process) for process in self._written):
            await asyncio.sleep(POLL_S)
        await asyncio.sleep(LAST_LINES_S)
        lines = self._written[event.action].splitlines()
        reason = why_ended(event.process_name, event.returncode, lines)

        def fail(_: LaunchContext) -> None:
            raise RuntimeError(reason)

        # An event, since launch ignores a future's error if events are pending when it is done.
        failing = LaunchDescription([OpaqueFunction(function=fail)])
        await context.emit_event(IncludeLaunchDescription(failing))
        if self._over is not None:
            self._over.set_result(None)

    @staticmethod
    def _runs(process: ExecuteProcess) -> bool:
        future = process.get_asyncio_future()  # None: never started
        return future is not None and not future.done()
