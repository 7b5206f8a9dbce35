"""Play a rosbag2, estimate its people, and record them.

    ros2 launch icl_mesh_ros bag.launch.py bag:=drive image:=/camera/image_raw \\
        camera_info:=/camera/camera_info                         # writes drive_humans
    ros2 launch icl_mesh_ros bag.launch.py bag:=drive ... rate:=0.5 extra_topics:=/odom

The player starts when mesh_node is active. When the bag is over, all processes end. Images arrive
at the bag's rate: as on a robot, images that arrive while one is processed are dropped. The player
publishes with the recorded QoS, so image_reliability:=reliable needs a camera that was reliable.
`icl-mesh bag` processes every image of a bag, without ROS.
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration as Value
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition

from icl_mesh_ros.launching.actions import (
    DDS_ARGUMENTS,
    MODEL_ARGUMENTS,
    Arguments,
    dds_profile,
    declare,
    mesh_parameters,
)
from icl_mesh_ros.launching.checks import bag_to_play, bag_to_record, ros2_command
from icl_mesh_ros.launching.together import Together

#: Name, default, meaning.
ARGUMENTS: Arguments = [
    ("output", "", "folder of the new bag; empty: BAG_humans, BAG_humans_2 where that exists, ..."),
    ("storage", "mcap", "mcap or sqlite3: format of the new bag"),
    ("rate", "1.0", "speed of playing: 0.5 is half the speed of the recording"),
    ("extra_topics", "", "topics to record besides humans and its body model, with spaces"),
    ("image", "image", "image topic in the bag"),
    ("camera_info", "camera_info", "CameraInfo topic in the bag"),
    ("depth", "depth", "topic of the depth image in the bag, for use_depth"),
    ("humans", "/humans", "topic to publish and record"),
    ("body_model", "/humans/body_model", "topic of the body, recorded with it"),
    *DDS_ARGUMENTS,
    *MODEL_ARGUMENTS,
]


def actions(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    bag = bag_to_play(Value("bag").perform(context))
    output = str(bag_to_record(Value("output").perform(context), bag))
    ros2 = ros2_command()
    topics = ("image", "camera_info", "depth", "humans")
    mesh_node = LifecycleNode(
        package="icl_mesh_ros",
        executable="mesh_node",
        name="mesh_node",
        namespace="",
        parameters=[*mesh_parameters(context), {"use_sim_time": True}],
        remappings=[
            *((topic, Value(topic)) for topic in topics),
            ("humans/body_model", Value("body_model")),
        ],
        output="screen",
    )
    recorded = [Value("humans"), Value("body_model")]
    recorder = ExecuteProcess(
        cmd=[
            *(ros2, "bag", "record", "--output", output, "--storage", Value("storage")),
            *("--use-sim-time", "--topics", *recorded),
            *Value("extra_topics").perform(context).split(),
        ],
        output="screen",
    )
    player = ExecuteProcess(
        cmd=[ros2, "bag", "play", str(bag), "--clock", "100", "--rate", Value("rate")],
        output="screen",
    )
    return [
        Together([mesh_node, recorder], others=[player]),
        recorder,
        RegisterEventHandler(
            OnStateTransition(
                target_lifecycle_node=mesh_node, goal_state="active", entities=[player]
            )
        ),
        RegisterEventHandler(OnProcessExit(target_action=player, on_exit=played)),
        mesh_node,
    ]


def played(event: ProcessExited, _: LaunchContext) -> EmitEvent | None:
    """Shut down after the bag. If the player failed, Together does."""
    return None if event.returncode else EmitEvent(event=Shutdown(reason="the bag is over"))


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "bag", description="rosbag2 to play: a folder, or a .mcap or .db3"
            ),
            *declare(ARGUMENTS),
            OpaqueFunction(function=dds_profile),
            OpaqueFunction(function=actions),
        ]
    )
