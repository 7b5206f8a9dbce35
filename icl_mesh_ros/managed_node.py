"""A managed (lifecycle) node that outlives wrong requests and says why a transition failed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from icl_mesh_ros.failures import reason
from icl_mesh_ros.rclpy_inside import EndableNode

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class ManagedNode(EndableNode, LifecycleNode):
    """Subclasses say what the transitions do, in plain methods. One that raises leaves the node
    in the state it was in; whoever asked for it reads the reason in the log.

    activate and deactivate do all or nothing. cleanup can follow anything, also a configure that
    stopped half-way, and a second cleanup.
    """

    def __init__(self, name: str, **options: Any) -> None:
        """options: of rclpy's Node."""
        super().__init__(name, **options)
        self._problem: Exception | None = None
        for service in self.services:
            if service.srv_type is ChangeState:
                service.callback = self._guarded(service.callback)

    @abstractmethod
    def configure(self) -> None: ...

    @abstractmethod
    def activate(self) -> None: ...

    @abstractmethod
    def deactivate(self) -> None: ...

    @abstractmethod
    def cleanup(self) -> None: ...

    def start(self) -> None:
        """Configure and activate an unconfigured node. Raises what that failed with."""
        for trigger in (self.trigger_configure, self.trigger_activate):
            if trigger() != SUCCESS:
                raise self._problem or RuntimeError(f"{trigger.__name__} failed")

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = self._attempt(self.configure)
        if result != SUCCESS:
            self.cleanup()
        return result

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt(self.activate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt(self.deactivate)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt(self.cleanup)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """From any state, and without a way back: what can be given back is."""
        if state.label == "active":
            self._attempt(self.deactivate)
        self._attempt(self.cleanup)
        return SUCCESS

    def _attempt(self, step: Callable[[], None]) -> TransitionCallbackReturn:
        self._problem = None
        try:
            step()
        except Exception as error:  # rclpy would swallow it without a word
            self._problem = error
            return FAILURE
        return SUCCESS

    def _guarded(self, change_state: Callable[..., Any]) -> Callable[..., Any]:
        """The service's callback, made to answer an illegal transition: rclpy lets it raise
        RCLError, a RuntimeError, out of spin, which ends the process and answers nobody."""

        def answer(
            request: ChangeState.Request, response: ChangeState.Response
        ) -> ChangeState.Response:
            asked = f"transition {request.transition.label or request.transition.id}"
            self._problem = None
            try:
                response = change_state(request, response)
            except RuntimeError as error:
                response.success = False
                text = str(error).split(", at ")[0]  # not where in rcl's source
                self.get_logger().warning(f"{asked} is not possible now: {text}")
            if self._problem is not None:
                self.get_logger().error(f"{asked} failed: {reason(self._problem)}")
            return response

        return answer
