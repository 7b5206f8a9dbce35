"""A camera source, mesh_node and RViz.

    ros2 launch icl_mesh_ros camera.launch.py                      # webcam 0
    ros2 launch icl_mesh_ros camera.launch.py source:=street.mp4   # a video, a photo or a folder
    ros2 launch icl_mesh_ros camera.launch.py camera:=none image:=/camera/image_raw \
        camera_info:=/camera/camera_info                           # a driver already runs
"""

import os
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration as Value
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

SHARE = Path(get_package_share_directory("icl_mesh_ros"))

#: Name, default, meaning.
ARGUMENTS = [
    ("namespace", "", "namespace of the nodes and of every relative topic"),
    ("rviz", "true", "true or false: show image, overlay and meshes in RViz"),
    ("rviz_frame", "camera_link", "RViz's fixed frame; with camera:=none one of the robot's"),
    (
        "dds_profile",
        str(SHARE / "config" / "fastdds.xml"),
        "Fast DDS profile; none: leave DDS alone",
    ),
    # The camera source
    ("source", "0", "webcam index, video, photo, folder of photos or stream address"),
    ("rate", "0.0", "Hz; 0: that of the camera or video, 10 Hz for photos"),
    ("loop", "true", "true or false: files start again after their end"),
    ("calibration", "", "YAML file of camera_calibration; empty: assume a field of view"),
    ("frame_id", "camera_optical_frame", "frame of the images"),
    ("parent_frame", "camera_link", "frame with x forward and z up that the camera is put into"),
    ("width", "0", "pixels, asked of a webcam; 0: its own"),
    ("height", "0", "pixels, asked of a webcam; 0: its own"),
    # The model. Empty: as params_file says.
    ("params_file", str(SHARE / "config" / "mesh_node.yaml"), "parameters of mesh_node"),
    ("weights", "", "network weights: default or a .safetensors file"),
    ("body", "", "body model: default or a licensed SMPL file"),
    ("device", "", "auto, cpu, cuda, cuda:N"),
    ("engine", "", "what runs the network: auto, torch"),
    ("max_rate", "", "Hz: most images worked on per second; 0: no limit"),
    ("assumed_fov_deg", "", "degrees across the longer side, without a calibration"),
    ("image_transport", "", "raw or compressed"),
    ("image_reliability", "", "best_effort or reliable"),
]
#: Argument, topic it stands for (its default).
TOPICS = [
    ("image", "image"),
    ("camera_info", "camera_info"),
    ("humans", "humans"),
    ("markers", "humans/markers"),
    ("overlay", "humans/overlay"),
    ("body_model", "humans/body_model"),
    ("diagnostics", "/diagnostics"),
]


#: Arguments that are parameters of the same name.
CAMERA_PARAMETERS = {
    "source": str,
    "rate": float,
    "loop": bool,
    "calibration": str,
    "frame_id": str,
    "width": int,
    "height": int,
    "assumed_fov_deg": float,
}
MESH_PARAMETERS = {
    "weights": str,
    "body": str,
    "device": str,
    "engine": str,
    "max_rate": float,
    "assumed_fov_deg": float,
    "image_transport": str,
    "image_reliability": str,
}


def given(context: LaunchContext, kinds: dict[str, type]) -> dict[str, ParameterValue]:
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


def nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    shared: dict[str, Any] = {
        "namespace": Value("namespace"),
        "remappings": [(topic, Value(argument)) for argument, topic in TOPICS],
    }
    mesh_node = Node(
        package="icl_mesh_ros",
        executable="mesh_node",
        parameters=[Value("params_file"), given(context, MESH_PARAMETERS)],
        output="screen",
        **shared,
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(SHARE / "config" / "humans.rviz"), "-f", Value("rviz_frame")],
        condition=IfCondition(Value("rviz")),
        **shared,
    )
    if Value("camera").perform(context) == "none":
        return [mesh_node, rviz]
    camera_node = Node(
        package="icl_mesh_ros",
        executable="camera_node",
        parameters=[given(context, CAMERA_PARAMETERS)],
        output="screen",
        **shared,
    )
    # An optical frame has y down: under a parent with z up people stand upright in RViz.
    optical_frame = Node(
        package="tf2_ros",
        executable="static_transform_publisher",
        arguments=[
            *("--qx", "-0.5", "--qy", "0.5", "--qz", "-0.5", "--qw", "0.5"),
            *("--frame-id", Value("parent_frame"), "--child-frame-id", Value("frame_id")),
        ],
        condition=IfCondition(Value("rviz")),
        namespace=Value("namespace"),
    )
    return [camera_node, mesh_node, rviz, optical_frame]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "camera",
                default_value="opencv",
                choices=["opencv", "none"],
                description="opencv: start camera_node; none: a camera driver already runs",
            ),
            *(
                DeclareLaunchArgument(name, default_value=default, description=meaning)
                for name, default, meaning in ARGUMENTS
            ),
            *(
                DeclareLaunchArgument(name, default_value=topic, description=f"topic {topic}")
                for name, topic in TOPICS
            ),
            OpaqueFunction(function=dds_profile),
            OpaqueFunction(function=nodes),
        ]
    )
