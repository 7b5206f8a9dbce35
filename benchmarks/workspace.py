"""Finds the built ROS workspace, or says why the node part is skipped."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from benchmarks.machine import ROOT

SOURCE_IT = (
    "source the built workspace first: `. scripts/env` after scripts/setup, or the install/setup "
    "file that colcon build made"
)


def prefer_built_workspace() -> None:
    """Put the sourced workspace before the checkout on the import path.

    `python -m` puts the checkout first, and its icl_mesh_ros lacks the generated messages.
    """
    for entry in sys.path:
        if (Path(entry) / "icl_mesh_ros" / "msg" / "__init__.py").is_file():
            sys.path.insert(0, entry)
            return


def why_no_ros() -> str:
    """The reason why nodes cannot run, and the remedy; empty where they can."""
    for module in ("rclpy", "icl_mesh_ros.msg", "visualization_msgs.msg"):
        try:
            importlib.import_module(module)
        except ImportError as error:
            return (
                f"the node part needs ROS 2 and the messages of this package ({error}); {SOURCE_IT}"
            )
    return ""


def local_dds() -> None:
    """Limit DDS to this machine and set the package's profile (large buffers), unless the
    environment sets them. Call it before rclpy starts; child processes inherit it."""
    from icl_mesh_ros.launching import dds  # after prefer_built_workspace()

    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    if not dds.chosen_profile():
        profile = str(ROOT / "config" / "fastdds.xml")
        os.environ.update(dict.fromkeys(dds.profile_variables(), profile))
