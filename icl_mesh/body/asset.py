"""The default body's file: quantised arrays in one .npz of about 1 MB, written by tools/bake_body.

Lengths are int16 multiples of a step, texture coordinates 16-bit fractions. Pose blend shapes are
a list of their non-zero entries.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from icl_mesh.body.joint_sets import JOINT_SETS, check_points
from icl_mesh.body.layout import JOINT_COUNT, POSE_FEATURES, BodyArrays, Regressor

SHAPE_STEP = 3e-5  # m; the largest coordinate, 32767 steps, is 0.98 m
POSE_STEP = 5e-5  # m
FORMAT = 1


def load_default_body() -> BodyArrays:
    """The default body of the package."""
    asset = resources.files("icl_mesh") / "assets" / "default_body.npz"
    with resources.as_file(asset) as path:
        return load_body_asset(path)


def load_body_asset(path: Path) -> BodyArrays:
    """Read a file that ``tools/bake_body`` wrote."""
    with np.load(path, allow_pickle=False) as file:
        stored = {name: file[name] for name in file.files}
    metadata: dict[str, Any] = json.loads(str(stored["metadata"]))
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"{path}: body asset format {metadata.get('format')} is not {FORMAT}; "
            "use the file that came with this version of icl_mesh."
        )
    count = len(stored["template"])
    weights = np.zeros((count, JOINT_COUNT), np.float32)
    rows = np.arange(count)[:, None]
    np.add.at(weights, (rows, stored["weight_joints"]), stored["weight_values"].astype(np.float32))
    weights /= weights.sum(1, keepdims=True)
    points = Regressor(stored["point_indices"].astype(np.int64), stored["point_weights"])
    row = {name: index for index, name in enumerate(metadata["point_names"])}
    check_points(
        row,
        path.name,
        f"choose among {', '.join(row)}, or write the file anew with tools/bake_body",
    )
    return BodyArrays(
        name=metadata["name"],
        template=stored["template"] * np.float32(SHAPE_STEP),
        shape_directions=stored["shape_directions"] * np.float32(SHAPE_STEP),
        pose_directions=_dense_pose_directions(stored, count),
        joint_regressor=Regressor(
            stored["joint_indices"].astype(np.int64), stored["joint_weights"]
        ),
        skinning_weights=weights,
        faces=stored["faces"].astype(np.int32),
        joint_sets={
            name: Regressor(points.indices[chosen], points.weights[chosen])
            for name, chosen in (
                (name, [row[point] for point in names]) for name, names in JOINT_SETS.items()
            )
        },
        uv=stored["uv"] / np.float32(65535),
        uv_faces=stored["uv_faces"].astype(np.int32),
        uv_vertex=stored["uv_vertex"].astype(np.int64),
        part_labels=stored["part_labels"],
        part_names=tuple(metadata["part_names"]),
        base_vertices=stored["base_vertices"].astype(np.int64),
        metadata={key: value for key, value in metadata.items() if isinstance(value, str)},
    )


def _dense_pose_directions(
    stored: dict[str, npt.NDArray[Any]], count: int
) -> npt.NDArray[np.float32] | None:
    if "pose_values" not in stored:
        return None
    dense = np.zeros((count, 3, POSE_FEATURES), np.float32)
    # An entry is a vertex, a joint and its 3 x 9 block; only joints near the vertex are stored.
    joints = stored["pose_joints"].astype(np.int64) - 1
    columns = joints[:, None] * 9 + np.arange(9)
    vertices = np.repeat(np.arange(count), stored["pose_counts"])
    values = stored["pose_values"] * np.float32(POSE_STEP)
    dense[vertices[:, None, None], np.arange(3)[None, :, None], columns[:, None, :]] = values
    return dense
