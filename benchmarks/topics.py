"""Runs a second process that subscribes to topics, so that publishing does all its work."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import rclpy
from rclpy.node import Node

from benchmarks.machine import ROOT

#: Pause in which the subscriber takes a frame's messages, as between camera frames, s.
REST_S = 0.03
DISCOVERY_TIMEOUT_S = 30.0


class Listener:
    """The process and its topics."""

    def __init__(self, process: subprocess.Popen[bytes], topics: Sequence[str]) -> None:
        self._process, self._topics = process, topics

    def wait(self, node: Node) -> None:
        """Wait until it has subscribed to all topics. node: of this process.

        Raises TimeoutError, or ChildProcessError where it has ended.
        """
        deadline = time.monotonic() + DISCOVERY_TIMEOUT_S
        while not all(node.count_subscribers(topic) for topic in self._topics):
            if self._process.poll() is not None:
                raise ChildProcessError(
                    f"the subscriber ended with status {self._process.returncode}"
                )
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"nobody subscribed within {DISCOVERY_TIMEOUT_S:g} s: DDS discovery fails "
                    "between two processes of this machine (check ROS_DOMAIN_ID and the DDS "
                    "profile)"
                )
            time.sleep(0.05)


@contextmanager
def listening(topics: Sequence[str]) -> Iterator[Listener]:
    """Start rclpy and a process that subscribes to .../humans and .../markers; end both on exit."""
    rclpy.init()
    command = [sys.executable, "-m", "benchmarks.listener", *topics]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE)
    try:
        yield Listener(process, topics)
    finally:
        process.communicate()  # closes its standard input, which ends it
        rclpy.try_shutdown()
