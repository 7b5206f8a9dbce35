"""The environment variables that name the Fast DDS profile."""

from __future__ import annotations

import os

#: Fast DDS 2 reads this one; Fast DDS 3 deprecates it.
OLD_NAME = "FASTRTPS_DEFAULT_PROFILES_FILE"
NEW_NAME = "FASTDDS_DEFAULT_PROFILES_FILE"
#: The distributions that come with Fast DDS 2.
_OLD_DISTROS = ("humble", "iron", "jazzy")


def profile_variables() -> tuple[str, ...]:
    """The variable that this ROS distribution reads; both if ROS_DISTRO is not set."""
    distro = os.environ.get("ROS_DISTRO")
    if not distro:
        return (OLD_NAME, NEW_NAME)
    return (OLD_NAME,) if distro in _OLD_DISTROS else (NEW_NAME,)


def chosen_profile() -> str:
    """The profile that the environment names, by either variable; else empty."""
    return os.environ.get(NEW_NAME) or os.environ.get(OLD_NAME) or ""
