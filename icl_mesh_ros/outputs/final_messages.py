"""Publishes the final message of a topic."""

from __future__ import annotations

from typing import Any

from rclpy.duration import Duration
from rclpy.publisher import Publisher

PATIENCE_S = 0.2


def publish_final(publisher: Publisher, message: Any) -> None:
    """Publish, and wait up to PATIENCE_S until the subscribers have acknowledged: a publisher that
    is destroyed at once may lose the message."""
    publisher.publish(message)
    publisher.wait_for_all_acked(Duration(seconds=PATIENCE_S))
