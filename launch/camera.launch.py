"""A camera source, mesh_node and RViz.

    ros2 launch icl_mesh_ros camera.launch.py                      # webcam 0
    ros2 launch icl_mesh_ros camera.launch.py source:=street.mp4   # a video, a photo or a folder
    ros2 launch icl_mesh_ros camera.launch.py camera:=none image:=/camera/image_raw \
        camera_info:=/camera/camera_info                           # a driver already runs
"""

from typing import Any

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction
from launch.substitutions import LaunchConfiguration as Value
from launch_ros.actions import Node

from icl_mesh_ros.launching.actions import (
    DDS_ARGUMENTS,
    MODEL_ARGUMENTS,
    SHARE,
    Arguments,
    dds_profile,
    declare,
    given,
    mesh_parameters,
)
from icl_mesh_ros.launching.checks import (
    checked_namespace,
    checked_size,
    missing_for_rviz,
    value_of,
)
from icl_mesh_ros.launching.together import Together

#: Name, default, meaning.
ARGUMENTS: Arguments = [
    ("namespace", "", "namespace of the nodes and of every relative topic"),
    ("rviz", "true", "true or false: show image, overlay and meshes in RViz"),
    ("rviz_frame", "camera_link", "RViz's fixed frame; with camera:=none one of the robot's"),
    # The camera source
    ("source", "0", "webcam index, video, photo, folder of photos or stream address"),
    ("rate", "0.0", "Hz; 0: that of the camera or video, 10 Hz for photos"),
    ("loop", "true", "true or false: files start again after their end"),
    ("calibration", "", "calibration file or its URL; empty: assume a field of view"),
    ("frame_id", "camera_optical_frame", "frame of the images"),
    ("parent_frame", "camera_link", "parent of frame_id, with x forward and z up"),
    ("width", "0", "pixels, requested from a webcam; 0: its own"),
    ("height", "0", "pixels, requested from a webcam; 0: its own"),
    *DDS_ARGUMENTS,
    *MODEL_ARGUMENTS,
]
#: Argument, and the topic that it remaps (its default).
TOPICS = [
    ("image", "image"),
    ("camera_info", "camera_info"),
    ("depth", "depth"),
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


def driver_runs(context: LaunchContext) -> bool:
    return Value("camera").perform(context) == "none"


def nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    shared: dict[str, Any] = {
        "namespace": checked_namespace("namespace", Value("namespace").perform(context)),
        "remappings": [(topic, Value(argument)) for argument, topic in TOPICS],
    }
    mesh_node = Node(
        package="icl_mesh_ros",
        executable="mesh_node",
        parameters=mesh_parameters(context),
        output="screen",
        **shared,
    )
    lasting = [mesh_node]
    others = []
    log_lines = []
    if not driver_runs(context):
        camera_node = Node(
            package="icl_mesh_ros",
            executable="camera_node",
            parameters=[camera_parameters(context)],
            output="screen",
            **shared,
        )
        # Without `loop` the node ends at the end of its source.
        (lasting if _true(context, "loop") else others).append(camera_node)
    if _true(context, "rviz"):
        if missing := missing_for_rviz(not driver_runs(context)):
            log_lines.append(LogInfo(msg=missing))
        else:
            others.append(
                Node(
                    package="rviz2",
                    executable="rviz2",
                    arguments=[
                        *("-d", str(SHARE / "config" / "humans.rviz")),
                        *("-f", Value("rviz_frame")),
                    ],
                    **shared,
                )
            )
            if not driver_runs(context):
                lasting.append(optical_frame(shared["namespace"]))
    return [*log_lines, Together(lasting, others), *lasting, *others]


def camera_parameters(context: LaunchContext) -> dict[str, Any]:
    size = (int(value_of(name, Value(name).perform(context), int)) for name in ("width", "height"))
    checked_size(*size)
    return given(context, CAMERA_PARAMETERS)


def optical_frame(namespace: str) -> Node:
    """The transform from a frame with z up to the optical frame (y down), so that people stand
    upright in RViz."""
    return Node(
        package="tf2_ros",
        executable="static_transform_publisher",
        arguments=[
            *("--qx", "-0.5", "--qy", "0.5", "--qz", "-0.5", "--qw", "0.5"),
            *("--frame-id", Value("parent_frame"), "--child-frame-id", Value("frame_id")),
        ],
        namespace=namespace,
    )


def _true(context: LaunchContext, name: str) -> bool:
    return bool(value_of(name, Value(name).perform(context), bool))


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "camera",
                default_value="opencv",
                choices=["opencv", "none"],
                description="opencv: start camera_node; none: a camera driver already runs",
            ),
            *declare(ARGUMENTS),
            *declare((name, topic, f"topic {topic}") for name, topic in TOPICS),
            OpaqueFunction(function=dds_profile, args=[driver_runs]),
            OpaqueFunction(function=nodes),
        ]
    )
