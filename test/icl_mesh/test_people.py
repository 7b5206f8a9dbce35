"""People: round trips of files, meshes read by other programs, keypoints, rows."""

import dataclasses
import json

import numpy as np
import pytest
import roma
import torch
import trimesh

from icl_mesh.body import JOINT_SETS
from icl_mesh.geometry.camera import Camera
from icl_mesh.io.colors import person_color
from icl_mesh.people import _FIELDS, People

CAMERA = Camera(580.0, 590.0, 310.0, 250.0, 640, 480, focal_assumed=True)
POSITIONS = [[0.5, 0.2, 3.0], [-1.0, 0.1, 5.0]]


@pytest.fixture
def people(make_people):
    people = make_people(POSITIONS, CAMERA, vertices=True)
    return dataclasses.replace(people, track_id=np.array([7, 3]))


def assert_equal(first, second):
    assert (first.camera, first.weights_version) == (second.camera, second.weights_version)
    assert first.body.name == second.body.name
    for name in _FIELDS:
        one, other = getattr(first, name), getattr(second, name)
        assert (one is None) == (other is None), name
        if one is not None:
            np.testing.assert_array_equal(one, other, err_msg=name)
            assert one.dtype == other.dtype, name


def test_npz_and_back(people, tmp_path) -> None:
    path = tmp_path / "people.with.dots"
    people.save_npz(path)
    assert [item.name for item in tmp_path.iterdir()] == ["people.with.dots"]
    assert_equal(People.load_npz(path), people)


def test_npz_without_vertices_and_of_nobody(make_people, body, tmp_path) -> None:
    for positions in (POSITIONS, []):
        people = make_people(positions, CAMERA)
        people.save_npz(tmp_path / "a.npz")
        assert_equal(People.load_npz(tmp_path / "a.npz", body), people)


def test_foreign_npz(people, body, tmp_path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, score=np.zeros(3))
    with pytest.raises(ValueError, match=f"{path}: not a file of People.save_npz"):
        People.load_npz(path, body)
    people.save_npz(path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(path, **{name: value for name, value in arrays.items() if name != "betas"})
    with pytest.raises(ValueError, match=f"{path}: people lack betas"):
        People.load_npz(path, body)
    np.savez(path, **{**arrays, "betas": np.zeros((2, 9), np.float32)})
    with pytest.raises(ValueError, match=r"need betas of float32 \[2, 10\], got float32 \[2, 9\]"):
        People.load_npz(path, body)
    header = {**json.loads(str(arrays["header"])), "body": "somebody"}
    np.savez(path, **{**arrays, "header": np.array(json.dumps(header))})
    with pytest.raises(ValueError, match="of body model 'somebody', the one given is"):
        People.load_npz(path, body)


def test_json(people, tmp_path) -> None:
    people.save_json(tmp_path / "a.json")
    data = json.loads((tmp_path / "a.json").read_text())
    assert data["camera"] == dataclasses.asdict(CAMERA)
    assert data["camera"]["focal_assumed"] is True
    assert [row["track_id"] for row in data["people"]] == [7, 3]
    first = data["people"][0]
    np.testing.assert_allclose(first["position_m"], POSITIONS[0], atol=1e-5)
    assert len(first["pose"]) == 72
    assert "vertices_m" not in first
    assert len(first["joints_m"]) == 24


def test_glb_is_y_up_with_one_named_node_per_person(people, tmp_path) -> None:
    people.save_glb(tmp_path / "a.glb")
    scene = trimesh.load_scene(tmp_path / "a.glb")
    assert set(scene.graph.nodes_geometry) == {"person_7", "person_3"}
    for row, name in enumerate(["person_7", "person_3"]):
        transform, geometry = scene.graph[name]
        mesh = scene.geometry[geometry].copy().apply_transform(transform)
        expected = people.vertices_m[row] * (1, -1, -1)
        np.testing.assert_allclose(mesh.vertices, expected, atol=1e-5)
        np.testing.assert_array_equal(mesh.faces, people.body.faces)
        # an upright person in front of the camera: taller than wide, head up, at negative z
        assert np.ptp(mesh.vertices[:, 1]) > 1.4
        assert mesh.vertices[:, 2].max() < 0
        assert mesh.volume > 0.03  # faces look outwards still, 30 l at least
        assert (mesh.visual.vertex_colors[:, :3] == person_color(people.track_id[row])).all()
    assert person_color(3) != person_color(7)


def test_meshes_do_not_need_kept_vertices(people, make_people, tmp_path) -> None:
    people.save_glb(tmp_path / "with.glb")
    without = dataclasses.replace(people, vertices_m=None)
    without.save_glb(tmp_path / "without.glb")
    with_, without_ = (trimesh.load_scene(tmp_path / f"{n}.glb") for n in ("with", "without"))
    np.testing.assert_allclose(with_.bounds, without_.bounds, atol=1e-5)


def test_no_mesh_files_of_nobody(make_people, tmp_path) -> None:
    nobody = make_people([], CAMERA)
    for save in (nobody.save_glb, nobody.save_ply):
        with pytest.raises(ValueError, match=f"{tmp_path}/a: there is nobody to write"):
            save(tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_ply_is_in_the_camera_frame(people, tmp_path) -> None:
    people.save_ply(tmp_path / "a.ply")
    mesh = trimesh.load_mesh(tmp_path / "a.ply", process=False)
    np.testing.assert_allclose(mesh.vertices, people.vertices_m.reshape(-1, 3), atol=1e-5)
    assert len(mesh.faces) == 2 * len(people.body.faces)


@pytest.mark.parametrize("joint_set", JOINT_SETS)
def test_keypoints_are_on_the_person(people, joint_set) -> None:
    px = people.keypoints_px(joint_set)
    assert px.shape == (2, len(JOINT_SETS[joint_set]), 2)
    margin = 5
    for row in range(2):
        x0, y0, x1, y1 = people.bbox_px[row] + (-margin, -margin, margin, margin)
        assert ((px[row] >= (x0, y0)) & (px[row] <= (x1, y1))).all()


def test_coco_keypoints_project_by_hand_and_know_left_from_right(people) -> None:
    names = JOINT_SETS["coco17"]
    points = people.keypoints_m("coco17").astype(np.float64)
    px = people.keypoints_px("coco17")
    expected = points[..., :2] / points[..., 2:] * (580, 590) + (310, 250)
    np.testing.assert_allclose(px, expected, atol=1e-2)
    # They face the camera: their left is on the image's right; noses are above ankles.
    left, right = names.index("left_shoulder"), names.index("right_shoulder")
    assert (px[:, left, 0] > px[:, right, 0]).all()
    assert (px[:, names.index("nose"), 1] < px[:, names.index("left_ankle"), 1] - 100).all()


def test_pose_is_rotation_vectors(people) -> None:
    vectors = np.random.default_rng(0).normal(0, 0.8, (2, 24, 3)).astype(np.float32)
    matrices = roma.rotvec_to_rotmat(torch.from_numpy(vectors)).numpy()
    posed = dataclasses.replace(people, rotations=matrices)
    assert posed.pose_rotvec.shape == (2, 72)
    np.testing.assert_allclose(posed.pose_rotvec, vectors.reshape(2, 72), atol=1e-5)
    assert people.select([]).pose_rotvec.shape == (0, 72)


def test_position_is_the_pelvis(people) -> None:
    np.testing.assert_allclose(people.position_m, POSITIONS, atol=1e-5)


@pytest.mark.parametrize("index", [[1], np.array([False, True]), slice(1, 2)])
def test_select_takes_the_same_rows_of_everything(people, index) -> None:
    chosen = people.select(index)
    assert len(chosen) == 1
    for name in _FIELDS:
        np.testing.assert_array_equal(getattr(chosen, name)[0], getattr(people, name)[1])


def test_select_nobody_and_reorder(people) -> None:
    assert len(people.select([])) == 0
    assert people.select([1, 0]).track_id.tolist() == [3, 7]


def test_concatenate(people) -> None:
    again = People.concatenate((people.select([0]), people.select([1])))
    assert_equal(again, people)
    partly = dataclasses.replace(people, vertices_m=None)
    assert People.concatenate((people, partly)).vertices_m is None
    other = dataclasses.replace(people, camera=Camera.assumed(640, 480))
    with pytest.raises(ValueError, match="different cameras or body models cannot be joined"):
        People.concatenate((people, other))


def test_unchecked_people_have_the_same_fields(people) -> None:
    arrays = {name: getattr(people, name) for name in _FIELDS}
    again = People.unchecked(arrays, people.camera, people.body, people.weights_version)
    assert_equal(again, people)
    assert vars(again).keys() == vars(people).keys()
    for name in ("vertices_m", "track_id", "distance_from_depth"):
        del arrays[name]
    bare = People.unchecked(arrays, people.camera, people.body, people.weights_version)
    assert_equal(bare, dataclasses.replace(people, vertices_m=None, track_id=None))


def test_wrong_shapes_are_refused(people) -> None:
    with pytest.raises(ValueError, match=r"need bbox_px of float32 \[2, 4\], got float32 \[2, 3\]"):
        dataclasses.replace(people, bbox_px=np.zeros((2, 3), np.float32))
    with pytest.raises(ValueError, match="need track_id of int64"):
        dataclasses.replace(people, track_id=np.zeros(2, np.int32))
