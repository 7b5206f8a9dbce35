"""This package's messages for rosbags: definitions, and people as HumanArray."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from icl_mesh.body import BodyModel
from icl_mesh.formats.human import NESTED, human_fields
from icl_mesh.tracking.tracker import Tracks

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

HUMAN_ARRAY = "icl_mesh_ros/msg/HumanArray"
BODY_MODEL = "icl_mesh_ros/msg/BodyModel"
_HUMAN = "icl_mesh_ros/msg/Human"
_NESTED_TYPES = {"position": "Point", "velocity": "Vector3", "orientation": "Quaternion"}


def make_typestore() -> Typestore:
    """The messages of ROS 2 Jazzy and those of this package's .msg files."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    typestore = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for path in sorted(definitions_folder().glob("*.msg")):
        text = path.read_text(encoding="utf-8")
        types.update(get_types_from_msg(text, f"icl_mesh_ros/msg/{path.stem}"))
    typestore.register(types)
    return typestore


def definitions_folder() -> Path:
    """The folder of the .msg files: the installed package's assets, or msg in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "assets" / "msg", package.parent / "msg"):
        if (folder / "HumanArray.msg").is_file():
            return folder
    raise FileNotFoundError(
        f"the message definitions (HumanArray.msg, ...) are missing from {package / 'assets'}: "
        "install icl_mesh_ros again"
    )


def human_array(
    typestore: Typestore, tracks: Tracks, header: Any, *, with_vertices: bool = False
) -> Any:
    """People of one image as HumanArray. header: std_msgs/Header of the typestore."""
    people = tracks.people
    return typestore.types[HUMAN_ARRAY](
        header=header,
        image_width=people.camera.width,
        image_height=people.camera.height,
        body_model=people.body.name,
        weights_version=people.weights_version,
        humans=[
            _human(typestore, fields)
            for fields in human_fields(tracks, with_vertices=with_vertices)
        ],
    )


def body_model(typestore: Typestore, body: BodyModel, weights_version: str) -> Any:
    """The body model that HumanArray refers to."""
    return typestore.types[BODY_MODEL](
        name=body.name,
        weights_version=weights_version,
        joint_names=list(body.joint_names),
        parents=np.array(body.parents, dtype=np.int32),
        vertex_count=body.vertex_count,
        faces=body.faces.astype(np.uint32).ravel(),
    )


def _human(typestore: Typestore, fields: dict[str, Any]) -> Any:
    nested = {
        name: typestore.types[f"geometry_msgs/msg/{kind}"](
            **dict(zip(NESTED[name], fields[name].tolist(), strict=True))
        )
        for name, kind in _NESTED_TYPES.items()
    }
    return typestore.types[_HUMAN](**{**fields, **nested})
