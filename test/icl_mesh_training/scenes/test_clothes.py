"""MakeHuman clothes: the binding against hand calculation, the fit against the body's skinning."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from icl_mesh.body import BodyModel
from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.rotation import matrix_from_rotvec
from icl_mesh_training.scenes.people.closet import Closet, put_on
from icl_mesh_training.scenes.people.faces import paint_faces
from icl_mesh_training.scenes.people.fitting import CLEARANCE_M, Fitter
from icl_mesh_training.scenes.people.mhclo import BASE_COUNT, base_mesh, load_cloth
from icl_mesh_training.scenes.people.people import PersonFactory
from icl_mesh_training.scenes.people.rig import Rig
from icl_mesh_training.scenes.poses.pose import Pose
from icl_mesh_training.scenes.render.cameras import place_view
from icl_mesh_training.scenes.render.textures import build_textures


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load("default")


def write_patch(folder: Path, corners: list[int], offset: float = 0.1) -> Path:
    """A triangle on three base vertices, ``offset`` decimetres in front of them (z_scale 2), and a
    fourth vertex on the first of them; hides a range of base vertices."""
    folder.mkdir(parents=True)
    bound = "\n".join(
        f"{a} {b} {c} 1.0 0.0 0.0 0.0 0.0 {offset}"
        for a, b, c in (np.roll(corners, -k) for k in range(3))
    )
    base = base_mesh()
    gap = abs(base[962, 2] - base[5320, 2])
    (folder / "patch.mhclo").write_text(
        "# a comment\nbasemesh hm08\nname patch\nobj_file patch.obj\n"
        f"z_scale 962 5320 {gap / 0.1:.6f}\nmaterial patch.mhmat\nverts 0\n{bound}\n{corners[0]}\n"
        "delete_verts\n10 - 12 20\n30\n",
        encoding="utf-8",
    )
    (folder / "patch.obj").write_text(
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nvt 0 0\nvt 1 0\nvt 0.25 0.75\n"
        "f 1/1 2/2 3/3\nf 1/1 3/3 4/2\n",
        encoding="utf-8",
    )
    (folder / "patch.mhmat").write_text("transparent True\ndiffuseTexture wool.png\n")
    return folder / "patch.mhclo"


def chest(body: BodyModel) -> list[int]:
    """Base vertices of a triangle on the chest."""
    assert body.base_vertices is not None
    template = body.template.numpy()
    centres = template[body.faces].mean(axis=1)
    nearest = np.linalg.norm(centres - [0.08, 0.3, 0.2], axis=1).argmin()
    return [int(v) for v in body.base_vertices[body.faces[nearest]]]


def test_binding_is_weights_plus_scaled_offset(tmp_path: Path, body: BodyModel) -> None:
    corners = chest(body)
    cloth = load_cloth(write_patch(tmp_path / "clothes", corners), base_mesh())
    base = base_mesh()
    assert base.shape == (BASE_COUNT, 3)
    # the axis gap over its distance in the file is 0.1 (m per decimetre); offset 0.1 dm: 1 cm
    np.testing.assert_allclose(cloth.vertices[:3], base[corners] + [0, 0, 0.01], atol=1e-6)
    np.testing.assert_allclose(cloth.vertices[3], base[corners[0]], atol=1e-9)
    assert list(np.flatnonzero(cloth.hides)) == [10, 11, 12, 20, 30]
    assert cloth.texture == "wool" and cloth.see_through
    np.testing.assert_array_equal(cloth.faces, [[0, 1, 2], [0, 2, 3]])
    np.testing.assert_array_equal(cloth.uv_faces, [[0, 1, 2], [0, 2, 1]])


def test_clothes_stay_on_the_skin_in_any_pose_and_shape(tmp_path: Path, body: BodyModel) -> None:
    assert body.base_vertices is not None
    corners = chest(body)
    cloth = load_cloth(write_patch(tmp_path / "clothes", corners), base_mesh())
    fitter = Fitter(
        body.template.numpy(),
        body.skinning_weights.numpy(),
        body.faces,
        body.base_vertices,
        base_mesh(),
    )
    garment = fitter.fit(cloth)
    row = {int(v): i for i, v in enumerate(body.base_vertices)}
    held = [row[c] for c in corners]
    rng = np.random.default_rng(0)
    betas = rng.normal(size=(3, 10)).astype(np.float32)
    rotvec = rng.normal(0, 0.3, (3, 24, 3))
    posed = Rig(body).pose(betas, rotvec)
    mesh = body(torch.from_numpy(betas), matrix_from_rotvec(torch.from_numpy(rotvec).float()))
    np.testing.assert_allclose(posed.vertices, mesh.vertices.numpy(), atol=1e-5)
    np.testing.assert_allclose(posed.joints, mesh.joints.numpy(), atol=1e-5)
    for i in range(3):
        normals = np.zeros_like(posed.vertices[i])
        worn = put_on(garment, posed.moved[i], posed.transforms[i], posed.vertices[i], normals)
        gap = np.linalg.norm(worn[:3] - posed.vertices[i, held], axis=1)
        assert (gap > 0.004).all() and (gap < 0.03).all()  # about the 1 cm of the rest pose
    # cloth inside the skin is lifted along the normal to the clearance
    up = np.tile(np.array([0, 0, 1], np.float32), (len(posed.vertices[0]), 1))
    sunk = posed.vertices[0] + 0.02 * up
    lifted = put_on(garment, posed.moved[0], posed.transforms[0], sunk, up)
    below = garment.hold @ sunk
    height = ((lifted - below) * (garment.hold @ up)).sum(axis=1)
    assert (height > CLEARANCE_M - 1e-5).all()


def test_factory_hides_skin_under_clothes(tmp_path: Path, body: BodyModel) -> None:
    assert body.base_vertices is not None
    for name in ("skins_a/x.png", "clothes/wool.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.full((64, 64, 3), 128, np.uint8))
    path = write_patch(tmp_path / "clothes" / "patch", chest(body))
    hidden = " ".join(str(v) for v in body.base_vertices[:2000])
    path.write_text(path.read_text(encoding="utf-8").replace("30\n", f"{hidden}\n"))
    bank = build_textures(0, tmp_path, size=32)
    closet = Closet(body, tmp_path, bank.named)
    assert [len(pieces) for pieces in closet.pieces.values()] == [1, 0, 0, 0]
    piece = closet.pieces["suit"][0]
    assert piece.layer == bank.named["wool"] and piece.see_through
    factory = PersonFactory(body, bank, closet)
    person = factory.posed(np.zeros((1, 10), np.float32), [Pose(np.zeros((24, 3)))])[0]
    view = place_view(Camera(100, 100, 31.5, 31.5, 64, 64), 1.0, 0.0, 0.0)
    counts = set()
    for seed in range(12):
        meshes = factory.dress(np.random.default_rng(seed), person, view, 1)
        counts.add(len(meshes[0].faces))
    assert body.uv_faces is not None
    assert max(counts) == len(body.uv_faces) and min(counts) < len(body.uv_faces) - 1000


def test_broken_clothes_are_named(tmp_path: Path, body: BodyModel) -> None:
    path = write_patch(tmp_path / "clothes", chest(body))
    (path.parent / "patch.obj").write_text("v 0 0 0\nvt 0 0\n")
    with pytest.raises(ValueError, match=r"patch\.mhclo binds 4 vertices, but its mesh .* has 1"):
        load_cloth(path, base_mesh())
    (path.parent / "patch.obj").unlink()
    with pytest.raises(ValueError, match=r"patch\.mhclo is not a usable MakeHuman clothes file"):
        load_cloth(path, base_mesh())


def test_pupils_are_dark(body: BodyModel) -> None:
    bank = build_textures(0, size=256)
    before = bank.images.copy()
    paint_faces(bank, body, seed=0)
    assert body.uv is not None and body.uv_vertex is not None
    template = body.template.numpy()[body.uv_vertex]
    eye = np.flatnonzero(
        (body.part_labels[body.uv_vertex] == body.part_names.index("eyes")) & (template[:, 0] > 0)
    )
    pupil = eye[template[eye, 2].argmax()]
    x, y = (np.array([body.uv[pupil, 0], 1 - body.uv[pupil, 1]]) * 256).astype(int)
    for layer in bank.kinds["skin"]:
        assert bank.images[layer, y, x, :3].max() < 140
        changed = (bank.images[layer] != before[layer]).any(axis=-1)
        assert 30 < changed.sum() < 0.02 * changed.size
    np.testing.assert_array_equal(bank.images[bank.kinds["cloth"]], before[bank.kinds["cloth"]])
