"""Readers on small files written here in the documented layouts, for data sets without samples."""

import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import scipy.io
from scipy.spatial.transform import Rotation

from icl_mesh_training.data.catalogue import read_dataset
from icl_mesh_training.data.formats.pw3d import selected
from icl_mesh_training.data.visibility import UNLABELLED
from icl_mesh_training.scenes.render.labels import BY_OBJECT, VISIBLE

RNG = np.random.default_rng(7)


def muco(write: Any) -> np.ndarray:
    points = RNG.uniform(-400, 400, (2, 21, 3)) + [0, 0, 4000]  # millimetres
    images = [
        {"id": 5, "file_name": "augmented_set/a.jpg", "width": 64, "height": 48,
         "f": [60.0, 61.0], "c": [32.0, 24.0]},
        {"id": 6, "file_name": "unaugmented_set/b.jpg", "width": 64, "height": 48,
         "f": [60.0, 61.0], "c": [32.0, 24.0]},
    ]  # fmt: skip
    pixels = points[..., :2] / points[..., 2:] * [60, 61] + [32, 24]
    annotations = [
        {"id": n, "image_id": 6 - n, "bbox": [1, 2, 3, 4],
         "keypoints_img": pixels[n].tolist(), "keypoints_cam": points[n].tolist()}
        for n in range(2)
    ]  # fmt: skip
    write.json("muco/MuCo-3DHP.json", {"images": images, "annotations": annotations})
    return points


def test_muco(write: Any) -> None:
    points = muco(write)
    annotations = read_dataset("muco", write.root)
    assert [path.name for path in annotations.images] == ["a.jpg", "b.jpg"]
    first = annotations[0]  # of image 5, the second annotation
    np.testing.assert_allclose(first.people.keypoints_m[0], points[1] / 1000, rtol=1e-6)
    camera = first.camera(64, 48)
    assert camera is not None
    np.testing.assert_allclose(
        camera.project(first.people.keypoints_m), first.people.keypoints_px, atol=1e-3
    )
    assert (first.people.state == VISIBLE).all()
    assert len(read_dataset("muco", write.root, "augmented")) == 1


@pytest.mark.parametrize("split", ["train", "lspet"])
def test_lsp(write: Any, split: str) -> None:
    """Coordinates count from 1; the third one is "occluded" in LSP, "visible" in LSP Extended."""
    points = np.zeros((14, 3))
    points[:, 0], points[:, 1] = np.arange(14) + 1, np.arange(14) + 11
    points[3, 2] = 1
    stack = np.stack([points, points + 1], axis=2)  # [14, 3, 2]
    stack[:, 2] = points[:, 2:]
    if split == "lspet":
        place, joints, image = write.root / "hr-lspet", stack, "im00001.png"
    else:
        place, joints, image = write.root / "lsp", stack.transpose(1, 0, 2), "images/im0001.jpg"
    write.image(f"{place.name}/{image}")
    scipy.io.savemat(place / "joints.mat", {"joints": joints})
    annotations = read_dataset("lsp", write.root, split)
    assert len(annotations) == 2
    assert annotations.images[0].is_file()
    people = annotations.people
    np.testing.assert_array_equal(people.keypoints_px[0, 3], [3, 13])
    if split == "lspet":
        assert (people.state[0] < UNLABELLED).tolist() == [n == 3 for n in range(14)]
    else:
        assert people.state[0].tolist() == [BY_OBJECT if n == 3 else VISIBLE for n in range(14)]


def eft_fit(**fields: Any) -> dict[str, Any]:
    turns = Rotation.from_rotvec(RNG.normal(0, 0.5, (24, 3))).as_matrix()
    return {
        "parm_pose": turns.tolist(),
        "parm_shape": RNG.normal(size=10).tolist(),
        "parm_cam": [0.9, 0.0, 0.0],
        "smpltype": "smpl",
        **fields,
    }


def test_eft_finds_its_person_of_coco(write: Any, keypoints: np.ndarray) -> None:
    write.coco(
        "coco/annotations/person_keypoints_train2017.json",
        {"a.jpg": [keypoints], "b.jpg": [keypoints, keypoints]},
    )
    write.image("coco/train2017/a.jpg")
    fit = eft_fit(imageName="COCO_train2014_b.jpg", annotId=102)
    other = eft_fit(imageName="COCO_train2014_c.jpg", annotId=9)
    write.json("eft_fit/COCO2014-All-ver01.json", {"ver": 0.1, "data": [fit, other]})
    annotations = read_dataset("coco", write.root)
    assert annotations.people.has_pose.tolist() == [False, False, True]
    turns = Rotation.from_rotvec(annotations.people.pose[2]).as_matrix()
    np.testing.assert_allclose(turns, fit["parm_pose"], atol=1e-6)
    np.testing.assert_allclose(annotations.people.betas[2], fit["parm_shape"], rtol=1e-6)
    assert annotations.missing == []


def test_eft_finds_its_person_of_mpii_by_place(write: Any) -> None:
    """Two people of one image, their fits in the other order; a fit far from both is unused."""
    joints = [RNG.uniform(20, 60, (16, 2)), RNG.uniform(20, 60, (16, 2)) + [200, 0]]
    people = [
        {"image": "a.jpg", "joints": j.tolist(), "joints_vis": [1] * 16,
         "center": j.mean(0).tolist(), "scale": 0.3}
        for j in joints
    ]  # fmt: skip
    write.json("mpii/annotations/mpii_train.json", people)
    write.image("mpii/images/a.jpg")
    fits = [
        eft_fit(imageName="a.jpg", bbox_center=[240.0, 40.0], bbox_scale=0.3),
        eft_fit(imageName="a.jpg", bbox_center=[40.0, 40.0], bbox_scale=0.3),
        eft_fit(imageName="a.jpg", bbox_center=[640.0, 40.0], bbox_scale=0.3),
    ]
    write.json("eft_fit/MPII_ver01.json", {"ver": 0.1, "data": fits})
    found = read_dataset("mpii", write.root).people
    np.testing.assert_allclose(found.keypoints_px[1], joints[1] - 1, rtol=1e-6)
    np.testing.assert_allclose(found.betas[0], fits[1]["parm_shape"], rtol=1e-6)
    np.testing.assert_allclose(found.betas[1], fits[0]["parm_shape"], rtol=1e-6)


def test_human36m_with_fits(write: Any) -> None:
    """SPIN's files have SMPL pose and shape beside the points; not of everybody."""
    name = "S1/S1_Walk.54138969/S1_Walk.54138969_000001.jpg"
    part = np.dstack([RNG.uniform(0, 900, (2, 17, 2)), np.ones((2, 17, 1))])
    space = np.dstack([RNG.uniform(-1, 1, (2, 17, 3)) + [0, 0, 5], np.ones((2, 17, 1))])
    place = write.root / "h36m" / "annotation_body3d"
    (place / "fps50").mkdir(parents=True)
    (write.root / "h36m" / "images").mkdir()
    np.savez(
        place / "fps50" / "h36m_train.npz",
        imgname=np.array([name, name.replace("001", "002")]),
        part=part, S=space, has_smpl=np.array([1, 0]),
        pose=RNG.normal(size=(2, 72)), shape=RNG.normal(size=(2, 10)),
    )  # fmt: skip
    camera = {"f": np.array([[1145.0], [1143.0]]), "c": np.array([[512.0], [515.0]])}
    (place / "cameras.pkl").write_bytes(pickle.dumps({("S1", "54138969"): camera}))
    people = read_dataset("h36m", write.root).people
    assert people.has_pose.tolist() == people.has_betas.tolist() == [True, False]
    assert people.has_3d.all()
    assert people.gender.tolist() == ["n", "n"]


def test_human36m_as_parsed_to_json(write: Any) -> None:
    """World frame to camera frame, points and root rotation; every 5th frame."""
    turn = Rotation.from_rotvec([0.3, -1.0, 0.4])
    shift = np.array([100.0, -50.0, 5000.0])
    world, pose = RNG.uniform(-900, 900, (17, 3)), RNG.normal(0, 0.5, (24, 3))
    images, annotations = [], []
    for frame in range(8):
        name = f"s_01_act_02_subact_01_ca_01/s_01_act_02_subact_01_ca_01_{frame + 1:06d}.jpg"
        images.append(
            {"id": frame, "file_name": name, "width": 1000, "height": 1002, "subject": 1,
             "action_idx": 2, "subaction_idx": 1, "cam_idx": 1, "frame_idx": frame}
        )  # fmt: skip
        annotations.append({"id": frame, "image_id": frame, "bbox": [1, 2, 3, 4]})
    frames = {str(frame): world.tolist() for frame in range(8)}
    camera = {
        "R": turn.as_matrix().tolist(),
        "t": shift.tolist(),
        "f": [1145, 1143],
        "c": [512, 515],
    }
    fit = {"pose": pose.ravel().tolist(), "shape": [0.5] * 10, "trans": [0, 0, 0]}
    for subject in (1, 5, 6, 7, 8):
        stem = f"h36m/annotations/Human36M_subject{subject}"
        own = images if subject == 1 else []
        write.json(f"{stem}_data.json", {"images": own, "annotations": annotations})
        write.json(f"{stem}_camera.json", {"1": camera})
        write.json(f"{stem}_joint_3d.json", {"2": {"1": frames}})
        write.json(f"{stem}_smpl_param.json", {"2": {"1": {"5": fit}}})
    (write.root / "h36m" / "images").mkdir()
    annotations_read = read_dataset("h36m", write.root)
    assert [path.stem[-2:] for path in annotations_read.images] == ["01", "06"]
    assert annotations_read.missing == []
    people = annotations_read.people
    assert people.has_pose.tolist() == [False, True]
    matrix = np.array([[1145.0, 0, 512], [0, 1143, 515], [0, 0, 1]])
    px = cv2.projectPoints(world, turn.as_rotvec(), shift, matrix, None)[0][:, 0]
    np.testing.assert_allclose(people.keypoints_px[1], px, atol=0.01)
    record = annotations_read[1]
    known = record.camera(1000, 1002)
    assert known is not None
    np.testing.assert_allclose(known.project(people.keypoints_m[1]), px, atol=0.01)
    # The body's axes, turned to the world and then to the camera.
    root = Rotation.from_rotvec(people.pose[1, 0])
    expected = turn.apply(Rotation.from_rotvec(pose[0]).apply([0, 1, 0]))
    np.testing.assert_allclose(root.apply([0, 1, 0]), expected, atol=1e-6)
    np.testing.assert_allclose(people.pose[1, 1:], pose[1:], rtol=1e-5)


def pw3d_sequence(frames: int) -> dict[str, Any]:
    """Two actors; the second is not aligned in frame 0 and not seen in frame 1."""
    turn = Rotation.from_rotvec([[0.1, 2.0, 0.2]] * frames).as_matrix()
    poses = np.tile(np.eye(4), (frames, 1, 1))
    poses[:, :3, :3], poses[:, :3, 3] = turn, [0.1, 0.2, 5.0]
    seen = np.ones((frames, 3, 18))
    unseen = seen.copy()
    unseen[1] = 0
    return {
        "sequence": "x",
        "poses": [RNG.normal(0, 0.3, (frames, 72)) for _ in range(2)],
        "betas": [RNG.normal(size=10), RNG.normal(size=300)],
        "trans": [np.zeros((frames, 3))] * 2,
        "cam_intrinsics": np.array([[1900.0, 0, 540], [0, 1910.0, 960], [0, 0, 1]]),
        "cam_poses": poses,
        "campose_valid": [np.ones(frames), np.r_[0, np.ones(frames - 1)]],
        "poses2d": [seen, unseen],
        "jointPositions": [RNG.uniform(-0.8, 0.8, (frames, 72)) for _ in range(2)],
        "genders": ["f", "m"],
    }


def write_pw3d(root: Path, split: str, name: str, frames: int) -> dict[str, Any]:
    sequence = pw3d_sequence(frames)
    place = root / "3dpw" / "sequenceFiles" / split
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}.pkl").write_bytes(pickle.dumps(sequence, protocol=2))
    return sequence


def test_3dpw(tmp_path: Path) -> None:
    sequence = write_pw3d(tmp_path, "test", "downtown_walking_00", 4)
    annotations = read_dataset("3dpw", tmp_path)
    assert [len(annotations[n].people) for n in range(4)] == [1, 1, 2, 2]
    record = annotations[2]
    assert record.path == tmp_path / "3dpw/imageFiles/downtown_walking_00/image_00002.jpg"
    world = sequence["jointPositions"][1][2].reshape(24, 3)
    rvec = cv2.Rodrigues(sequence["cam_poses"][2, :3, :3])[0]
    shift = sequence["cam_poses"][2, :3, 3]
    px = cv2.projectPoints(world, rvec, shift, sequence["cam_intrinsics"], None)[0][:, 0]
    np.testing.assert_allclose(record.people.keypoints_px[1], px, atol=0.01)
    camera = record.camera(1080, 1920)
    assert camera is not None
    np.testing.assert_allclose(camera.project(record.people.keypoints_m[1]), px, atol=0.01)
    # The root's rotation is the world's, seen from the camera; the others are relative.
    root = Rotation.from_rotvec(sequence["poses"][1][2][:3])
    expected = sequence["cam_poses"][2, :3, :3] @ root.as_matrix()
    found = Rotation.from_rotvec(record.people.pose[1, 0]).as_matrix()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(
        record.people.pose[1, 1:].ravel(), sequence["poses"][1][2][3:], rtol=1e-5
    )
    np.testing.assert_allclose(record.people.betas[1], sequence["betas"][1][:10], rtol=1e-5)
    assert record.people.gender.tolist() == ["f", "m"]


def test_selections_of_3dpw(tmp_path: Path) -> None:
    write_pw3d(tmp_path, "train", "courtyard_basketball_00", 203)  # PC from frame 200; OC
    write_pw3d(tmp_path, "test", "flat_packBags_00", 3)  # OC
    write_pw3d(tmp_path, "test", "downtown_walking_00", 3)
    pc = read_dataset("3dpw", tmp_path, "pc")
    assert [path.stem for path in pc.images] == ["image_00200", "image_00201", "image_00202"]
    oc = read_dataset("3dpw", tmp_path, "oc")
    assert {path.parent.name for path in oc.images} == {
        "courtyard_basketball_00",
        "flat_packBags_00",
    }
    assert len(oc) == 206
    # The six ranges by hand: 80 + 100 + 310 + 210 + 400 + 280 frames.
    sequences = ("courtyard_basketball_00", "courtyard_captureSelfies_00", "courtyard_dancing_00",
                 "courtyard_dancing_01", "courtyard_hug_00", "downtown_bus_00")  # fmt: skip
    assert sum(selected(name, f, "pc") for name in sequences for f in range(2500)) == 1380


def test_a_pickle_that_wants_to_run_something_is_refused(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return print, ("run",)

    place = tmp_path / "3dpw" / "sequenceFiles" / "test"
    place.mkdir(parents=True)
    (place / "a_00.pkl").write_bytes(pickle.dumps({"poses": Harmful()}))
    with pytest.raises(ValueError, match=r"a_00\.pkl: not read .*builtins\.print"):
        read_dataset("3dpw", tmp_path)
