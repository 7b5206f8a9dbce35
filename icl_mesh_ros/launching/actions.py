"""Shared by the launch files, with ROS launch: arguments, parameters, the DDS profile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, LogInfo, SetEnvironmentVariable
from launch.launch_context import LaunchContext
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.substitutions import LaunchConfiguration as Value
from launch_ros.parameter_descriptions import ParameterValue

from icl_mesh_ros.launching import dds
from icl_mesh_ros.launching.checks import driver_needs, existing_file, existing_profile, value_of

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
#: Arguments of mesh_node. Empty: the value in params_file.
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
    ("depth_scale", "", "factor for depth in another unit than mm (16UC1) or m (32FC1)"),
    ("publish_tf", "", "true: a TF frame per person (needs the package tf2_msgs)"),
    ("rep155", "", "true: topics and frames of REP-155, ROS4HRI (needs hri_msgs and tf2_msgs)"),
]
#: Arguments that are parameters of mesh_node, and their types.
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
    "publish_tf": bool,
    "rep155": bool,
}


def declare(arguments: Iterable[tuple[str, str, str]]) -> list[DeclareLaunchArgument]:
    """The arguments as actions of a launch description."""
    return [
        DeclareLaunchArgument(name, default_value=default, description=meaning)
        for name, default, meaning in arguments
    ]


def given(context: LaunchContext, kinds: Mapping[str, type]) -> dict[str, ParameterValue]:
    """The arguments that are not empty, as parameters of the given types.

    Raises ValueError for a text that is no value of its type.
    """
    texts = {name: Value(name).perform(context) for name in kinds}
    return {
        name: ParameterValue(value_of(name, texts[name], kind), value_type=kind)
        for name, kind in kinds.items()
        if texts[name]
    }


def mesh_parameters(context: LaunchContext) -> list[str | dict[str, ParameterValue]]:
    """params_file, then the arguments, which override it. Raises ValueError as given(), and for a
    file that does not exist, about which launch would only warn."""
    return [
        existing_file("params_file", Value("params_file").perform(context)),
        given(context, MODEL_PARAMETERS),
    ]


def dds_profile(
    context: LaunchContext, driver_runs: Callable[[LaunchContext], bool] | None = None
) -> list[LaunchDescriptionEntity]:
    """Set the variable that names the DDS profile, unless the user has set one.

    driver_runs: whether a process outside this launch publishes the images. A log line then says
    that it needs the profile too. Raises ValueError for a profile that is no file or no XML.
    """
    profile = Value("dds_profile").perform(context)
    if profile == "none" or dds.chosen_profile():
        return []
    existing_profile(profile)
    variables = dds.profile_variables()
    actions = [SetEnvironmentVariable(name, profile) for name in variables]
    reliable = Value("image_reliability").perform(context) == "reliable"
    if driver_runs is not None and driver_runs(context) and not reliable:
        actions.append(LogInfo(msg=driver_needs(profile, variables)))
    return actions
