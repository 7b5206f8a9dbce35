"""Reads MakeHuman clothes and hair: ``.mhclo`` files with their ``.obj`` mesh and texture.

Format: http://www.makehumancommunity.org/wiki/Documentation:MHCLO_file_format (CC0 assets exist).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Vertices of MakeHuman's base mesh "hm08", including invisible helpers.
BASE_COUNT = 19158


@dataclass(frozen=True)
class Cloth:
    """One piece on MakeHuman's base mesh in its own rest pose. V vertices, T texture coordinates.

    vertices: [V, 3] m, y up, facing +z. faces: [F, 3]. uv: [T, 2], v up. uv_faces: [F, 3].
    hides: [19158], base vertices below it. texture: file name without suffix, or "".
    see_through: the texture's alpha cuts the mesh (strands of hair).
    """

    name: str
    vertices: FloatArray
    faces: IntArray
    uv: FloatArray
    uv_faces: IntArray
    hides: npt.NDArray[np.bool_]
    texture: str
    see_through: bool


def base_mesh() -> FloatArray:
    """MakeHuman's base mesh in its rest pose, [19158, 3] m (tools/bake_makehuman_base.py)."""
    asset = resources.files("icl_mesh_training") / "assets" / "makehuman_base.npz"
    with resources.as_file(asset) as path, np.load(path, allow_pickle=False) as data:
        return np.asarray(data["vertices"] * float(data["step_m"]))


def load_cloth(path: Path, base: FloatArray) -> Cloth:
    """Read one .mhclo. Raises ValueError, naming file and fault, where it cannot be used."""
    try:
        keys, rows, hides = _read_mhclo(path)
        vertices, faces, uv, uv_faces = _read_obj(path.parent / keys["obj_file"])
        at = _bound(rows, keys, base)
    except (KeyError, IndexError, ValueError, OSError) as error:
        raise ValueError(
            f"{path} is not a usable MakeHuman clothes file ({error}): replace or remove it"
        ) from error
    if len(at) != len(vertices):
        raise ValueError(
            f"{path} binds {len(at)} vertices, but its mesh {keys['obj_file']} has {len(vertices)}"
        )
    texture, see_through = _read_mhmat(path.parent / keys.get("material", ""))
    return Cloth(keys["name"], at, faces, uv, uv_faces, hides, texture, see_through)


def _read_mhclo(
    path: Path,
) -> tuple[dict[str, str], list[list[str]], npt.NDArray[np.bool_]]:
    keys: dict[str, str] = {}
    rows: list[list[str]] = []
    deleted: list[str] = []
    part = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] in ("verts", "delete_verts"):
            part = words[0]
        elif part == "verts" and words[0].isdigit():
            rows.append(words)
        elif part == "delete_verts" and words[0].isdigit():
            deleted += words
        else:
            keys[words[0]] = " ".join(words[1:])
    hides = np.zeros(BASE_COUNT, bool)
    for match in re.finditer(r"(\d+)(?:\s+-\s+(\d+))?", " ".join(deleted)):
        first = int(match.group(1))
        hides[first : int(match.group(2) or first) + 1] = True
    return keys, rows, hides


def _bound(rows: list[list[str]], keys: dict[str, str], base: FloatArray) -> FloatArray:
    """Bound vertices [V, 3], m.

    A row names one base vertex, or three with weights and an offset. The offset is scaled per axis
    by the distance between two base vertices.
    """
    scale = np.ones(3)
    for axis, name in enumerate(("x_scale", "y_scale", "z_scale")):
        if name in keys:
            first, second, distance = keys[name].split()
            gap = abs(base[int(first), axis] - base[int(second), axis])
            scale[axis] = gap / float(distance)
    at = np.zeros((len(rows), 3))
    for i, words in enumerate(rows):
        if len(words) == 1:
            at[i] = base[int(words[0])]
            continue
        corners = [int(w) for w in words[:3]]
        weights = np.array([float(w) for w in words[3:6]])
        offset = np.array([float(w) for w in words[6:9]]) if len(words) > 6 else np.zeros(3)
        at[i] = weights @ base[corners] + offset * scale
    return at


def _read_obj(path: Path) -> tuple[FloatArray, IntArray, FloatArray, IntArray]:
    """Vertices, triangles, texture coordinates and their triangles of a Wavefront file.

    No mesh library reads them: one that merges or reorders vertices would break the binding.
    """
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    faces: list[list[int]] = []
    uv_faces: list[list[int]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(w) for w in words[1:4]])
        elif words[0] == "vt":
            uv.append([float(w) for w in words[1:3]])
        elif words[0] == "f":
            corners = [w.split("/") for w in words[1:]]
            for k in range(1, len(corners) - 1):
                fan = [corners[0], corners[k], corners[k + 1]]
                faces.append([int(c[0]) - 1 for c in fan])
                uv_faces.append([int(c[1]) - 1 for c in fan])
    return (
        np.asarray(vertices),
        np.asarray(faces, dtype=np.int64),
        np.asarray(uv),
        np.asarray(uv_faces, dtype=np.int64),
    )


def _read_mhmat(path: Path) -> tuple[str, bool]:
    """Stem of the colour texture, or "", and whether its alpha cuts the mesh."""
    if not path.is_file():
        return "", False
    keys = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, _, value = line.strip().partition(" ")
        keys[name] = value.strip()
    stem = Path(keys.get("diffuseTexture", "").replace("\\", "/")).stem
    return stem, keys.get("transparent", "").lower() == "true"
