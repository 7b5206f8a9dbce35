"""The structures of src/people.hpp: the compiled reader shares them with its kernels."""

from __future__ import annotations

import ctypes
import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from icl_mesh.body.layout import JOINT_COUNT
from icl_mesh.body.rig import KEYPOINT_JOINT
from icl_mesh.camera import MIN_DEPTH_RATIO, Camera
from icl_mesh.compiled_lens import LensStructure
from icl_mesh.decoding import (
    DUPLICATE_ANGLE_DEG,
    DUPLICATE_CELLS,
    DUPLICATE_SCALE_RATIO,
    MAX_LOG_SCALE,
    MAX_PEOPLE,
    SCALE_BASE,
)
from icl_mesh.evidence import SEARCH_CELLS, WINDOW
from icl_mesh.letterbox import Letterbox
from icl_mesh.native import INT, POINTER
from icl_mesh.network.branches import INSTANCE_CHANNELS
from icl_mesh.network.lifter import MIN_CENTER, MIN_EVIDENCE, MOST_CAMERA

#: Of a lifter.
LAYERS = 4
_DOUBLE = ctypes.c_double

Array = npt.NDArray[Any]


class Rules(ctypes.Structure):
    _fields_ = (
        *((name, _DOUBLE) for name in ("threshold", "scale_base", "max_log_scale")),
        *((name, _DOUBLE) for name in ("repeat_cells", "repeat_log_ratio", "repeat_degrees")),
        ("window", _DOUBLE),
        *((name, _DOUBLE) for name in ("min_evidence", "min_center", "most_camera")),
        *((name, INT) for name in ("search_cells", "most")),
    )


#: All but the threshold, which comes with the image.
RULES = (
    *(SCALE_BASE, MAX_LOG_SCALE),
    *(DUPLICATE_CELLS, math.log(DUPLICATE_SCALE_RATIO), DUPLICATE_ANGLE_DEG),
    WINDOW,
    *(MIN_EVIDENCE, MIN_CENTER, MOST_CAMERA),
    *(SEARCH_CELLS, MAX_PEOPLE),
)


class Body(ctypes.Structure):
    """BodyTables of src/skeleton.hpp."""

    _fields_ = tuple(
        (name, POINTER)
        for name in (
            *("rest", "rest_directions", "parents"),
            *("keypoint_joint", "keypoint_bone", "keypoint_offset"),
        )
    )


class Layers(ctypes.Structure):
    _fields_ = (
        *((name, POINTER * LAYERS) for name in ("weights", "bias")),
        *((name, INT * LAYERS) for name in ("inputs", "outputs")),
    )


class Model(ctypes.Structure):
    _fields_ = (
        *((name, POINTER) for name in ("center_projector", "joint_projector", "body", "layers")),
        *((name, INT) for name in ("passes", "kinds")),
        *((name, INT) for name in ("center", "keypoints", "offsets", "log_extent")),
    )


class Geometry(ctypes.Structure):
    _fields_ = (
        *((name, _DOUBLE) for name in ("fx", "fy", "cx", "cy", "width", "height")),
        *((name, _DOUBLE) for name in ("square_fx", "square_fy", "square_px", "square_py")),
        ("focal", _DOUBLE),
        ("scale", _DOUBLE * 2),
        ("offset", _DOUBLE * 2),
        ("size", _DOUBLE),
        ("nearest", _DOUBLE),
    )

    @classmethod
    def of(cls, letterbox: Letterbox, camera: Camera) -> Geometry:
        """Raises ValueError for a camera of another image size."""
        square = letterbox.camera(camera)
        return cls(
            *(camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height),
            *(square.fx, square.fy, square.px, square.py, square.focal),
            tuple(letterbox.scale.tolist()),
            tuple(letterbox.offset.tolist()),
            letterbox.size,
            MIN_DEPTH_RATIO,
        )


class Maps(ctypes.Structure):
    _fields_ = (
        *((name, POINTER) for name in ("center_heatmap", "joint_heatmaps", "camera")),
        *((name, POINTER) for name in ("center_instance", "joint_instance", "found")),
        *((name, INT) for name in ("side", "found_side")),
        ("found_strides", INT * 4),
    )


class Workspace(NamedTuple):
    """People of src/people.hpp but smpl: room for MAX_PEOPLE of an image. Shapes and meanings are
    there."""

    image: Array
    cell: Array
    score: Array
    weak: Array
    center_instance: Array
    rotations: Array
    betas: Array
    repeats: Array
    joints: Array
    world: Array
    rest: Array
    square: Array
    spread: Array
    seen: Array
    strength: Array
    translation: Array
    depth: Array
    joints_m: Array
    joints_px: Array
    joints_square: Array
    inside: Array
    embedding: Array
    confidence: Array
    center_px: Array

    def first(self, count: int) -> Workspace:
        """Of so many people; nothing is copied."""
        return Workspace(*(one[:count] for one in self))

    @classmethod
    def empty(cls, kinds: int) -> Workspace:
        """kinds: keypoints that the backbone finds."""

        def numbers(*shape: int, kind: type[np.generic] = np.float32) -> Array:
            return np.empty((MAX_PEOPLE, *shape), kind)

        joints, points = JOINT_COUNT, JOINT_COUNT + len(KEYPOINT_JOINT)
        places = joints + 2 * kinds
        return cls(
            *(numbers(kind=np.int64), numbers(2, kind=np.int64)),
            *(numbers(), numbers(3), numbers(INSTANCE_CHANNELS)),
            *(numbers(joints, 3, 3), numbers(10), numbers(kind=np.bool_)),
            *(numbers(joints, 3), numbers(joints, 3, 3), numbers(joints, 3), numbers(points, 2)),
            *(numbers(), numbers(places, 2), numbers(places)),
            *(numbers(3), numbers(kind=np.float64)),
            *(numbers(joints, 3), numbers(joints, 2), numbers(joints, 2)),
            numbers(joints, kind=np.bool_),
            *(numbers(INSTANCE_CHANNELS), numbers(joints), numbers(2)),
        )


class People(ctypes.Structure):
    _fields_ = tuple((name, POINTER) for name in (*Workspace._fields, "smpl"))


#: Finite of src/people.hpp, by the names that an error gives them.
FINITE = (
    *("center_heatmap", "camera", "center_instance", "smpl", "rotations"),
    *("joint_heatmaps", "lifted", "joint_heatmaps_and_instance"),
)


class Job(ctypes.Structure):
    _fields_ = (
        ("rules", Rules),
        ("model", Model),
        ("geometry", Geometry),
        ("lens", LensStructure),
        ("maps", Maps),
        ("people", People),
        ("count", INT),
        ("finite", ctypes.c_uint8 * len(FINITE)),
    )
