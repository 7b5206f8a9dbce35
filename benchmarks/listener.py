"""`python -m benchmarks.listener TOPICS`: subscribes, so that publishing does all its work.

Receives .../humans and .../markers as raw bytes. Ends when its standard input closes.
"""

from __future__ import annotations

import sys
import threading

from benchmarks.workspace import prefer_built_workspace


def main() -> None:
    prefer_built_workspace()
    import rclpy
    from rclpy.executors import ExternalShutdownException
    from visualization_msgs.msg import MarkerArray

    from icl_mesh_ros.msg import HumanArray

    rclpy.init()
    node = rclpy.create_node("benchmark_listener")
    for topic in sys.argv[1:]:
        kind = MarkerArray if topic.endswith("/markers") else HumanArray
        node.create_subscription(kind, topic, lambda message: None, 1, raw=True)

    def end_with_parent() -> None:
        sys.stdin.read()
        rclpy.try_shutdown()

    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
