"""The default body: SMPL's schema, human proportions, symmetry, forward kinematics, skinning."""

from __future__ import annotations

import re

import numpy as np
import pytest
import roma
import torch

from icl_mesh.body import JOINT_SETS, BodyModel
from icl_mesh.body.asset import load_default_body
from icl_mesh.body.joint_sets import smpl_joint_sets
from icl_mesh.body.kinematics import BodyKinematics

# SMPL's kinematic tree as smplx prints it (kintree_table's first row).
SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
MIRRORED = [0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22]


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load("default")


def at_rest(count: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(count, 10), torch.eye(3).expand(count, 24, 3, 3).clone()


def random_rotations(count: int, seed: int, scale: float = 0.5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return roma.rotvec_to_rotmat(scale * torch.randn(count, 24, 3, generator=generator))


def test_layout_is_smpls(body: BodyModel) -> None:
    assert body.name == "icl_default_body"
    assert body.parents == SMPL_PARENTS
    assert len(body.joint_names) == 24
    assert body.joint_names[1] == "left_hip" and body.joint_names[21] == "right_wrist"
    assert 7000 <= body.vertex_count <= 8000
    assert body.faces.dtype == np.int32
    assert body.faces.min() == 0 and body.faces.max() == body.vertex_count - 1
    assert body.pose_directions is not None and body.pose_directions.shape[0] == 207


def test_rest_pose_axes(body: BodyModel) -> None:
    vertices, joints = body(*at_rest())
    place = dict(zip(body.joint_names, joints[0], strict=True))
    nose = body.keypoints(vertices, "coco17")[0, 0]
    assert joints[0, 0].norm() < 2e-3  # the pelvis is the origin
    assert place["left_hand"][0] > 0.6 > -0.6 > place["right_hand"][0]
    assert place["head"][1] > 0.5
    assert nose[2] > place["head"][2] + 0.08
    # T-pose: arms along x within a degree.
    arm = place["left_wrist"] - place["left_shoulder"]
    assert arm[1:].norm() / arm.norm() < 0.02


def test_heights_are_those_of_the_calibrated_adults(body: BodyModel) -> None:
    betas = torch.randn(1000, 10, generator=torch.Generator().manual_seed(0))
    shaped = body.template + (betas @ body.shape_directions).unflatten(-1, (-1, 3))
    heights = shaped[..., 1].amax(1) - shaped[..., 1].amin(1)
    # 500 adults drawn from anny 0.6.2's distribution, in Anny's own rest pose: 1.689 +- 0.104 m.
    assert heights.mean().item() == pytest.approx(1.689, abs=0.02)
    assert heights.std().item() == pytest.approx(0.104, abs=0.01)


def test_joint_heights_match_body_segment_tables(body: BodyModel) -> None:
    """Drillis and Contini 1966: joint heights as shares of the stature."""
    vertices, joints = body(*at_rest())
    floor, top = vertices[0, :, 1].min(), vertices[0, :, 1].max()
    share = (joints[0, :, 1] - floor) / (top - floor)
    for name, expected in (("left_knee", 0.285), ("left_ankle", 0.039), ("left_shoulder", 0.818)):
        assert share[body.joint_names.index(name)].item() == pytest.approx(expected, abs=0.03)


@pytest.mark.slow
def test_symmetric_in_any_pose(body: BodyModel) -> None:
    flip = torch.diag(torch.tensor((-1.0, 1.0, 1.0)))
    rotations = random_rotations(3, seed=1)
    betas = torch.randn(3, 10, generator=torch.Generator().manual_seed(2))
    mesh = body(betas, rotations)
    mirrored = body(betas, (flip @ rotations @ flip)[:, MIRRORED])
    twin = (body.template[:, None] - body.template @ flip).norm(dim=-1).argmin(0)
    assert torch.allclose(mirrored.joints, mesh.joints[:, MIRRORED] @ flip, atol=1e-5)
    assert torch.allclose(mirrored.vertices, mesh.vertices[:, twin] @ flip, atol=2e-5)


def test_bent_elbow_by_hand(body: BodyModel) -> None:
    betas, rotations = at_rest()
    rest = body.joints(betas, rotations)[0]
    # -90 degrees about y brings the left forearm from +x to +z, to the front.
    rotations[0, 18] = torch.tensor(((0.0, 0.0, -1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)))
    bent = body.joints(betas, rotations)[0]
    length = (rest[20] - rest[18]).norm()
    assert torch.allclose(bent[18], rest[18], atol=1e-6)
    assert bent[20, 2] - bent[18, 2] == pytest.approx(length.item(), abs=2e-3)
    assert torch.equal(body(betas, rotations).joints[0], bent)


def test_root_rotation_rotates_the_body_about_the_pelvis(body: BodyModel) -> None:
    betas, rotations = torch.randn(1, 10), random_rotations(1, seed=3)
    turn = random_rotations(1, seed=4)[0, 0]
    turned = rotations.clone()
    turned[:, 0] = turn @ rotations[:, 0]
    before, after = body(betas, rotations), body(betas, turned)
    pelvis = before.joints[:, :1]
    expected = (before.vertices - pelvis) @ turn.T + pelvis
    assert torch.allclose(after.vertices, expected, atol=1e-5)


def test_pose_blend_shapes_keep_volume(body: BodyModel) -> None:
    """A twisted or bent limb of plain linear skinning loses volume; the blend shapes return it."""
    faces = torch.from_numpy(body.faces).long()

    def volume(vertices: torch.Tensor) -> float:
        a, b, c = vertices.double()[faces].unbind(1)
        return (a * torch.linalg.cross(b, c)).sum().item() / 6

    full = volume(body.template)
    for joint, vector in (("left_shoulder", (1.4, 0, 0)), ("left_knee", (2.0, 0, 0))):
        betas, rotations = at_rest()
        rotations[0, body.joint_names.index(joint)] = roma.rotvec_to_rotmat(torch.tensor(vector))
        plain = BodyModel.load("default")
        plain.pose_directions = None
        lost = full - volume(plain(betas, rotations).vertices[0])
        still_lost = full - volume(body(betas, rotations).vertices[0])
        assert lost > 2e-4  # m^3
        assert abs(still_lost) < 0.4 * lost


def test_keypoints_follow_the_joints(body: BodyModel) -> None:
    mesh = body(torch.zeros(20, 10), random_rotations(20, seed=5, scale=0.3))
    points = body.keypoints(mesh.vertices, "coco17")
    names = JOINT_SETS["coco17"]
    for name, limit in (("wrist", 0.02), ("elbow", 0.03), ("knee", 0.05), ("hip", 0.05)):
        for side in ("left", "right"):
            joint = mesh.joints[:, body.joint_names.index(f"{side}_{name}")]
            gap = (points[:, names.index(f"{side}_{name}")] - joint).norm(dim=-1)
            assert gap.max() < limit, name


@pytest.mark.parametrize("joint_set", JOINT_SETS)
def test_joint_sets_are_equivariant_and_complete(body: BodyModel, joint_set: str) -> None:
    count = int(re.findall(r"\d+", joint_set)[-1])  # a set's name ends in it
    vertices = body(*at_rest()).vertices
    points = body.keypoints(vertices, joint_set)
    assert points.shape == (1, count, 3)
    # Rows sum to 1, so that a moved mesh moves its keypoints along.
    moved = body.keypoints(vertices + torch.tensor((1.0, 2.0, 3.0)), joint_set)
    assert torch.allclose(moved, points + torch.tensor((1.0, 2.0, 3.0)), atol=1e-4)
    for name, point in zip(JOINT_SETS[joint_set], points[0], strict=True):
        side = 1 if name.startswith("left") else -1 if name.startswith("right") else 0
        assert side == 0 or point[0] * side > 0.02, name


def test_a_set_of_points_that_a_body_lacks_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(JOINT_SETS, "torso2", ("left_hip", "tail"))
    with pytest.raises(
        ValueError, match=r"'torso2' names tail, for which default_body.npz .* among nose, left_eye"
    ):
        load_default_body()
    with pytest.raises(ValueError, match=r"'torso2' names tail, for which an SMPL file .* give it"):
        smpl_joint_sets(np.eye(24))


def test_unknown_joint_set(body: BodyModel) -> None:
    with pytest.raises(ValueError, match="joint_set 'body25' is not known; choose one of coco17"):
        body.keypoints(body.template, "body25")


def test_texture_coordinates_belong_to_the_faces(body: BodyModel) -> None:
    assert body.uv is not None and body.uv_faces is not None and body.uv_vertex is not None
    assert body.uv.min() >= 0 and body.uv.max() <= 1
    assert body.uv_faces.shape == body.faces.shape
    assert np.array_equal(body.uv_vertex[body.uv_faces], body.faces)


def test_part_labels_match_their_body_parts(body: BodyModel) -> None:
    assert body.part_labels is not None
    centres = {
        name: body.template[torch.from_numpy(body.part_labels == label)].mean(0)
        for label, name in enumerate(body.part_names)
    }
    assert centres["left_hand"][0] > centres["left_forearm"][0] > centres["left_upper_arm"][0] > 0
    assert centres["left_foot"][1] < centres["left_shin"][1] < centres["left_thigh"][1]
    assert centres["scalp"][1] > centres["face"][1] > centres["neck"][1] > centres["torso"][1]
    assert centres["eyes"][2] > centres["scalp"][2]


def test_gradients_reach_betas_and_rotations(body: BodyModel) -> None:
    betas = torch.zeros(2, 10, requires_grad=True)
    rotations = random_rotations(2, seed=6).requires_grad_()
    mesh = body(betas, rotations)
    (mesh.vertices.square().sum() + mesh.joints.square().sum()).backward()
    assert betas.grad is not None and (betas.grad != 0).all()
    assert rotations.grad is not None and torch.isfinite(rotations.grad).all()
    assert (rotations.grad.abs().amax((2, 3)) > 0).sum() == 48


def test_no_people_and_autocast(body: BodyModel) -> None:
    mesh = body(torch.zeros(0, 10), torch.zeros(0, 24, 3, 3))
    assert mesh.vertices.shape == (0, body.vertex_count, 3)
    assert mesh.joints.shape == (0, 24, 3)
    assert body.keypoints(mesh.vertices, "coco17").shape == (0, 17, 3)
    betas, rotations = torch.randn(2, 10), random_rotations(2, seed=7)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = body(betas, rotations)
    assert cast.vertices.dtype == torch.float32
    assert torch.equal(cast.vertices, body(betas, rotations).vertices)


def test_wrong_shapes(body: BodyModel) -> None:
    with pytest.raises(ValueError, match=r"rotations \(1, 22, 3, 3\), but N people need"):
        body(torch.zeros(1, 10), torch.zeros(1, 22, 3, 3))


def poses(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    betas = torch.randn(count, 10, generator=torch.Generator().manual_seed(seed))
    return betas, random_rotations(count, seed=seed + 1)


def test_poser_places_what_the_body_model_poses(body: BodyModel) -> None:
    betas, rotations = poses(5, seed=7)
    mesh = body(betas, rotations)
    translation = np.random.default_rng(0).normal([0, 0, 5], 1, (5, 3))
    kinematics = BodyKinematics(body)
    skeletons = kinematics.skeletons(betas.numpy(), rotations.numpy())
    np.testing.assert_allclose(skeletons.joints, mesh.joints, atol=1e-6)
    expected = mesh.vertices.numpy() + translation[:, None]
    placed = kinematics.mesh(skeletons, translation).numpy()
    np.testing.assert_allclose(placed, expected, atol=3e-6)
    few = kinematics.extreme(skeletons, translation).numpy()
    np.testing.assert_allclose(few, expected[:, body.extreme_index], atol=3e-6)


def test_a_body_of_no_people(body: BodyModel) -> None:
    kinematics = BodyKinematics(body)
    nobody = kinematics.skeletons(
        np.zeros((0, 10), np.float32), np.zeros((0, 24, 3, 3), np.float32)
    )
    assert nobody.joints.shape == (0, 24, 3)
    assert kinematics.mesh(nobody, np.zeros((0, 3))).shape == (0, body.vertex_count, 3)


def test_extreme_vertices_reach_as_far_as_the_mesh(body: BodyModel) -> None:
    with torch.inference_mode():
        mesh = body(*poses(100, seed=2)).vertices
    few = mesh[:, body.extreme_index]
    assert few.shape[1] < body.vertex_count / 5
    beyond = torch.cat((mesh.amax(1) - few.amax(1), few.amin(1) - mesh.amin(1)))
    assert beyond.min() > -1e-6  # they are vertices of the mesh
    assert beyond.mean() < 1e-3 and beyond.quantile(0.99) < 8e-3 and beyond.max() < 0.02  # m


def test_sparse_blend_shapes_give_the_same_mesh(body: BodyModel) -> None:
    betas, rotations = torch.randn(5, 10), random_rotations(5, seed=4)
    with torch.inference_mode():
        fast = body(betas, rotations).vertices
    assert torch.is_grad_enabled()  # dense: training differentiates through it
    rotations.requires_grad_()
    dense = body(betas, rotations).vertices
    torch.testing.assert_close(fast, dense.detach(), rtol=0, atol=1e-6)
    dense.sum().backward()
    assert rotations.grad is not None and rotations.grad.isfinite().all()


def test_chains_are_the_products_along_the_tree(body: BodyModel) -> None:
    """By definition: a joint's position is its parent's plus the rotated bone."""
    rotations = random_rotations(3, seed=6, scale=1.0)
    betas = torch.randn(3, 10, generator=torch.Generator().manual_seed(6))
    rest, joints = body.rest_joints(betas), body.joints(betas, rotations)
    turned = [rotations[:, 0]]
    for joint in range(1, 24):
        parent = body.parents[joint]
        step = rest[:, joint] - rest[:, parent]
        expected = joints[:, parent] + (turned[parent] @ step[..., None])[..., 0]
        torch.testing.assert_close(joints[:, joint], expected, rtol=0, atol=1e-5)
        turned.append(turned[parent] @ rotations[:, joint])
