"""A message that says that no more come."""

from __future__ import annotations

from typing import Any

from rclpy.duration import Duration
from rclpy.publisher import Publisher

PATIENCE_S = 0.2


def last_words(publisher: Publisher, message: Any) -> None:
    """Publish, and wait a moment until those who listen have it: a publisher that goes at once
    may take its last message along."""
    publisher.publish(message)
    publisher.wait_for_all_acked(Duration(seconds=PATIENCE_S))
