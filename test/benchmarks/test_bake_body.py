"""tools/bake_body bakes a body of made-up parts: an egg with bones, without Anny."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from icl_mesh.body import BodyModel
from icl_mesh.body.asset import load_body_asset
from icl_mesh.body.joint_sets import JOINT_SETS
from tools.bake_body import bake
from tools.bake_body.joints import MIRRORED_JOINT
from tools.bake_body.source import Source

#: Heads of the bones, m; those with a dot are the left ones. Arms hang, elbows are a little bent.
HEADS = {
    "root": (0, 0, 0), "spine03": (0, 0.1, 0), "spine02": (0, 0.2, 0), "spine01": (0, 0.3, 0.01),
    "neck01": (0, 0.45, 0), "head": (0, 0.55, 0.02),
    "upperleg01.": (0.1, -0.05, 0), "upperleg02.": (0.1, -0.2, 0.01),
    "lowerleg01.": (0.12, -0.4, 0.02), "lowerleg02.": (0.12, -0.55, 0.01),
    "foot.": (0.12, -0.7, -0.01),
    **{f"toe{n}-1.": (0.09 + 0.02 * n, -0.75, 0.1) for n in range(1, 6)},
    "clavicle.": (0.05, 0.4, 0.01), "shoulder01.": (0.1, 0.41, 0), "upperarm01.": (0.17, 0.4, 0),
    "upperarm02.": (0.22, 0.3, -0.01), "lowerarm01.": (0.28, 0.2, -0.02),
    "lowerarm02.": (0.3, 0.1, 0), "wrist.": (0.32, 0.0, 0.02),
    **{f"finger{n}-1.": (0.35, -0.08, 0.08 - 0.02 * n) for n in range(1, 6)},
}  # fmt: skip
CHAINS = (
    "root spine03 spine02 spine01 neck01 head",
    "root upperleg01. upperleg02. lowerleg01. lowerleg02. foot.",
    "spine01 clavicle. shoulder01. upperarm01. upperarm02. lowerarm01. lowerarm02. wrist.",
    *(f"foot. toe{n}-1." for n in range(1, 6)),
    *(f"wrist. finger{n}-1." for n in range(1, 6)),
)
POINTS = {
    "nose": (0, 0.6, 0.15), "left_eye": (0.05, 0.63, 0.14), "left_ear": (0.12, 0.6, 0.0),
    "left_shoulder": (0.17, 0.4, 0), "left_elbow": (0.28, 0.2, 0), "left_wrist": (0.32, 0, 0),
    "left_hip": (0.1, -0.05, 0), "left_knee": (0.12, -0.4, 0), "left_ankle": (0.12, -0.7, 0),
}  # fmt: skip
FITTED, HELD_OUT, TARGET = 40, 10, 400


def egg() -> Source:
    """A symmetric mesh of 642 vertices; each is moved by the bones near it."""
    sphere = trimesh.creation.icosphere(subdivisions=3)
    template = sphere.vertices * (0.45, 0.8, 0.25)
    names, heads = [], []
    for name, place in HEADS.items():
        for end, sign in (("L", 1), ("R", -1)) if name.endswith(".") else (("", 1),):
            names.append(name + end)
            heads.append(np.multiply(place, (sign, 1, 1)))
    bones = np.array(heads)
    pairs = [pair for chain in CHAINS for pair in pairwise(chain.split())]
    parent_of = {child: parent for parent, child in pairs}
    parents = [-1]
    for name in names[1:]:
        stem, dot, side = name.partition(".")
        parent = parent_of[stem + dot]
        parents.append(names.index(parent + side * parent.endswith(".")))
    near = np.exp(-((template[:, None] - bones) ** 2).sum(-1) / 0.02)
    generator = np.random.default_rng(0)
    # Twelve ways to grow, the same on both sides: along each axis, the more the farther out.
    growth = generator.normal(0, 0.02, (12, 3, 3)) * np.eye(3)
    points, tree = JOINT_SETS["coco17"], cKDTree(template)
    mirror = tree.query(template * (-1, 1, 1))[1]
    keypoints = np.zeros((len(points), len(template)))
    for row, point in enumerate(points):
        near_point = tree.query(POINTS[point.replace("right_", "left_")], 3)[1]
        keypoints[row, mirror[near_point] if point.startswith("right_") else near_point] = 1 / 3
    segments = {
        "hand": (np.abs(template[:, 0]) > 0.4),
        "foot": (template[:, 1] < -0.6),
        "eye_front": (template[:, 1] > 0.55) & (template[:, 2] > 0.05),
    }
    return Source(
        template=template,
        blendshapes=np.einsum("cij,vj->cvi", growth, template).astype(np.float32),
        coefficients=generator.normal(size=(FITTED + HELD_OUT, 12)),
        faces=np.array(sphere.faces),
        uv=sphere.vertices[:, :2] / 2 + 0.5,
        uv_faces=np.array(sphere.faces),
        segmentation={
            f"{part}.{side}": chosen & (template[:, 0] * sign >= 0)
            for part, chosen in segments.items()
            for side, sign in (("L", 1), ("R", -1))
        },
        mirror=mirror,
        base_vertices=np.arange(len(template)),
        bone_names=names,
        bone_parents=parents,
        bone_weights=near / near.sum(1, keepdims=True),
        bone_heads=bones,
        bone_head_blendshapes=np.einsum("cij,bj->cbi", growth, bones),
        keypoint_names=list(points),
        keypoint_weights=keypoints,
    )


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The egg's file, without pose blend shapes."""
    source, path = egg(), tmp_path_factory.mktemp("baked") / "egg.npz"
    sizes = {"FITTED": FITTED, "HELD_OUT": HELD_OUT, "VERTEX_TARGET": TARGET}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sizes.items():
            patch.setattr(bake, name, value)
        patch.setattr(bake, "load_source", lambda sample_count: source)
        bake.bake(path)
        yield path


def test_a_made_up_body_is_baked(baked: Path) -> None:
    arrays = load_body_asset(baked)
    template = arrays.template
    assert abs(len(template) - TARGET) <= 1
    # the same on both sides, closed, and of the vertices of the full mesh
    apart, mirror = cKDTree(template).query(template * (-1, 1, 1))
    assert apart.max() < 1e-4
    edges = np.sort(arrays.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    assert len(template) - len(edges) // 2 + len(arrays.faces) == 2
    mirrored = arrays.skinning_weights[mirror][:, MIRRORED_JOINT]
    np.testing.assert_allclose(arrays.skinning_weights, mirrored, atol=2e-4)
    # joints where the bones are, in the T-pose: arms level, legs below the hips
    joints = BodyModel(arrays).joint_template.numpy()
    np.testing.assert_allclose(joints[0], 0, atol=5e-3)
    np.testing.assert_allclose(joints[MIRRORED_JOINT] * (-1, 1, 1), joints, atol=2e-3)
    np.testing.assert_allclose(joints[[16, 18, 20], 1], joints[16, 1], atol=0.02)
    assert joints[20, 0] > joints[18, 0] > joints[16, 0] > 0
    assert joints[7, 1] < joints[4, 1] < joints[1, 1] < 0
    assert set(arrays.joint_sets) == set(JOINT_SETS)


@pytest.mark.slow
def test_pose_shapes_are_added(baked: Path) -> None:
    before = load_body_asset(baked)
    bake.add_pose_shapes(baked)
    after = load_body_asset(baked)
    np.testing.assert_array_equal(after.template, before.template)
    assert np.abs(after.pose_directions).max() > 1e-3
