"""ROS packages that only some parameters need."""

from __future__ import annotations

import importlib.util
import os


def require(package: str, parameter: str) -> None:
    """Raises ValueError that names the apt package if the ROS package is missing.

    parameter: the one that needs it.
    """
    if importlib.util.find_spec(package) is not None:
        return
    distro = os.environ.get("ROS_DISTRO", "<distro>")
    raise ValueError(
        f"{parameter} needs the ROS package {package}, which is not installed: "
        f"apt install ros-{distro}-{package.replace('_', '-')}, or leave {parameter} false"
    )
