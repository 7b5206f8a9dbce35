"""Readers on real files of the data sets (a few images each; see conftest)."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from icl_mesh_training.data.augmentation import AugmentationConfig
from icl_mesh_training.data.catalogue import read_dataset
from icl_mesh_training.data.check import check_dataset
from icl_mesh_training.data.files import read_pickle
from icl_mesh_training.data.formats.coco import read_coco
from icl_mesh_training.data.images import LabelledImages
from icl_mesh_training.data.visibility import UNLABELLED

# Where the sample files stand in the published layout: data set -> {place: sample}.
PLACES = {
    "coco": {
        "annotations/person_keypoints_val2017.json": "coco/test_coco.json",
        "val2017": "coco",
    },
    "crowdpose": {
        "annotations/crowdpose_val.json": "crowdpose/test_crowdpose.json",
        "images": "crowdpose",
    },
    "ochuman": {
        "annotations/ochuman_coco_format_val_range_0.00_1.00.json": "ochuman/test_ochuman.json",
        "images": "ochuman",
    },
    "mpii": {"annotations/mpii_val.json": "mpii/test_mpii.json", "images": "mpii"},
    "h36m": {
        "annotation_body3d/fps50/h36m_train.npz": "h36m/test_h36m_body3d.npz",
        "annotation_body3d/cameras.pkl": "h36m/cameras.pkl",
    },
    "mpi_inf_3dhp": {
        "mpi_inf_3dhp_train.npz": "mpi_inf_3dhp/test_3dhp_train.npz",
        "cameras_train.pkl": "mpi_inf_3dhp/cameras_train.pkl",
        "mpi_inf_3dhp_test.npz": "mpi_inf_3dhp/test_3dhp_test.npz",
        "cameras_test.pkl": "mpi_inf_3dhp/cameras_test.pkl",
    },
}


@pytest.fixture
def root(samples: Path, tmp_path: Path) -> Path:
    for name, places in PLACES.items():
        for place, source in places.items():
            target = tmp_path / name / place
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(samples / source)
    for name in ("h36m", "mpi_inf_3dhp"):  # annotations only
        (tmp_path / name / "images").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "images", "people", "keypoints"),
    # Counted in the JSON files by hand: people with num_keypoints > 0, flags above 0.
    [("coco", 4, 12, 181), ("crowdpose", 2, 4, 47), ("ochuman", 3, 5, 73), ("mpii", 5, 5, 76)],
)
def test_photos(root: Path, name: str, images: int, people: int, keypoints: int) -> None:
    report = check_dataset(name, root, "val2017" if name == "coco" else "val")
    assert (report.images, report.people, report.keypoints) == (images, people, keypoints)
    assert report.broken == []
    assert [text for text in report.missing if "eft_fit" not in text] == []
    annotations = read_dataset(name, root, report.split)
    source = LabelledImages(annotations, 128, AugmentationConfig.none())
    seen = 0
    for index in range(len(source)):
        sample = source[0, index]
        assert np.isfinite(sample.joints_2d).all()
        # All these people are inside their images.
        assert (sample.joint_state[sample.joint_labelled] < 4).all()
        assert not sample.has_camera.any()
        assert not sample.has_joints_3d.any()
        seen += int(sample.joint_labelled.any(axis=1).sum())
    assert seen == people


def test_human36m_by_its_own_camera(root: Path) -> None:
    """Human3.6M's own lens formula puts the points in metres on the labelled pixels."""
    annotations = read_dataset("h36m", root)
    cameras = read_pickle(root / "h36m/annotation_body3d/cameras.pkl", "cameras")
    assert len(annotations) == 4
    for index in range(4):
        record = annotations[index]
        subject, camera = record.path.name.split("_")[0], record.path.name.split(".")[1][:8]
        known = cameras[subject, camera]
        points = record.people.keypoints_m[0].astype(float)
        x = points[:, :2] / points[:, 2:]
        r2 = (x**2).sum(axis=1)
        k, p = known["k"].ravel(), known["p"].ravel()
        stretch = 1 + k @ [r2, r2**2, r2**3] + x @ p[::-1]
        px = x * stretch[:, None] + r2[:, None] * p[::-1]
        px = px * known["f"].ravel() + known["c"].ravel()
        np.testing.assert_allclose(px, record.people.keypoints_px[0], atol=1e-3)
        ours = record.camera(known["w"], known["h"])
        assert ours is not None
        np.testing.assert_allclose(ours.project(points), record.people.keypoints_px[0], atol=0.25)


def test_human36m_left_and_right(root: Path, samples: Path) -> None:
    """The face lies in front of a body whose left hip is on its left.

    The same people in the sample's COCO file have their categories named the other way round: the
    order of the points, not those names, is Human3.6M's.
    """
    annotations = read_dataset("h36m", root)
    names = annotations.points.names
    points = annotations.people.keypoints_m.astype(float)
    at = {name: points[:, names.index(name)] for name in names}
    forward = np.cross(at["left_hip"] - at["right_hip"], at["thorax"] - at["pelvis"])
    assert (((at["face"] - at["thorax"]) * forward).sum(axis=1) > 0).all()
    twin, _ = read_coco("h36m", samples / "h36m/h36m_coco.json", samples, "h36m17")
    np.testing.assert_allclose(twin.people.keypoints_px, annotations.people.keypoints_px)
    assert (twin.people.state < UNLABELLED).all()


@pytest.mark.parametrize("split", ["train", "test"])
def test_mpi_inf_3dhp_projects_onto_its_pixels(root: Path, split: str) -> None:
    annotations = read_dataset("mpi_inf_3dhp", root, split)
    assert len(annotations) == 2
    for index in range(2):
        record = annotations[index]
        camera = record.camera(2048, 2048)
        assert camera is not None
        error = camera.project(record.people.keypoints_m[0]) - record.people.keypoints_px[0]
        known = record.people.state[0] < UNLABELLED
        # Of one person an elbow and a hand are outside the image: their flags are 0.
        assert known.sum() == (15 if record.path.name.startswith("TS2") else 17)
        assert np.abs(error[known]).max() < 2  # the data set's lens is not in its files
        height = np.linalg.norm(np.diff(record.people.keypoints_m[0, [0, 10]], axis=0))
        assert 0.5 < height < 2.2  # metres, in any pose


def test_three_dimensional_samples_are_consistent(root: Path) -> None:
    """A sample's camera and joints give its 2-D labels, after every augmentation."""
    import torch

    from icl_mesh.geometry.camera import project_from_weak

    annotations = read_dataset("h36m", root)
    for path in annotations.images:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (1000, 1002), (90, 120, 60)).save(path)
    source = LabelledImages(annotations, 256, AugmentationConfig(flip=0.5, roll=1, crop=1), seed=2)
    checked = 0
    for epoch in range(4):
        for index in range(len(source)):
            sample = source[epoch, index]
            assert sample.has_joints_3d.all()
            assert sample.has_camera.all()
            assert not sample.has_pose.any()  # this file has no SMPL fit
            used = sample.joint_labelled & (sample.joint_state < 4)
            assert sample.joint_labelled.sum() == 14  # 12 limb joints, pelvis, neck
            px = project_from_weak(
                torch.from_numpy(sample.joints_3d),
                torch.from_numpy(sample.weak_camera),
                torch.from_numpy(sample.inverse_focal),
                torch.from_numpy(sample.principal),
            ).numpy()
            # The lens shifts by 2.5 px of 1002, times a zoom of up to 3.
            np.testing.assert_allclose(px[used], sample.joints_2d[used], atol=0.02)
            checked += int(used.sum())
    assert checked > 80


def test_panoptic(samples: Path, tmp_path: Path) -> None:
    place = tmp_path / "panoptic" / "160906_band1"
    shutil.copytree(samples / "panoptic_body3d/160906_band1", place)
    for camera in ("00_16", "00_30"):
        for frame in (168, 169, 170):  # 170 has no bodies
            path = place / "hdImgs" / camera / f"{camera}_{frame:08d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (1920, 1080)).save(path)
    report = check_dataset("panoptic", tmp_path)
    assert report.ok, list(report.lines())
    assert (report.images, report.people) == (4, 12)
    annotations = read_dataset("panoptic", tmp_path)
    scene = json.loads((place / "hdPose3d_stage1_coco19/body3DScene_00000168.json").read_text())
    record = annotations[0]
    assert record.path.name == "00_16_00000168.jpg"
    confidence = np.array([body["joints19"] for body in scene["bodies"]]).reshape(3, 19, 4)[..., 3]
    np.testing.assert_array_equal(record.people.state < UNLABELLED, confidence > 0.1)
    camera = record.camera(1920, 1080)
    assert camera is not None
    known = record.people.state < UNLABELLED
    points, px = record.people.keypoints_m[known], record.people.keypoints_px[known]
    np.testing.assert_allclose(camera.project(points), px, atol=0.1)
    # Musicians stand a few metres from the dome's wall, and are of human size.
    assert ((points[:, 2] > 1) & (points[:, 2] < 7)).all()
    source = LabelledImages(annotations, 128, AugmentationConfig.none())
    sample = source[0, 0]
    assert sample.has_joints_3d.any()
    assert sample.joint_labelled[sample.has_joints_3d].sum() >= 10
