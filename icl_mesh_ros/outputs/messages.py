"""Tracked people -> HumanArray, body model -> BodyModel."""

from __future__ import annotations

import array
import functools
from typing import Any

import numpy as np
import numpy.typing as npt
from std_msgs.msg import Header

from icl_mesh.body import BodyModel as Body
from icl_mesh.formats.human import human_columns
from icl_mesh.tracking.tracker import Tracks
from icl_mesh_ros.msg import BodyModel, Human
from icl_mesh_ros.outputs import cdr
from icl_mesh_ros.outputs.cdr_records import with_records


def serialized_humans(tracks: Tracks, header: Header, *, with_vertices: bool = False) -> bytes:
    """CDR bytes of a HumanArray, for Publisher.publish; no object per person is made.

    header: of the image. with_vertices: fill Human.vertices; needs people.vertices_m.
    icl_mesh.formats.human defines the fields. Raises ValueError for people without ids.
    """
    people = tracks.people
    camera = people.camera
    head = cdr.ENCAPSULATION + cdr.stamp(header)
    head += _head(
        header.frame_id, camera.width, camera.height, people.body.name, people.weights_version
    )
    columns = human_columns(tracks, with_vertices=with_vertices)
    return with_records(head, Human, columns, len(people))


@functools.lru_cache(maxsize=16)
def _head(frame_id: str, width: int, height: int, body: str, weights_version: str) -> bytes:
    """The fields between the stamp and the people, equal from image to image."""
    return (
        cdr.string(frame_id)
        + cdr.count(width)
        + cdr.count(height)
        + cdr.string(body)
        + cdr.string(weights_version)
        + cdr.count(0)
    )


def body_model_message(body: Body, weights_version: str) -> BodyModel:
    """The latched message that defines betas, joints and vertices."""
    return BodyModel(
        name=body.name,
        weights_version=weights_version,
        joint_names=list(body.joint_names),
        parents=[int(parent) for parent in body.parents],
        vertex_count=body.vertex_count,
        faces=_typed("I", body.faces.astype(np.uint32)),
    )


def _typed(typecode: str, values: npt.NDArray[Any]) -> array.array[Any]:
    """An array.array, which rclpy stores as it is. It would copy an ndarray number by number."""
    result = array.array(typecode)
    result.frombytes(values.tobytes())
    return result
