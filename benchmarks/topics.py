"""The node's publishers, and another process that subscribes, so that publishing does real work."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import rclpy
from rclpy.publisher import Publisher
from visualization_msgs.msg import MarkerArray

from benchmarks.machine import ROOT
from icl_mesh_ros.msg import HumanArray

#: The subscriber takes a frame's messages in this time, as it would between camera frames.
REST_S = 0.03
DISCOVERY_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Topics:
    """humans and humans/markers with the node's QoS, subscribed to by another process."""

    humans: Publisher
    markers: Publisher

    def rest(self) -> None:
        """Let the subscriber finish; not timed."""
        time.sleep(REST_S)


@contextmanager
def open_topics() -> Iterator[Topics]:
    """Start rclpy, the publishers and the subscribing process; end them all.

    Raises TimeoutError or ChildProcessError where the other process does not subscribe.
    """
    namespace = f"/benchmark_{os.getpid()}"
    rclpy.init()
    listener = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.listener", namespace], cwd=ROOT, stdin=subprocess.PIPE
    )
    try:
        node = rclpy.create_node("benchmark", namespace=namespace)
        topics = Topics(
            node.create_publisher(HumanArray, "humans", 1),
            node.create_publisher(MarkerArray, "humans/markers", 1),
        )
        _wait_for_subscriptions(topics, listener)
        yield topics
        node.destroy_node()
    finally:
        listener.communicate()  # closes its standard input: it ends by itself
        rclpy.try_shutdown()


def _wait_for_subscriptions(topics: Topics, listener: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + DISCOVERY_TIMEOUT_S
    publishers = (topics.humans, topics.markers)
    while not all(publisher.get_subscription_count() for publisher in publishers):
        if listener.poll() is not None:
            raise ChildProcessError(f"the subscriber ended with status {listener.returncode}")
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"nobody subscribed within {DISCOVERY_TIMEOUT_S:g} s: DDS discovery fails between "
                "two processes of this machine (check ROS_DOMAIN_ID and the DDS profile)"
            )
        time.sleep(0.05)
