"""What the launch files share: arguments that become parameters, and the DDS profile."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.launch_context import LaunchContext
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.substitutions import LaunchConfiguration as Value
from launch_ros.parameter_descriptions import ParameterValue

SHARE = Path(get_package_share_directory("icl_mesh_ros"))

#: Name, default, meaning.
Arguments = list[tuple[str, str, str]]
DDS_ARGUMENTS: Arguments = [
    (
        "dds_profile",
        str(SHARE / "config" / "fastdds.xml"),
        "Fast DDS profile; none: leave DDS alone",
    ),
]
#: The model. Empty: as params_file says.
MODEL_ARGUMENTS: Arguments = [
    ("params_file", str(SHARE / "config" / "mesh_node.yaml"), "parameters of mesh_node"),
    ("weights", "", "network weights: default or a .safetensors file"),
    ("body", "", "body model: default or a licensed SMPL file"),
    ("device", "", "auto, cpu, cuda, cuda:N"),
    ("engine", "", "what runs the network: auto, torch, ..."),
    ("max_rate", "", "Hz: most images worked on per second; 0: no limit"),
    ("assumed_fov_deg", "", "degrees across the longer side, without a calibration"),
    ("image_transport", "", "raw or compressed"),
    ("image_reliability", "", "best_effort or reliable"),
    ("rectified", "", "true: the image is rectified"),
    ("use_depth", "", "true: measure distances in the topic depth"),
    ("depth_scale", "", "depth is multiplied by this, where its unit is not as it should be"),
]
#: Those of them that are parameters of mesh_node, and their types.
MODEL_PARAMETERS: dict[str, type] = {
    "weights": str,
    "body": str,
    "device": str,
    "engine": str,
    "max_rate": float,
    "assumed_fov_deg": float,
    "image_transport": str,
    "image_reliability": str,
    "rectified": bool,
    "use_depth": bool,
    "depth_scale": float,
}


def declare(arguments: Iterable[tuple[str, str, str]]) -> list[DeclareLaunchArgument]:
    """The arguments as actions of a launch description."""
    return [
        DeclareLaunchArgument(name, default_value=default, description=meaning)
        for name, default, meaning in arguments
    ]


def given(context: LaunchContext, kinds: Mapping[str, type]) -> dict[str, ParameterValue]:
    """The arguments that are not empty, as parameters of these types whatever they look like."""
    return {
        name: ParameterValue(Value(name), value_type=kind)
        for name, kind in kinds.items()
        if Value(name).perform(context)
    }


def dds_profile(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Both names of the variable (the second from Kilted on), unless the user has set one."""
    names = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
    profile = Value("dds_profile").perform(context)
    if profile == "none" or any(os.environ.get(name) for name in names):
        return []
    return [SetEnvironmentVariable(name, profile) for name in names]
