"""Overlays: meshes cover the projected vertices, colours depend on ids."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
import torch

from icl_mesh.body import BodyModel
from icl_mesh.geometry.camera import Camera
from icl_mesh.people import People
from icl_mesh.rendering import NormalOperator, Renderer, RenderMesh
from icl_mesh.rendering.overlay import draw_overlay, person_color

CAMERA = Camera(210.0, 205.0, 95.3, 70.8, 200, 150)


def two_people(body: BodyModel, camera: Camera = CAMERA) -> People:
    """Two T-posed people who face the camera, one 3 m and one 4.5 m away."""
    facing = torch.diag(torch.tensor([1.0, -1.0, -1.0]))  # y up, +z forward -> optical frame
    rotations = torch.eye(3).repeat(2, 24, 1, 1)
    rotations[:, 0] = facing
    translation = np.array([[-0.6, 0.1, 3.0], [0.9, 0.1, 4.5]], np.float32)
    mesh = body(torch.zeros(2, 10), rotations)
    joints = mesh.joints.numpy() + translation[:, None]
    zeros = People.empty(camera, body, "test").select(np.zeros(0, int))
    filled = {
        f.name: np.zeros((2, *getattr(zeros, f.name).shape[1:]), getattr(zeros, f.name).dtype)
        for f in dataclasses.fields(People)
        if isinstance(getattr(zeros, f.name), np.ndarray)
    }
    filled |= {
        "rotations": rotations.numpy(),
        "translation_m": translation,
        "joints_m": joints,
        "joints_px": camera.project(joints).astype(np.float32),
        "joint_confidence": np.ones((2, 24), np.float32),
    }
    return dataclasses.replace(zeros, **filled)


def pixels_of(people: People, row: int) -> np.ndarray:
    mesh = people.body(
        torch.from_numpy(people.betas[row : row + 1]),
        torch.from_numpy(people.rotations[row : row + 1]),
    )
    return people.camera.project(mesh.vertices[0].numpy() + people.translation_m[row])


@pytest.mark.parametrize("camera", [CAMERA, Camera(150, 170, 140.2, 80.7, 333, 201)])
def test_silhouette_ends_where_the_projected_vertices_end(body: BodyModel, camera: Camera) -> None:
    people = two_people(body, camera)
    mesh = body(torch.from_numpy(people.betas), torch.from_numpy(people.rotations))
    vertices = mesh.vertices.numpy() + people.translation_m[:, None]
    normals = NormalOperator(body.faces, body.vertex_count)
    checked = 0
    for row in range(2):
        drawn, _ = Renderer().render(
            [RenderMesh(vertices[row], body.faces, normals(vertices[row]), 1)], camera, maps=True
        )
        assert drawn.instance is not None
        ys, xs = np.nonzero(drawn.instance)
        px = pixels_of(people, row)
        for values, found, size in ((px[:, 0], xs, camera.width), (px[:, 1], ys, camera.height)):
            # a pixel is drawn when its centre is inside: at most one and a half pixels are lost
            # at a tip, none is gained
            if values.min() > 0:
                assert values.min() <= found.min() <= values.min() + 1.5
                checked += 1
            if values.max() < size - 1:
                assert values.max() - 1.5 <= found.max() <= values.max()
                checked += 1
    assert checked >= 7


def test_overlay_colours_people_and_leaves_the_rest(body: BodyModel) -> None:
    people = two_people(body)
    image = np.full((150, 200, 3), 90, np.uint8)
    drawn = draw_overlay(image, people, labels=False)
    assert (image == 90).all()  # the input is not drawn on
    for row in range(2):
        pelvis = np.rint(people.joints_px[row, 0]).astype(int)
        color = drawn[pelvis[1], pelvis[0]].astype(float)
        assert np.argmax(color) == np.argmax(person_color(row))
    mask = np.zeros((150, 200), np.uint8)
    for row in range(2):
        for x, y in np.rint(pixels_of(people, row)).astype(int):
            cv2.circle(mask, (int(x), int(y)), 3, 255, -1)
    assert (drawn[mask == 0] == 90).all()
    assert (drawn != image).any(axis=2).mean() > 0.03


def test_colour_follows_the_track_and_faint_people_are_unsure(body: BodyModel) -> None:
    people = dataclasses.replace(two_people(body), track_id=np.array([7, 3]))
    image = np.full((150, 200, 3), 90, np.uint8)
    drawn = draw_overlay(image, people, labels=False)
    swapped = draw_overlay(image, people.select([1, 0]), labels=False)
    np.testing.assert_array_equal(drawn, swapped)
    unsure = dataclasses.replace(people, joint_confidence=np.zeros((2, 24), np.float32))
    faint = draw_overlay(image, unsure, labels=False)
    change, less = (np.abs(d.astype(int) - 90).sum() for d in (drawn, faint))
    assert 0.3 * change < less < 0.6 * change


def test_labels_are_drawn_and_bad_images_refused(body: BodyModel) -> None:
    people = two_people(body, Camera(630, 615, 285.9, 212.4, 600, 450))
    image = np.full((450, 600, 3), 90, np.uint8)
    plain = draw_overlay(image, people, labels=False)
    labelled = draw_overlay(image, people)
    rows = np.nonzero((plain != labelled).any(axis=(1, 2)))[0]
    assert len(rows) and rows.max() < people.joints_px[:, 15, 1].max()  # above the heads
    np.testing.assert_array_equal(draw_overlay(image, people.select([])), image)
    with pytest.raises(ValueError, match=r"own image, RGB u8 450x600x3, got uint8 \(10, 10, 3\)"):
        draw_overlay(image[:10, :10], people)


@pytest.mark.parametrize("rows", [slice(0), slice(None)])
def test_a_view_of_bgr_is_drawn_over_like_rgb(body: BodyModel, rows: slice) -> None:
    people = two_people(body).select(rows)
    bgr = np.random.default_rng(0).integers(0, 256, (150, 200, 3), dtype=np.uint8)
    drawn = draw_overlay(bgr[..., ::-1], people)
    np.testing.assert_array_equal(drawn, draw_overlay(bgr[..., ::-1].copy(), people))
