"""ROS reads the messages that `icl-mesh bag` writes without ROS."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ament_index_python.packages import get_package_share_directory
from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message
from std_msgs.msg import Header

from icl_mesh_ros.msg import BodyModel, HumanArray
from icl_mesh_ros.outputs.messages import body_model_message, serialized_humans

pytest.importorskip("rosbags", reason="PyPI package rosbags is not installed")


@pytest.fixture(scope="module")
def typestore():
    from icl_mesh.bag.types import make_typestore

    return make_typestore()


def test_people_written_without_ros_equal_the_nodes_message(make_tracks, typestore):
    from icl_mesh.bag import types

    tracks = make_tracks(occluded=True)
    stamp = typestore.types["builtin_interfaces/msg/Time"](12, 34)
    header = typestore.types["std_msgs/msg/Header"](stamp, "optical")
    message = types.human_array(typestore, tracks, header, with_vertices=True)
    data = bytes(typestore.serialize_cdr(message, types.HUMAN_ARRAY))
    header = Header(stamp=Time(sec=12, nanosec=34), frame_id="optical")
    expected = deserialize_message(
        serialized_humans(tracks, header, with_vertices=True), HumanArray
    )
    read = deserialize_message(data, HumanArray)
    assert len(read.humans) == len(expected.humans) == 2
    for human, other in zip(read.humans, expected.humans, strict=True):
        for name in human.get_fields_and_field_types():
            ours, nodes = getattr(human, name), getattr(other, name)
            if name in ("position", "velocity", "orientation", "score"):
                assert ours == nodes or ours == pytest.approx(nodes)
            else:
                np.testing.assert_array_equal(ours, nodes, err_msg=name)
    read.humans, expected.humans = [], []
    assert read == expected


def test_the_body_written_without_ros_equals_the_nodes_message(body, typestore):
    from icl_mesh.bag import types

    message = types.body_model(typestore, body, "tests-0123456789ab")
    data = bytes(typestore.serialize_cdr(message, types.BODY_MODEL))
    assert deserialize_message(data, BodyModel) == body_model_message(body, "tests-0123456789ab")


@pytest.mark.parametrize("name", ["Human", "HumanArray", "BodyModel"])
def test_type_hashes_are_those_of_the_built_messages(typestore, name):
    """ROS players compare the hashes to identify a message type."""
    share = Path(get_package_share_directory("icl_mesh_ros"))
    built = json.loads((share / "msg" / f"{name}.json").read_text(encoding="utf-8"))
    hashes = {entry["type_name"]: entry["hash_string"] for entry in built["type_hashes"]}
    full_name = f"icl_mesh_ros/msg/{name}"
    assert typestore.hash_rihs01(full_name) == hashes[full_name]
