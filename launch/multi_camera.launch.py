"""People in several cameras, each in its own namespace: /front/image -> /front/humans, ...

    ros2 launch icl_mesh_ros multi_camera.launch.py cameras:=front,left       # drivers already run
    ros2 launch icl_mesh_ros multi_camera.launch.py cameras:=front,left sources:=0,2   # webcams
    ros2 launch icl_mesh_ros multi_camera.launch.py cameras:=front,left model:=shared

model:=process starts a mesh_node per camera: they run in parallel, and each holds a model.
model:=shared starts one process for all cameras: it holds one model (in GPU memory, for example)
and processes one image at a time.
"""

from typing import Any

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration as Value
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from icl_mesh_ros.launching.actions import (
    DDS_ARGUMENTS,
    MODEL_ARGUMENTS,
    Arguments,
    dds_profile,
    declare,
    given,
    mesh_parameters,
)
from icl_mesh_ros.launching.checks import camera_names, identifier
from icl_mesh_ros.launching.together import Together

#: Name, default, meaning.
ARGUMENTS: Arguments = [
    ("cameras", "left,right", "namespaces of the cameras, with commas"),
    (
        "sources",
        "",
        "a webcam index, video, photo or folder per camera, with commas; empty: drivers run",
    ),
    ("rate", "0.0", "Hz of the sources; 0: that of the camera or video, 10 Hz for photos"),
    ("image", "image", "image topic in each namespace"),
    ("camera_info", "camera_info", "CameraInfo topic in each namespace"),
    ("depth", "depth", "topic of the depth image in each namespace, for use_depth"),
    *DDS_ARGUMENTS,
    *MODEL_ARGUMENTS,
]


def drivers_run(context: LaunchContext) -> bool:
    return not _listed(context, "sources")


def nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    cameras = camera_names(_listed(context, "cameras"))
    sources = _listed(context, "sources")
    if sources and len(sources) != len(cameras):
        raise ValueError(
            f"sources must name one per camera: {len(cameras)} cameras, {len(sources)} sources"
        )
    remappings = [(topic, Value(topic)) for topic in ("image", "camera_info", "depth")]
    shared: dict[str, Any] = {
        "package": "icl_mesh_ros",
        "remappings": remappings,
        "output": "screen",
    }
    parameters = mesh_parameters(context)
    started = [
        Node(
            executable="camera_node",
            namespace=camera,
            parameters=[
                {
                    # Always a string: 0 is a webcam.
                    "source": ParameterValue(source, value_type=str),
                    "loop": True,
                    "frame_id": f"{identifier(camera)}_optical_frame",
                    **given(context, {"rate": float, "assumed_fov_deg": float}),
                }
            ],
            **shared,
        )
        for camera, source in zip(cameras, sources, strict=False)
    ]
    if Value("model").perform(context) == "shared":
        started.append(
            Node(executable="mesh_nodes", arguments=cameras, parameters=parameters, **shared)
        )
    else:
        # All cameras publish frames on /tf, so body ids need a prefix per camera.
        started += [
            Node(
                executable="mesh_node",
                namespace=camera,
                parameters=[*parameters, {"body_id_prefix": f"{identifier(camera)}_"}],
                **shared,
            )
            for camera in cameras
        ]
    return [Together(started), *started]


def _listed(context: LaunchContext, argument: str) -> list[str]:
    parts = (part.strip() for part in Value(argument).perform(context).split(","))
    return [part for part in parts if part]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "model",
                default_value="process",
                choices=["process", "shared"],
                description="process: a mesh_node per camera; shared: one process for all",
            ),
            *declare(ARGUMENTS),
            OpaqueFunction(function=dds_profile, args=[drivers_run]),
            OpaqueFunction(function=nodes),
        ]
    )
