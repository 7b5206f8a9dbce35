"""People's meshes as files for 3-D viewers. Needs trimesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh

from icl_mesh.colors import person_color
from icl_mesh.files import write_atomically
from icl_mesh.people import People

#: glTF is y up and looks along -z; the camera optical frame is y down and looks along +z: half a
#: turn about x takes one to the other, so (x, y, z) becomes (x, -y, -z).
GLTF_FROM_CAMERA = np.diag([1.0, -1.0, -1.0, 1.0])


def write_glb(path: str | Path, people: People) -> None:
    """Binary glTF, metres, y up (GLTF_FROM_CAMERA); the camera is the origin and looks along -z.

    One node and mesh per person, named "person_<track id>", or "person_<row>" where no tracker
    ran. Raises ValueError for nobody: there is no empty mesh file.
    """
    _refuse_nobody(path, people)
    scene = trimesh.Scene(base_frame="people")
    for name, mesh in zip(person_names(people), _meshes(people), strict=True):
        mesh.apply_transform(GLTF_FROM_CAMERA)
        scene.add_geometry(mesh, node_name=name, geom_name=name)
    write_atomically(Path(path), scene.export(file_type="glb"), durable=False)


def write_ply(path: str | Path, people: People) -> None:
    """Binary PLY, metres, in the camera optical frame as it is (y down); all people in one mesh.

    PLY has no objects: people are told apart by their colours. Raises ValueError for nobody.
    """
    _refuse_nobody(path, people)
    mesh = trimesh.util.concatenate(list(_meshes(people)))
    write_atomically(Path(path), trimesh.exchange.ply.export_ply(mesh), durable=False)


def person_names(people: People) -> list[str]:
    """Node names: "person_<track id>" or "person_<row>"."""
    ids = range(len(people)) if people.track_id is None else people.track_id.tolist()
    return [f"person_{number}" for number in ids]


def _refuse_nobody(path: str | Path, people: People) -> None:
    if len(people) == 0:
        raise ValueError(f"{path}: there is nobody to write; mesh files need at least one mesh")


def _meshes(people: People) -> list[trimesh.Trimesh]:
    ids = range(len(people)) if people.track_id is None else people.track_id.tolist()
    meshes = []
    for number, vertices in zip(ids, people.mesh_m(), strict=True):
        colors = np.tile(np.array([*person_color(number), 255], np.uint8), (len(vertices), 1))
        meshes.append(
            trimesh.Trimesh(vertices, people.body.faces, vertex_colors=colors, process=False)
        )
    return meshes
