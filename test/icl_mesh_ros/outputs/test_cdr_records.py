"""Compares the CDR bytes of people with rclpy's serialisation of the same messages."""

from __future__ import annotations

import array

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header

from icl_mesh.formats.human import NESTED, human_fields
from icl_mesh_ros.msg import Human, HumanArray
from icl_mesh_ros.outputs.cdr_records import with_records
from icl_mesh_ros.outputs.messages import serialized_humans


def by_objects(tracks, header, with_vertices):
    people = tracks.people
    message = HumanArray(header=header, body_model=people.body.name)
    message.image_width, message.image_height = people.camera.width, people.camera.height
    message.weights_version = people.weights_version
    for fields in human_fields(tracks, with_vertices=with_vertices):
        human = Human()
        for name, values in fields.items():
            if name == "vertices":
                human.vertices = array.array("f", values.tobytes())
            elif name in NESTED:
                for axis, value in zip(NESTED[name], values, strict=True):
                    setattr(getattr(human, name), axis, float(value))
            else:
                setattr(human, name, values)
        message.humans.append(human)
    return message


@pytest.mark.parametrize("with_vertices", [False, True])
@pytest.mark.parametrize("count", [0, 1, 2, 5])
@pytest.mark.parametrize("frame", ["", "a", "camera", "camera_optical"])  # shifts the people
def test_bytes_equal_rclpys(make_tracks, frame, count, with_vertices):
    tracks, header = make_tracks(ids=range(3, 3 + count)), Header(frame_id=frame)
    expected = by_objects(tracks, header, with_vertices)
    data = serialized_humans(tracks, header, with_vertices=with_vertices)
    assert len(data) == len(serialize_message(expected))
    assert deserialize_message(data, HumanArray) == expected  # the content of padding is undefined


def test_a_column_of_another_size_is_refused(make_tracks):
    head = serialize_message(HumanArray())
    with pytest.raises(ValueError, match=r"pose has 72 numbers per message, not \[24\]"):
        with_records(head, Human, {"vertices": np.zeros((2, 0)), "pose": np.zeros((2, 24))}, 2)
