"""SMPL's schema: 24 joints, their tree, and the arrays of a body model.

Body frame: metres, y up, facing +z, the person's left at +x, T-pose. V vertices, F faces,
T texture coordinates, J = 24 joints, K keypoints of a joint set.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

JOINT_NAMES: tuple[str, ...] = (
    "pelvis",
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "neck",
    "left_collar",
    "right_collar",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hand",
    "right_hand",
)
PARENTS: tuple[int, ...] = (
    *(-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8),
    *(9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21),
)
JOINT_COUNT = 24
BETA_COUNT = 10
POSE_FEATURES = (JOINT_COUNT - 1) * 9  # rotation matrices minus identity, all joints but the root


@dataclass(frozen=True)
class Regressor:
    """Sparse regressor: K points as weighted sums of S vertices each.

    indices [K, S], weights [K, S] (rows sum to 1).
    """

    indices: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]

    @classmethod
    def from_dense(cls, matrix: npt.NDArray[np.floating]) -> Regressor:
        """A dense [K, V] matrix, its zeros dropped (rows padded with weight 0)."""
        width = max(1, int((matrix != 0).sum(1).max()))
        order = np.argsort(-np.abs(matrix), axis=1, kind="stable")[:, :width]
        weights = np.take_along_axis(matrix, order, axis=1)
        return cls(order.astype(np.int64), weights.astype(np.float32))


@dataclass(frozen=True)
class BodyArrays:
    """The arrays of a body model, lengths in metres. The constructor checks the shapes."""

    name: str
    template: npt.NDArray[np.float32]  # [V, 3], betas zero, T-pose
    shape_directions: npt.NDArray[np.float32]  # [V, 3, 10], per unit beta
    pose_directions: npt.NDArray[np.float32] | None  # [V, 3, 207]
    joint_regressor: Regressor  # K = 24, from unposed vertices
    skinning_weights: npt.NDArray[np.float32]  # [V, 24], rows sum to 1
    faces: npt.NDArray[np.int32]  # [F, 3]
    joint_sets: dict[str, Regressor]  # from posed vertices
    uv: npt.NDArray[np.float32] | None = None  # [T, 2]
    uv_faces: npt.NDArray[np.int32] | None = None  # [F, 3]
    uv_vertex: npt.NDArray[np.int64] | None = None  # [T]
    part_labels: npt.NDArray[np.uint8] | None = None  # [V]
    part_names: tuple[str, ...] = ()
    base_vertices: npt.NDArray[np.int64] | None = None  # [V]
    metadata: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.template)
        expected: dict[str, tuple[tuple[int, ...], tuple[int | str, ...]]] = {
            "v_template": (self.template.shape, (count, 3)),
            "shapedirs": (self.shape_directions.shape, (count, 3, BETA_COUNT)),
            "weights": (self.skinning_weights.shape, (count, JOINT_COUNT)),
            "f": (self.faces.shape, (len(self.faces), 3)),
        }
        if self.pose_directions is not None:
            expected["posedirs"] = (self.pose_directions.shape, (count, 3, POSE_FEATURES))
        for array, (shape, rule) in expected.items():
            if shape != rule:
                raise ValueError(
                    f"Body file: {array} has shape {shape}, but a body of {count} vertices in "
                    f"SMPL's schema needs {rule}; use an SMPL model file with 24 joints."
                )
        if self.joint_regressor.indices.shape[0] != JOINT_COUNT:
            raise ValueError(
                f"Body file: J_regressor gives {self.joint_regressor.indices.shape[0]} joints, "
                f"SMPL's schema needs {JOINT_COUNT}; use an SMPL model file with 24 joints."
            )
        if self.faces.size and (self.faces.min() < 0 or self.faces.max() >= count):
            raise ValueError(
                f"Body file: f refers to vertex {self.faces.max()}, but there are {count} vertices."
            )
