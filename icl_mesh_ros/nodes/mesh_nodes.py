"""mesh_nodes: one process with a mesh_node per camera; they share one model in memory."""

from __future__ import annotations

import sys
from functools import partial

from rclpy.logging import get_logger
from rclpy.utilities import remove_ros_args

from icl_mesh_ros.launching.checks import camera_names, identifier
from icl_mesh_ros.nodes.mesh_node import THREADS_PER_NODE, MeshNode
from icl_mesh_ros.nodes.run import run_nodes
from icl_mesh_ros.pipeline.model_store import ModelStore

USAGE = "usage: ros2 run icl_mesh_ros mesh_nodes NAMESPACE... [--ros-args ...], as in: front left"


def make_nodes(namespaces: list[str]) -> list[partial[MeshNode]]:
    """Constructors of the nodes. Body ids start with the node's namespace, since all nodes share
    the frame names on /tf.

    Raises ValueError for no namespaces, and for invalid or duplicate ones.
    """
    if not namespaces:
        raise ValueError(f"mesh_nodes needs the namespaces of the cameras; {USAGE}")
    namespaces = camera_names(namespaces, "mesh_nodes")
    models = ModelStore()
    return [
        partial(
            MeshNode,
            namespace=name,
            models=models,
            cli_args=["--ros-args", "-p", f"body_id_prefix:={identifier(name)}_"],
        )
        for name in namespaces
    ]


def main() -> int:
    try:
        makes = make_nodes(remove_ros_args(sys.argv)[1:])
    except ValueError as error:
        get_logger("icl_mesh_ros").fatal(str(error))
        return 1
    return run_nodes(makes, threads=THREADS_PER_NODE * len(makes))
