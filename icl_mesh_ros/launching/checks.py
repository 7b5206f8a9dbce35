"""Shared by the launch files, without ROS launch: checks of arguments, and messages.

Each check raises ValueError with one sentence that names the argument, its value and the remedy.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from rclpy.exceptions import InvalidNamespaceException
from rclpy.validate_namespace import validate_namespace

BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
KIND_NAMES = {float: "a number", int: "a whole number", bool: "true or false"}
_COLOR = re.compile(r"\x1b\[[0-9;]*m")
#: Prefix of a line in a ROS log: [FATAL] [1764.5] [mesh_node]: text.
_LOG_PREFIX = re.compile(r"^\[(FATAL|ERROR|WARN|INFO|DEBUG)\]( \[[^]]*\])*: ?")


def value_of(name: str, text: str, kind: type) -> str | float | int | bool:
    """The text of an argument as a value of its kind."""
    if kind is str:
        return text
    try:
        value = BOOLEANS[text.lower()] if kind is bool else kind(text)
        if kind is float and not math.isfinite(value):
            raise ValueError
    except (KeyError, ValueError):
        raise ValueError(
            f"{name} is '{text}', but must be {KIND_NAMES[kind]}, as in "
            f"{name}:={'true' if kind is bool else '5'}"
        ) from None
    return value


def existing_file(name: str, path: str) -> str:
    """The path, if it is a file's."""
    if not Path(path).is_file():
        what = "is a folder" if Path(path).is_dir() else "does not exist"
        raise ValueError(
            f"{name} is '{path}', which {what}: give the path of a file, or leave {name} out"
        )
    return path


def existing_profile(path: str) -> str:
    """The path, if it is an XML file's. Fast DDS would ignore a profile that it cannot read."""
    try:
        ElementTree.parse(existing_file("dds_profile", path))
    except ElementTree.ParseError as error:
        raise ValueError(
            f"dds_profile is '{path}', which is no XML ({error}): give a Fast DDS profile, or "
            "dds_profile:=none"
        ) from None
    return path


def checked_size(width: int, height: int) -> None:
    """Check that both sides of an image are given (pixels), or neither (0)."""
    if (width > 0) != (height > 0):
        one, other = ("width", "height") if width > 0 else ("height", "width")
        raise ValueError(
            f"{one} is {max(width, height)}, but {other} is not given: a webcam is asked for both, "
            "as in width:=1280 height:=720, or for none"
        )


def checked_namespace(name: str, namespace: str) -> str:
    """The namespace without leading and trailing slashes; empty: the root."""
    stripped = namespace.strip("/")
    try:
        validate_namespace(f"/{stripped}")
    except InvalidNamespaceException:
        raise ValueError(
            f"{name} holds '{namespace}', which is no namespace: letters, digits and _ (no digit "
            "first), with / between parts, as in robot/front"
        ) from None
    return stripped


def camera_names(listed: Iterable[str], argument: str = "cameras") -> list[str]:
    """The namespaces of several cameras, as checked_namespace returns them; no two may share an
    identifier."""
    names = [checked_namespace(argument, name) for name in listed]
    if not all(names) or not names:
        raise ValueError(f"{argument} must name one namespace or more, as in front,left")
    by_identifier: dict[str, str] = {}
    for name in names:
        twin = by_identifier.setdefault(identifier(name), name)
        if twin == name and names.count(name) > 1:
            raise ValueError(
                f"{argument} names '{name}' twice ({','.join(names)}): each camera needs a "
                "namespace of its own"
            )
        if twin != name:
            raise ValueError(
                f"{argument} names '{twin}' and '{name}', whose frames and body ids would both "
                f"start with {identifier(name)}_: rename one of them"
            )
    return names


def identifier(namespace: str) -> str:
    """ "front/left" -> "front_left": the prefix of a camera's frames and body ids."""
    return namespace.strip("/").replace("/", "_")


def missing_for_rviz(with_frame: bool) -> str:
    """The log line about packages that RViz needs and that are missing; empty: none. with_frame:
    static_transform_publisher is needed too."""
    wanted = {"rviz2": "rviz2"} | ({"tf2_ros": "static_transform_publisher"} if with_frame else {})
    missing = [package for package, name in wanted.items() if not _runs(package, name)]
    if not missing:
        return ""
    distro = os.environ.get("ROS_DISTRO", "<distro>")
    packages = " ".join(f"ros-{distro}-{package.replace('_', '-')}" for package in missing)
    return (
        f"{' and '.join(missing)} not installed, going on without RViz: apt install {packages}, or "
        "rviz:=false"
    )


def _runs(package: str, executable: str) -> bool:
    """Whether `ros2 run` would find the executable."""
    try:
        return Path(get_package_prefix(package), "lib", package, executable).is_file()
    except PackageNotFoundError:
        return False


def bag_to_play(bag: str) -> Path:
    """The path of a rosbag2: a folder with metadata.yaml, or a lone .mcap or .db3 file."""
    path = Path(bag)
    if not path.exists():
        raise ValueError(f"bag is '{bag}', which does not exist: give the folder of a rosbag2")
    if path.is_dir() and not (path / "metadata.yaml").is_file():
        raise ValueError(
            f"bag is '{bag}', a folder without metadata.yaml: give the folder of a rosbag2, or, "
            f"where its metadata is lost, first run ros2 bag reindex {bag}"
        )
    if path.is_file() and path.suffix not in (".mcap", ".db3"):
        raise ValueError(f"bag is '{bag}', which is neither a folder nor a .mcap or .db3 file")
    return path


def bag_to_record(output: str, played: Path) -> Path:
    """The folder of the new bag: `output`; if that is empty, the first of PLAYED_humans,
    PLAYED_humans_2, ... that does not exist."""
    if output:
        if Path(output).exists():
            raise ValueError(
                f"output is '{output}', which exists, and a bag is never overwritten: give another "
                "name, move the old one away, or leave output out"
            )
        return Path(output)
    bag = played if played.name not in ("", "..") else played.resolve()
    name = bag.stem if bag.is_file() else bag.name
    first = bag.with_name(f"{name}_humans")
    path, number = first, 1
    while path.exists():
        number += 1
        path = first.with_name(f"{first.name}_{number}")
    return path


def ros2_command() -> str:
    """The path of the command ros2."""
    path = shutil.which("ros2")
    if path is None:
        raise ValueError("the command ros2 is not on PATH: source the setup file of your ROS 2")
    return path


def driver_needs(profile: str, variables: Sequence[str]) -> str:
    """The log line for a camera driver that this launch does not start."""
    setting = " ".join(f"{name}={profile}" for name in variables)
    return (
        "a camera driver that was started without this DDS profile loses many large images: start "
        f"it with {setting}; or, where it publishes reliably, launch this with "
        "image_reliability:=reliable"
    )


def why_ended(process: str, code: int, lines: Iterable[str]) -> str:
    """One sentence: how a process ended, and the reason that it wrote.

    lines: its last output. The reason is the newest FATAL or ERROR of a ROS log, else the last
    line that is no ROS log. A process that a signal ended has written no reason.
    """
    if code == 0:
        how = "ended by itself"
    elif code < 0:
        how = f"was ended by {_signal_name(-code)}"
    else:
        how = f"ended with exit status {code}"
    written = [text for line in lines if (text := _COLOR.sub("", line).strip())]
    grave = [line for line in written if line.startswith(("[FATAL]", "[ERROR]"))]
    others = [line for line in written if not _LOG_PREFIX.match(line)]
    reason = _LOG_PREFIX.sub("", (grave or others or [""])[-1]) if code > 0 else ""
    return f"{process} {how}, and everything with it" + (f": {reason}" if reason else "")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
