"""People's meshes as files for 3-D viewers. Needs trimesh.

N people, V vertices, F faces; metres, camera optical frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import trimesh

from icl_mesh.io.atomic import write_atomically

Vertices = npt.NDArray[np.floating[Any]]
Faces = npt.NDArray[np.integer[Any]]
Color = tuple[int, int, int]

#: Half a turn about x. glTF has y up and looks along -z, the camera optical frame has y down and
#: looks along +z.
GLTF_FROM_CAMERA = np.diag([1.0, -1.0, -1.0, 1.0])


def write_glb(
    path: str | Path,
    vertices: Vertices,
    faces: Faces,
    colors: Sequence[Color],
    names: Sequence[str],
) -> None:
    """Write binary glTF: metres, y up (GLTF_FROM_CAMERA), the camera at the origin.

    vertices [N, V, 3]; faces [F, 3], the same for everybody; colors: RGB, 0 to 255, per person;
    names: of each person's node and mesh. Raises ValueError for N = 0.
    """
    scene = trimesh.Scene(base_frame="people")
    for name, mesh in zip(names, _meshes(path, vertices, faces, colors), strict=True):
        mesh.apply_transform(GLTF_FROM_CAMERA)
        scene.add_geometry(mesh, node_name=name, geom_name=name)
    write_atomically(Path(path), scene.export(file_type="glb"), durable=False)


def write_ply(path: str | Path, vertices: Vertices, faces: Faces, colors: Sequence[Color]) -> None:
    """Write binary PLY: metres, camera optical frame (y down), all people in one mesh.

    Arguments and errors as for write_glb. PLY has no objects; colours distinguish people.
    """
    mesh = trimesh.util.concatenate(list(_meshes(path, vertices, faces, colors)))
    write_atomically(Path(path), trimesh.exchange.ply.export_ply(mesh), durable=False)


def _meshes(
    path: str | Path, vertices: Vertices, faces: Faces, colors: Sequence[Color]
) -> Iterator[trimesh.Trimesh]:
    if len(vertices) == 0:
        raise ValueError(f"{path}: there is nobody to write; mesh files need at least one mesh")
    for mesh, color in zip(vertices, colors, strict=True):
        rgba = np.tile(np.array([*color, 255], np.uint8), (len(mesh), 1))
        yield trimesh.Trimesh(mesh, faces, vertex_colors=rgba, process=False)
