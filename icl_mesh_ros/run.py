"""Start, spin and end a node: one clear line for a wrong set-up, no traceback for Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TypeVar

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.task import Future

AnyNode = TypeVar("AnyNode", bound=Node)


def run_node(
    make: Callable[[], AnyNode], finished: Callable[[AnyNode], Future] | None = None
) -> int:
    """Make a node and spin it until SIGINT, SIGTERM or the future of ``finished(node)``.

    Returns the exit status: 1 where the node could not be made because of what the user gave it
    (ValueError, OSError, a parameter of a wrong type or range), else 0.
    """
    rclpy.init()
    node: AnyNode | None = None
    try:
        node = make()
        if finished is None:
            rclpy.spin(node)
        else:
            rclpy.spin_until_future_complete(node, finished(node))
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (ValueError, OSError, ParameterException) as error:
        if node is not None:
            raise
        get_logger("icl_mesh_ros").fatal(str(error))
        return 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not break the clean end
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0
