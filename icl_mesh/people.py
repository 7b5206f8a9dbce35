"""People: what the estimator found in one image, as arrays with a leading N."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.body import BodyModel
from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.rotation import quaternions_and_rotvecs
from icl_mesh.io.atomic import write_atomically
from icl_mesh.io.colors import person_color

FloatArray = npt.NDArray[np.float32]

#: Shape per person and type of every array; "V" is the body's vertex count.
_FIELDS: dict[str, tuple[tuple[int | str, ...], type[np.generic]]] = {
    "score": ((), np.float32),
    "center_px": ((2,), np.float32),
    "bbox_px": ((4,), np.float32),
    "betas": ((10,), np.float32),
    "rotations": ((24, 3, 3), np.float32),
    "translation_m": ((3,), np.float32),
    "joints_m": ((24, 3), np.float32),
    "joints_px": ((24, 2), np.float32),
    "joint_confidence": ((24,), np.float32),
    "joint_visible": ((24,), np.bool_),
    "weak_camera": ((3,), np.float32),
    "embedding": ((64,), np.float32),
    "vertices_m": (("V", 3), np.float32),
    "track_id": ((), np.int64),
    "distance_from_depth": ((), np.bool_),
    "refined": ((), np.bool_),
}
#: Nobody's where they are left out.
_FLAGS = ("distance_from_depth", "refined")
_OPTIONAL = ("vertices_m", "track_id", *_FLAGS)


@dataclass
class People:
    """N people of one image. Metres in the camera optical frame (x right, y down, z forward);
    pixels of the original image, integers at pixel centres.

    score [N]: 0 to 1. center_px [N, 2]: the body centre the network found, to one cell.
    bbox_px [N, 4]: x0 y0 x1 y1 around the projected mesh, occluded parts included, clipped to
    the image. betas [N, 10], rotations [N, 24, 3, 3]: the body model's shape and pose, joint 0
    takes body to camera axes. translation_m [N, 3]: what is added to the posed body's vertices
    (SMPL's ``trans``, not the pelvis: that is position_m). joints_m [N, 24, 3] and their
    projection joints_px [N, 24, 2] (finite even behind the camera, see Camera.project_bodies).
    joint_confidence [N, 24]: how surely a joint is seen and this person's own, 0 to 1, and
    joint_visible, that it is high enough. weak_camera [N, 3]: (s, tx, ty) in the network's
    square. embedding [N, 64]: identity, unit length; equal people have a cosine near 1.
    vertices_m [N, V, 3] and track_id int64 [N]: None where not asked for or not tracked.
    distance_from_depth bool [N]: whose distance a depth image gave (icl_mesh.depth.measure),
    instead of their size in the image; refined bool [N]: whom the second stage has seen
    (icl_mesh.refinement). Nobody's where they are left out.
    camera: the one used; its focal_assumed says that distances are guesses.
    """

    score: FloatArray
    center_px: FloatArray
    bbox_px: FloatArray
    betas: FloatArray
    rotations: FloatArray
    translation_m: FloatArray
    joints_m: FloatArray
    joints_px: FloatArray
    joint_confidence: FloatArray
    joint_visible: npt.NDArray[np.bool_]
    weak_camera: FloatArray
    embedding: FloatArray
    camera: Camera
    body: BodyModel
    weights_version: str
    vertices_m: FloatArray | None = None
    track_id: npt.NDArray[np.int64] | None = None
    distance_from_depth: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    refined: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    def __post_init__(self) -> None:
        for name in _FLAGS:
            if getattr(self, name).size == 0:
                setattr(self, name, np.zeros(len(self.score), dtype=np.bool_))
        count = (len(self.score),)
        for name, shape, kind in _expected(self.body.vertex_count):
            value = getattr(self, name)
            if value is None and name in _OPTIONAL:
                continue
            if value.shape != count + shape or value.dtype != kind:
                raise ValueError(
                    f"people need {name} of {kind.name} {list(count + shape)}, got "
                    f"{value.dtype} {list(value.shape)}"
                )

    def __len__(self) -> int:
        return len(self.score)

    @classmethod
    def unchecked(
        cls, arrays: Mapping[str, Any], camera: Camera, body: BodyModel, weights_version: str
    ) -> People:
        """Of arrays by name, as the constructor takes them, without its checks, which take longer
        than all else that is done to a frame's arrays here."""
        people: People = object.__new__(cls)
        unknown = dict.fromkeys(_OPTIONAL)
        nobody = np.zeros(len(arrays["score"]), np.bool_)
        people.__dict__.update(unknown, distance_from_depth=nobody, refined=nobody)
        people.__dict__.update(arrays, camera=camera, body=body, weights_version=weights_version)
        return people

    @classmethod
    def empty(
        cls, camera: Camera, body: BodyModel, weights_version: str, *, vertices: bool = False
    ) -> People:
        """Nobody. vertices: with an empty vertices_m instead of None."""
        wanted = [name for name in _FIELDS if name not in _OPTIONAL]
        wanted += ["vertices_m"] if vertices else []
        arrays = {
            name: np.zeros((0, *shape), kind)
            for name, shape, kind in _expected(body.vertex_count)
            if name in wanted
        }
        return cls(**arrays, camera=camera, body=body, weights_version=weights_version)

    @classmethod
    def concatenate(cls, parts: Sequence[People]) -> People:
        """All people of several People of the same image; an optional array that one lacks is
        dropped."""
        first = parts[0]
        if any(part.camera != first.camera or part.body is not first.body for part in parts):
            raise ValueError("people of different cameras or body models cannot be joined")
        full = [part for part in parts if len(part)] or [first]
        arrays: dict[str, Any] = {}
        for name in _FIELDS:
            column = [getattr(part, name) for part in full]
            if any(getattr(part, name) is None for part in parts):
                arrays[name] = None
            else:
                arrays[name] = column[0] if len(full) == 1 else np.concatenate(column)
        return first.exchanged(arrays)

    def select(self, index: npt.ArrayLike | slice) -> People:
        """The people of an index array, a boolean mask or a slice."""
        rows = index if isinstance(index, slice) else np.asarray(index)
        if isinstance(rows, np.ndarray) and rows.size == 0 and rows.dtype != np.bool_:
            rows = rows.astype(np.int64)  # an empty list arrives as floats
        arrays: dict[str, Any] = {}
        for name in _FIELDS:
            value = getattr(self, name)
            arrays[name] = None if value is None else value[rows]
        return self.exchanged(arrays)

    def exchanged(self, arrays: Mapping[str, Any]) -> People:
        """These people with some arrays exchanged for others that need no check, such as rows of
        checked ones: a tracker makes a dozen People per frame, and the checks would take most of
        its time."""
        people = object.__new__(type(self))  # copy.copy takes several times as long
        people.__dict__.update(self.__dict__, **arrays)
        return people

    @property
    def position_m(self) -> FloatArray:
        """Pelvis [N, 3], m, camera optical frame."""
        return self.joints_m[:, 0]

    @property
    def pose_rotvec(self) -> FloatArray:
        """Rotation vectors of the 24 joints, one after the other, [N, 72], rad."""
        _, vectors = quaternions_and_rotvecs(self.rotations)
        return vectors.reshape(-1, 72).astype(np.float32)

    def mesh_m(self) -> FloatArray:
        """Mesh vertices [N, V, 3], m: vertices_m, or computed now where that is None."""
        if self.vertices_m is not None:
            return self.vertices_m
        if len(self) == 0:
            return np.zeros((0, self.body.vertex_count, 3), np.float32)
        device = self._body_device()
        with torch.inference_mode():
            mesh = self.body(
                torch.from_numpy(self.betas).to(device), torch.from_numpy(self.rotations).to(device)
            )
        return mesh.vertices.cpu().numpy() + self.translation_m[:, None]

    def keypoints_m(self, joint_set: str) -> FloatArray:
        """Keypoints regressed from the meshes [N, K, 3], m; see icl_mesh.body.JOINT_SETS."""
        vertices = torch.from_numpy(self.mesh_m()).to(self._body_device())
        return self.body.keypoints(vertices, joint_set).cpu().numpy()

    def keypoints_px(self, joint_set: str) -> FloatArray:
        """Projected keypoints [N, K, 2] of a joint set, such as "coco17"; always finite."""
        points = self.keypoints_m(joint_set)
        return self.camera.project_bodies(points, self.position_m[:, 2]).astype(np.float32)

    def save_npz(self, path: str | Path) -> None:
        """All arrays, with camera, body name and weights version as JSON text; no pickle."""
        arrays = {name: getattr(self, name) for name in _FIELDS}
        header = json.dumps(self._header())
        present = {name: value for name, value in arrays.items() if value is not None}
        file = io.BytesIO()
        np.savez_compressed(file, header=np.array(header), **present)
        write_atomically(Path(path), file.getvalue(), durable=False)

    @classmethod
    def load_npz(cls, path: str | Path, body: BodyModel | None = None) -> People:
        """The inverse of save_npz. body: the model they were made with, the default one if None.

        Raises ValueError for a file of other content or of another body model.
        """
        body = BodyModel.load("default") if body is None else body
        with np.load(path, allow_pickle=False) as file:
            if not hasattr(file, "files") or "header" not in file.files:
                raise ValueError(f"{path}: not a file of People.save_npz: it has no header")
            header = json.loads(str(file["header"]))
            missing = sorted(set(_FIELDS) - set(_OPTIONAL) - set(file.files))
            if missing:
                raise ValueError(f"{path}: people lack {', '.join(missing)}")
            arrays = {name: file[name] for name in _FIELDS if name in file.files}
        if header["body"] != body.name:
            raise ValueError(
                f"{path}: these people are of body model {header['body']!r}, the one given is "
                f"{body.name!r}"
            )
        camera = Camera.from_dict(header["camera"])
        return cls(**arrays, camera=camera, body=body, weights_version=header["weights_version"])

    def save_json(self, path: str | Path) -> None:
        """One object per person, everything but the vertices, and the pose as rotation vectors."""
        names = [name for name in _FIELDS if name != "vertices_m"]
        pose = self.pose_rotvec
        rows = []
        for i in range(len(self)):
            values = {name: getattr(self, name) for name in names}
            row = {name: None if v is None else v[i].tolist() for name, v in values.items()}
            rows.append(
                {**row, "position_m": self.position_m[i].tolist(), "pose": pose[i].tolist()}
            )
        text = json.dumps({**self._header(), "people": rows}, allow_nan=False)
        write_atomically(Path(path), text.encode(), durable=False)

    def save_glb(self, path: str | Path) -> None:
        """The meshes as binary glTF, one node per person; see icl_mesh.io.meshes.

        A node is named "person_<track id>", or "person_<row>" without a tracker.
        """
        from icl_mesh.io.meshes import write_glb

        numbers = self._numbers()
        names = [f"person_{number}" for number in numbers]
        write_glb(path, self.mesh_m(), self.body.faces, list(map(person_color, numbers)), names)

    def save_ply(self, path: str | Path) -> None:
        """The meshes as one binary PLY, coloured by person; see icl_mesh.io.meshes."""
        from icl_mesh.io.meshes import write_ply

        colors = list(map(person_color, self._numbers()))
        write_ply(path, self.mesh_m(), self.body.faces, colors)

    def _numbers(self) -> list[int]:
        """Track ids, or rows without a tracker."""
        return list(range(len(self))) if self.track_id is None else self.track_id.tolist()

    def _header(self) -> dict[str, Any]:
        return {
            "camera": dataclasses.asdict(self.camera),
            "body": self.body.name,
            "weights_version": self.weights_version,
        }

    def _body_device(self) -> torch.device:
        return next(self.body.buffers()).device


@functools.cache
def _expected(vertex_count: int) -> tuple[tuple[str, tuple[int, ...], np.dtype[Any]], ...]:
    """Name, shape per person and type of every array."""
    return tuple(
        (name, tuple(vertex_count if size == "V" else int(size) for size in shape), np.dtype(kind))
        for name, (shape, kind) in _FIELDS.items()
    )
