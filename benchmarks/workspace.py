"""The built ROS workspace: found, or a plain word on why the node part is skipped."""

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
    """Let the sourced workspace come before the checkout on the import path.

    `python -m` puts the checkout first, and its icl_mesh_ros lacks the generated messages.
    """
    for entry in sys.path:
        if (Path(entry) / "icl_mesh_ros" / "msg" / "__init__.py").is_file():
            sys.path.insert(0, entry)
            return


def why_no_ros() -> str:
    """Empty where nodes can run; else the reason, and what to do."""
    for module in ("rclpy", "icl_mesh_ros.msg", "visualization_msgs.msg"):
        try:
            importlib.import_module(module)
        except ImportError as error:
            return (
                f"the node part needs ROS 2 and the messages of this package ({error}); {SOURCE_IT}"
            )
    return ""


def local_dds() -> None:
    """Stay on this machine, with the package's DDS profile (room for large messages), unless the
    environment says otherwise. Child processes inherit it; call it before rclpy starts."""
    from icl_mesh_ros import dds  # once the built workspace comes first

    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    if not dds.chosen_profile():
        profile = str(ROOT / "config" / "fastdds.xml")
        os.environ.update(dict.fromkeys(dds.profile_variables(), profile))
