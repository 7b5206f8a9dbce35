"""The command line of `icl-mesh bag`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    add_model_options: Callable[[argparse.ArgumentParser], None],
    threshold: Callable[[str], float],
) -> None:
    """Add `bag` to the commands of `icl-mesh`."""
    bag = commands.add_parser(
        "bag",
        help="find the people of a rosbag2, without ROS",
        description="Read the images of a rosbag2 (sqlite3 or mcap), use their CameraInfo, "
        "and write a bag of people (icl_mesh_ros/HumanArray) with the images' own stamps. No image "
        "is dropped. Exit code 1: some images failed; 2: nothing could be done.",
    )
    bag.set_defaults(run=_convert)
    bag.add_argument("input", type=Path, help="folder of a rosbag2, or its .mcap or .db3 file")
    bag.add_argument("out", type=Path, help="folder of the new bag; must not exist")
    bag.add_argument("--storage", choices=("same", "sqlite3", "mcap"), default="same")
    bag.add_argument(
        "--copy", action="store_true", help="also copy the messages of the input into the new bag"
    )
    _add_topics(bag.add_argument_group("topics"))
    _add_people(bag.add_argument_group("people"), threshold)
    add_model_options(bag)


def _add_topics(topics: argparse._ArgumentGroup) -> None:
    topics.add_argument("--image-topic", help="default: the only image topic")
    topics.add_argument("--camera-info-topic", help="default: camera_info beside the image topic")
    topics.add_argument(
        "--depth-topic", help="depth registered to the images; measures distances (default: none)"
    )
    topics.add_argument("--humans-topic", default="/humans", help="default /humans")


def _add_people(people: argparse._ArgumentGroup, threshold: Callable[[str], float]) -> None:
    people.add_argument(
        "--threshold", type=threshold, help="least score of a person (default: the weights' own)"
    )
    people.add_argument("--vertices", action="store_true", help="fill Human.vertices")
    people.add_argument(
        "--track-timeout",
        type=float,
        default=2.0,
        help="s: how long a person who is not seen is predicted and remembered (default 2)",
    )
    people.add_argument(
        "--smoothing",
        type=float,
        default=0.0,
        help="s: time constant of the smoothing of people who stand still (default 0: none)",
    )
    people.add_argument(
        "--depth-tolerance",
        type=float,
        default=0.03,
        help="s: largest difference of stamp between a depth image and its image (default 0.03)",
    )
    people.add_argument(
        "--depth-scale",
        type=float,
        default=1.0,
        help="factor on depth whose unit is not 16UC1's mm or 32FC1's m (default 1; 0.25 for "
        "units of 0.25 mm)",
    )
    people.add_argument(
        "--fov-deg",
        type=float,
        default=60.0,
        help="assumed field of view across the longer side without a calibration, degrees "
        "(default 60)",
    )
    people.add_argument(
        "--rectified", action="store_true", help="the images are rectified: use P of CameraInfo"
    )


def _convert(options: argparse.Namespace) -> int:
    try:
        import rosbags  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "icl-mesh bag needs the package rosbags: pip install 'icl_mesh_ros[bag]'"
        ) from error
    from icl_mesh.bag.convert import convert

    return convert(options)
