"""Label files of the other layouts with random damage: read, or refused with their name."""

import pickle
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.io
from scipy.spatial.transform import Rotation

from icl_mesh_training.data.catalogue import read_dataset
from icl_mesh_training.data.check import check_dataset

RNG = np.random.default_rng(3)
CAMERA = {"R": np.eye(3).tolist(), "t": [0.0, 0, 4000], "f": [60.0, 61], "c": [32.0, 24]}
WORLD = RNG.uniform(-500, 500, (21, 3)) + [0, 0, 4000]


def muco() -> dict[str, Any]:
    size = {"width": 64, "height": 48, "f": [60.0, 61], "c": [32.0, 24]}
    person = {"bbox": [1, 2, 3, 4], "keypoints_img": WORLD[:, :2].tolist()}
    return {
        "muco/MuCo-3DHP.json": {
            "images": [{"id": 5, "file_name": "augmented_set/a.jpg", **size}],
            "annotations": [{"id": 1, "image_id": 5, **person, "keypoints_cam": WORLD.tolist()}],
        }
    }


def mpii() -> dict[str, Any]:
    joints = RNG.uniform(20, 60, (16, 2)).tolist()
    person = {"image": "a.jpg", "joints": joints, "joints_vis": [1] * 16}
    fit = {"imageName": "a.jpg", "bbox_center": [40.0, 40], "bbox_scale": 0.3, "annotId": 3}
    turns = Rotation.from_rotvec(RNG.normal(0, 0.5, (24, 3))).as_matrix().tolist()
    fit |= {"parm_pose": turns, "parm_shape": [0.1] * 10, "smpltype": "smpl"}
    return {
        "mpii/annotations/mpii_train.json": [{**person, "center": [40, 40], "scale": 0.3}],
        "eft_fit/MPII_ver01.json": {"ver": 0.1, "data": [fit]},
    }


def h36m() -> dict[str, Any]:
    image = {"id": 1, "file_name": "a.jpg", "width": 64, "height": 48, "frame_idx": 5}
    image |= {"action_idx": 2, "subaction_idx": 1, "cam_idx": 1}
    files: dict[str, Any] = {}
    for subject in (1, 5, 6, 7, 8):
        stem = f"h36m/annotations/Human36M_subject{subject}"
        own = {"image_id": 1, "bbox": [1, 2, 3, 4]}
        files[f"{stem}_data.json"] = {"images": [image], "annotations": [own]}
        files[f"{stem}_camera.json"] = {"1": CAMERA}
        files[f"{stem}_joint_3d.json"] = {"2": {"1": {"5": WORLD[:17].tolist()}}}
        fit = {"pose": [0.1] * 72, "shape": [0.5] * 10}
        files[f"{stem}_smpl_param.json"] = {"2": {"1": {"5": fit}}}
    return files


def panoptic() -> dict[str, Any]:
    matrix = [[60.0, 0, 32], [0, 60, 24], [0, 0, 1]]
    camera = {"K": matrix, "distCoef": [0.0] * 5, "R": np.eye(3).tolist(), "t": [[0.0], [0], [4]]}
    cameras = [{"name": name, "resolution": [64, 48], **camera} for name in ("00_16", "00_30")]
    joints = np.column_stack((RNG.uniform(-50, 50, (19, 3)) + [0, 0, 300], np.ones(19)))
    body = {"id": 1, "joints19": joints.ravel().tolist()}
    return {
        "panoptic/x/calibration_x.json": {"cameras": cameras},
        "panoptic/x/hdPose3d_stage1_coco19/body3DScene_00000001.json": {"bodies": [body]},
    }


def coco_with_eft() -> dict[str, Any]:
    keypoints = [v for x, y in RNG.uniform(9, 40, (17, 2)).tolist() for v in (x, y, 2)]
    person = {"id": 3, "image_id": 1, "keypoints": keypoints, "bbox": [4, 4, 40, 40]}
    image = {"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}
    content = {"images": [image], "annotations": [person], "categories": []}
    fits = {"eft_fit/COCO2014-All-ver01.json": mpii()["eft_fit/MPII_ver01.json"]}
    return {"coco/annotations/person_keypoints_train2017.json": content, **fits}


LAYOUTS = [("muco", muco), ("mpii", mpii), ("h36m", h36m), ("panoptic", panoptic)]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "layout"), [*LAYOUTS, ("coco", coco_with_eft)])
def test_damaged_json(
    write: Any,
    name: str,
    layout: Callable[[], dict[str, Any]],
    mutated: Callable[[Any, random.Random], bytes],
) -> None:
    root, rng, refused = write.root, random.Random(name), 0
    files = layout()
    for path, content in files.items():
        write.json(path, content)
    for folder in ("h36m/images", "mpii/images", "coco/train2017"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for camera in ("00_16", "00_30"):
        place = root / "panoptic/x/hdImgs" / camera
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{camera}_00000001.jpg").touch()
    assert not read_dataset(name, root).faults
    for number in range(150):
        path = list(files)[number % len(files)]
        (root / path).unlink()
        (root / path).write_bytes(mutated(files[path], rng))
        try:
            annotations = read_dataset(name, root)
        except (ValueError, FileNotFoundError) as error:
            refused += 1
            assert str(error).startswith(str(root)), error
            assert "\n" not in str(error)
        else:
            assert all(str(root) in text for text in annotations.faults.values())
        if (number + 1) % 3 == 0:  # damage adds up
            for whole, content in files.items():
                write.json(whole, content)
    assert refused > 10


def arrays() -> dict[str, Any]:
    ones = np.ones((2, 17, 1))
    part = np.concatenate((RNG.uniform(5, 40, (2, 17, 2)), ones), axis=2)
    space = np.concatenate((RNG.uniform(-1, 1, (2, 17, 3)) + [0, 0, 4], ones), axis=2)
    names = np.array(["S1/S1_Walk.54138969/S1_Walk.54138969_000001.jpg"] * 2)
    fits = {"pose": np.zeros((2, 72)), "shape": np.zeros((2, 10)), "has_smpl": np.ones(2)}
    return {"imgname": names, "part": part, "S": space, **fits}


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("imgname", np.array(["a.jpg", "b"])),
        ("imgname", np.array(3)),
        ("part", np.full((2, 17, 3), "x")),
        ("S", np.array(1.0)),
        ("pose", np.zeros((2, 71))),
        ("shape", np.zeros((2, 9))),
        ("shape", np.array("x")),
        ("has_smpl", np.ones(7)),
        ("has_smpl", np.array(["yes", "no"])),
    ],
)
def test_arrays_of_other_shapes_are_named(write: Any, entry: str, value: np.ndarray) -> None:
    place = write.root / "h36m/annotation_body3d"
    (place / "fps50").mkdir(parents=True)
    (write.root / "h36m/images").mkdir()
    source = place / "fps50/h36m_train.npz"
    cameras = {("S1", "54138969"): {"f": np.ones((2, 1)), "c": np.ones((2, 1))}}
    (place / "cameras.pkl").write_bytes(pickle.dumps(cameras))
    np.savez(source, **arrays())
    assert len(read_dataset("h36m", write.root)) == 2
    np.savez(source, **arrays() | {entry: value})
    with pytest.raises(ValueError, match=r"(h36m_train\.npz|cameras\.pkl): "):
        read_dataset("h36m", write.root)


@pytest.mark.parametrize("cameras", [{}, [1], {("S1", "54138969"): 3},
    {("S1", "54138969"): {"f": np.ones(3), "c": np.ones(2)}},
    {("S1", "54138969"): {"f": np.array(["x", "y"]), "c": np.ones(2)}},
    {("S1", "54138969"): {"f": np.ones(2), "c": np.ones(2), "k": 1, "p": 2}},
])  # fmt: skip
def test_cameras_of_another_kind_are_named(write: Any, cameras: Any) -> None:
    place = write.root / "h36m/annotation_body3d"
    (place / "fps50").mkdir(parents=True)
    (write.root / "h36m/images").mkdir()
    np.savez(place / "fps50/h36m_train.npz", **arrays())
    (place / "cameras.pkl").write_bytes(pickle.dumps(cameras))
    with pytest.raises(ValueError, match=r"cameras\.pkl: "):
        read_dataset("h36m", write.root)


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("cam_intrinsics", np.ones(4)),
        ("cam_intrinsics", [["x"] * 3] * 3),
        ("cam_poses", np.ones((2, 3))),
        ("jointPositions", 5),
        ("jointPositions", [np.ones((2, 71))]),
        ("campose_valid", []),
        ("poses", [np.ones((1, 72))]),
        ("poses2d", [np.ones(2)]),
        ("genders", []),
        ("betas", [np.ones(3)]),
    ],
)
def test_sequences_of_another_kind_are_named(write: Any, entry: str, value: Any) -> None:
    sequence = {
        "poses": [np.zeros((2, 72))],
        "betas": [np.zeros(10)],
        "cam_intrinsics": np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]]),
        "cam_poses": np.tile(np.eye(4), (2, 1, 1)),
        "campose_valid": [np.ones(2)],
        "jointPositions": [np.ones((2, 72))],
        "genders": ["n"],
    }
    place = write.root / "3dpw/sequenceFiles/test"
    place.mkdir(parents=True)
    (place / "a_00.pkl").write_bytes(pickle.dumps(sequence))
    assert len(read_dataset("3dpw", write.root)) == 2
    (place / "a_00.pkl").write_bytes(pickle.dumps(sequence | {entry: value}))
    with pytest.raises(ValueError, match=r"a_00\.pkl: not as published"):
        read_dataset("3dpw", write.root)


def test_matlab_files_of_another_kind_are_named(write: Any) -> None:
    place = write.root / "hr-lspet"
    place.mkdir()
    scipy.io.savemat(place / "joints.mat", {"joints": np.array(["a", "b"], object)})
    with pytest.raises(ValueError, match=r"joints\.mat: 'joints'"):
        read_dataset("lsp", write.root)
    (place / "joints.mat").write_bytes(b"MATLAB" + bytes(200))
    with pytest.raises(ValueError, match=r"joints\.mat: not a readable MATLAB file"):
        read_dataset("lsp", write.root)


def test_the_check_never_raises_for_the_files_systems_refuse(write: Any) -> None:
    """A folder in a file's place, names too long, pictures that promise too much."""
    (write.root / "person_keypoints.json").mkdir()
    (write.root / "images").mkdir()
    assert "not readable JSON" in check_dataset("coco", write.root, "folder").broken[0]
    (write.root / "person_keypoints.json").rmdir()
    names = ("x" * 300 + ".jpg", "a/\0.jpg", "", "huge.png")
    images = [{"id": n, "file_name": name} for n, name in enumerate(names)]
    write.json("person_keypoints.json", {"images": images, "annotations": []})
    header = bytes.fromhex("89504e470d0a1a0a0000000d49484452 0000ea60 0000ea60 0802000000")
    import zlib

    checksum = zlib.crc32(header[12:]).to_bytes(4, "big")
    (write.root / "images/huge.png").write_bytes(header + checksum)
    for quick in (True, False):
        report = check_dataset("coco", write.root, "folder", quick)
        assert len(report.missing) == 2
        assert any("huge.png: not a readable image" in text for text in report.broken)
