"""Tracked people -> HumanArray, and the body they refer to -> BodyModel."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
import numpy.typing as npt
from std_msgs.msg import Header

from icl_mesh.body import BodyModel as Body
from icl_mesh.human_fields import NESTED, human_fields
from icl_mesh.tracking import Tracks
from icl_mesh_ros.msg import BodyModel, Human, HumanArray


def human_array(tracks: Tracks, header: Header, *, with_vertices: bool = False) -> HumanArray:
    """One image's tracked people as a message under the header of that image.

    with_vertices: fill Human.vertices from people.vertices_m (which must then be there).
    icl_mesh.human_fields says what the fields hold. Raises ValueError for people without ids.
    """
    people = tracks.people
    message = HumanArray(header=header)
    message.image_width, message.image_height = people.camera.width, people.camera.height
    message.body_model = people.body.name
    message.weights_version = people.weights_version
    for fields in human_fields(tracks, with_vertices=with_vertices):
        human = Human()
        for name, values in fields.items():
            if name in NESTED:
                _fill(getattr(human, name), NESTED[name], values)
            else:
                setattr(human, name, _typed("f", values) if name == "vertices" else values)
        message.humans.append(human)
    return message


def body_model_message(body: Body, weights_version: str) -> BodyModel:
    """The latched message that says what betas, joints and vertices mean."""
    return BodyModel(
        name=body.name,
        weights_version=weights_version,
        joint_names=list(body.joint_names),
        parents=[int(parent) for parent in body.parents],
        vertex_count=body.vertex_count,
        faces=_typed("I", body.faces.astype(np.uint32)),
    )


def _fill(target: Any, names: str, values: npt.NDArray[np.floating]) -> None:
    """Set target.x, target.y, ... of a geometry message."""
    for name, value in zip(names, values, strict=True):
        setattr(target, name, float(value))


def _typed(typecode: str, values: npt.NDArray[Any]) -> array.array[Any]:
    """An array.array, which rclpy takes as it is; an ndarray would be copied number by number."""
    result = array.array(typecode)
    result.frombytes(values.tobytes())
    return result
