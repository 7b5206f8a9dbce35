"""A managed (lifecycle) node that survives illegal requests and logs why a transition failed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from icl_mesh.io.wording import MESSAGE, shown
from icl_mesh_ros.logging.failures import reason
from icl_mesh_ros.nodes.rclpy_inside import EndableNode

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class ManagedNode(EndableNode, LifecycleNode):
    """Subclasses implement the transitions as plain methods. If one raises, the node stays in its
    state, and the log holds the reason.

    activate and deactivate must do all or nothing. cleanup must work at any time, also after a
    configure that failed half-way and after a cleanup.
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
        """Configure and activate an unconfigured node. Raises the error of the transition."""
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
        """Release what can be released, from any state. Always succeeds."""
        if state.label == "active":
            self._attempt(self.deactivate)
        self._attempt(self.cleanup)
        return SUCCESS

    def _attempt(self, step: Callable[[], None]) -> TransitionCallbackReturn:
        self._problem = None
        try:
            step()
        except Exception as error:  # rclpy would discard it silently
            self._problem = error
            return FAILURE
        return SUCCESS

    def _guarded(self, change_state: Callable[..., Any]) -> Callable[..., Any]:
        """The service's callback, which also answers an illegal transition. For one, rclpy raises
        RCLError (a RuntimeError) out of spin: the process would end without an answer."""

        def answer(
            request: ChangeState.Request, response: ChangeState.Response
        ) -> ChangeState.Response:
            asked = f"transition {shown(request.transition.label or request.transition.id)}"
            self._problem = None
            try:
                response = change_state(request, response)
            except RuntimeError as error:
                response.success = False
                text = str(error).split(", at ")[0]  # not where in rcl's source
                self.get_logger().warning(f"{asked} is not possible now: {shown(text, MESSAGE)}")
            if self._problem is not None:
                self.get_logger().error(f"{asked} failed: {reason(self._problem)}")
            return response

        return answer
