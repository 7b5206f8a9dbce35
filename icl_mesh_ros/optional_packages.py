"""ROS packages that only an option needs, so that the others work without them."""

from __future__ import annotations

import importlib.util
import os


def require(package: str, parameter: str) -> None:
    """Raises ValueError, with what to install, where the package is missing.

    parameter: what the user set to get here.
    """
    if importlib.util.find_spec(package) is not None:
        return
    distro = os.environ.get("ROS_DISTRO", "<distro>")
    raise ValueError(
        f"{parameter} needs the ROS package {package}, which is not installed: "
        f"apt install ros-{distro}-{package.replace('_', '-')}, or leave {parameter} false"
    )
