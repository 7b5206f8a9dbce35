"""The reduced mesh against the full one, by trimesh's own geometry."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial import cKDTree

from icl_mesh.body import BodyModel
from icl_mesh.body.reduction import reduced_faces


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load("default")


def posed(body: BodyModel, seed: int) -> np.ndarray:
    """Vertices [V, 3] of a person with random joint angles up to about 30 degrees."""
    import roma

    generator = torch.Generator().manual_seed(seed)
    rotvec = 0.3 * torch.randn(1, 24, 3, generator=generator)
    betas = torch.randn(1, 10, generator=generator)
    return body(betas, roma.rotvec_to_rotmat(rotvec)).vertices[0].numpy()


def to_surface(mesh: trimesh.Trimesh, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of points [P, 3] from the surface, and the nearest triangle (of 30 near ones)."""
    _, near = cKDTree(mesh.triangles_center).query(points, k=30)
    repeated = np.repeat(points, 30, axis=0)
    closest = trimesh.triangles.closest_point(mesh.triangles[near.ravel()], repeated)
    distance = np.linalg.norm(closest - repeated, axis=1).reshape(near.shape)
    best = distance.argmin(axis=1)
    rows = np.arange(len(points))
    return distance[rows, best], near[rows, best]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_posed_vertex_stays_near_the_reduced_surface(body, seed):
    faces = reduced_faces(body)
    assert 2000 < len(faces) <= 2500
    vertices = posed(body, seed)
    reduced = trimesh.Trimesh(vertices, faces, process=False)
    distance, _ = to_surface(reduced, vertices[::10])
    assert np.median(distance) < 0.003
    assert distance.max() < 0.04
    full = trimesh.Trimesh(vertices, body.faces, process=False)
    assert reduced.area == pytest.approx(full.area, rel=0.05)


def test_triangles_are_whole_and_face_outwards(body):
    faces = reduced_faces(body)
    vertices = body.template.numpy()
    assert faces.min() >= 0
    assert faces.max() < body.vertex_count
    assert (np.diff(np.sort(faces, axis=1), axis=1) > 0).all()  # three corners each
    reduced = trimesh.Trimesh(vertices, faces, process=False)
    full = trimesh.Trimesh(vertices, body.faces, process=False)
    _, nearest = to_surface(full, reduced.triangles_center)
    agree = (reduced.face_normals * full.face_normals[nearest]).sum(axis=1) > 0
    # Inside the mouth and behind the eyes, the nearest surface is not the one that was reduced.
    assert reduced.area_faces[~agree].sum() < 0.005 * reduced.area


def test_more_triangles_than_there_are_change_nothing(body):
    assert reduced_faces(body, len(body.faces)) is body.faces


def test_errors(body, monkeypatch):
    with pytest.raises(ValueError, match="face_count must be 4 or more, got 3"):
        reduced_faces(body, 3)
    monkeypatch.setitem(sys.modules, "fast_simplification", None)
    with pytest.raises(ImportError, match="pip install fast-simplification"):
        reduced_faces(body)
