"""Samples of data sets: label masks, augmentation, regions of which nothing is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial.transform import Rotation

from icl_mesh.body import BodyModel
from icl_mesh.geometry.letterbox import Letterbox
from icl_mesh_training.data.annotations import Annotations, Images, People
from icl_mesh_training.data.augmentation import AugmentationConfig
from icl_mesh_training.data.batch import collate
from icl_mesh_training.data.catalogue import read_dataset
from icl_mesh_training.data.images import LabelledImages, open_dataset
from icl_mesh_training.data.mixture import MixedDataset
from icl_mesh_training.losses.targets import make_targets

PLAIN = AugmentationConfig.none()
LEFT_WRIST, RIGHT_WRIST = 20, 21


def coco_folder(write: Any, *people: np.ndarray, **fields: Any) -> Path:
    write.coco("person_keypoints.json", {"a.png": list(people)}, **fields)
    write.image("images/a.png")
    return write.root


def test_letterbox_is_the_estimators(write: Any, keypoints: np.ndarray) -> None:
    root = coco_folder(write, keypoints)
    sample = open_dataset("coco", root, "folder", size=128, augmentation=PLAIN)[0, 0]
    expected = Letterbox(64, 48, 128).square_from_px(keypoints[9, :2])  # left wrist
    np.testing.assert_allclose(sample.joints_2d[0, LEFT_WRIST], expected, atol=1e-6)
    assert sample.image.shape == (128, 128, 3)
    # 64 x 48 leaves 16 rows above; the last of them is interpolated.
    assert (sample.image[:15] == (124, 116, 104)).all()


def test_unlabelled_points_are_neither_positives_nor_negatives(
    write: Any, keypoints: np.ndarray
) -> None:
    other = keypoints.copy()
    other[9] = 0  # left wrist without a label
    root = coco_folder(write, keypoints, other)
    sample = open_dataset("coco", root, "folder", size=128, augmentation=PLAIN)[0, 0]
    assert sample.joint_labelled[:, LEFT_WRIST].tolist() == [True, False]
    assert sample.joint_labelled[:, RIGHT_WRIST].all()
    targets = make_targets(collate([sample]), 16)
    head, neck = 15, 12  # COCO labels neither
    assert targets.joint_weight[0, [head, neck]].sum() == 0
    # Somewhere in the other person there is a left wrist: those cells do not count as "none".
    counted = targets.joint_weight[0, LEFT_WRIST] > 0
    assert not counted.all()
    assert counted[targets.joint_heatmaps[0, LEFT_WRIST] == 1].all()


@pytest.mark.parametrize("fields", [{"iscrowd": 1}, {}])
def test_people_known_by_their_box_are_masked(
    write: Any, keypoints: np.ndarray, fields: dict[str, int]
) -> None:
    """A crowd, or a person without keypoints, beside one who has them."""
    unknown = np.zeros((17, 3))
    root = coco_folder(write, keypoints, keypoints if fields else unknown)
    if fields:
        import json

        path = root / "person_keypoints.json"
        content = json.loads(path.read_text())
        content["annotations"][1] |= {"iscrowd": 1, "bbox": [40.0, 10.0, 24.0, 30.0]}
        path.write_text(json.dumps(content))
    flipped = AugmentationConfig.none().__class__(flip=1, roll=0, crop=0, colour=0, blur=0, grey=0)
    sample = open_dataset("coco", root, "folder", size=128, augmentation=flipped)[0, 0]
    assert sample.joint_labelled.any(axis=1).tolist() == [True, False]
    box = [40, 10, 24, 30] if fields else [4, 5, 30, 40]
    left, right = 63 - box[0] - box[2] + 1, 63 - box[0]  # mirrored, first and last column
    expected = Letterbox(64, 48, 128).square_from_px([[left, box[1]], [right, box[1] + box[3] - 1]])
    corners = sample.joints_2d[1]
    np.testing.assert_allclose([corners.min(0), corners.max(0)], expected, atol=1e-6)
    assert (sample.joint_state[1] == 0).all()
    targets = make_targets(collate([sample]), 16)
    assert targets.kept.tolist() == [True, False]
    assert 0 < (targets.center_weight == 0).sum() < 200


@pytest.mark.parametrize("box", [[20.0, 8.0, 30.0, 36.0], None])
def test_a_face_alone_is_no_background(write: Any, box: list[float] | None) -> None:
    """Eyes, nose and ears map to no SMPL joint, but their person is no background."""
    face = np.zeros((17, 3))
    face[:5] = np.column_stack((np.linspace(22, 47, 5), np.linspace(10, 41, 5), [2] * 5))
    root = coco_folder(write, face, bbox=box)
    sample = open_dataset("coco", root, "folder", size=64, augmentation=PLAIN)[0, 0]
    assert not sample.joint_labelled.any()
    targets = make_targets(collate([sample]), 64)
    assert not targets.kept.any()
    # 8 rows of padding above: the face is around column 35, row 33.
    assert targets.center_weight[0, 0, 20:45, 25:45].max() == 0
    assert targets.center_weight[0, 0, :, :18].min() == 1


def test_what_surrounds_people_is_unknown_where_annotators_left_people_out(write: Any) -> None:
    """MPII labels some people of an image: the surroundings may contain others."""
    joints = np.column_stack((np.linspace(21, 41, 16), np.linspace(11, 31, 16)))  # from 1
    person = {"image": "a.png", "joints": joints.tolist(), "joints_vis": [1] * 16,
              "center": [31, 21], "scale": 0.1}  # fmt: skip
    write.json("mpii/annotations/mpii_train.json", [person])
    write.image("mpii/images/a.png", width=64, height=64)
    sample = open_dataset("mpii", write.root, size=64, augmentation=PLAIN)[0, 0]
    # The labelled box is 20..40 x 10..30 px, grown by a tenth of its longer side: 18..42 x 8..32.
    px = (sample.joints_2d[1:] + 1) * 32 - 0.5
    boxes = np.round(np.concatenate((px.min(axis=1), px.max(axis=1)), axis=1)).astype(int)
    assert boxes.tolist() == [[0, 0, 17, 63], [42, 0, 63, 63], [18, 0, 41, 7], [18, 32, 41, 63]]
    targets = make_targets(collate([sample]), 64)
    assert targets.kept.tolist() == [True, False, False, False, False]
    weight = targets.center_weight[0, 0]
    assert weight[12, 40] == 1  # the person's box contains no one else
    for row, column in ((50, 30), (20, 5), (2, 30), (20, 60)):
        assert weight[row, column] == 0


def test_flip_exchanges_sides(write: Any, keypoints: np.ndarray) -> None:
    keypoints[9, 2] = 0
    root = coco_folder(write, keypoints)
    mirrored = AugmentationConfig(flip=1, roll=0, crop=0, colour=0, blur=0, grey=0)
    plain = open_dataset("coco", root, "folder", size=64, augmentation=PLAIN)[0, 0]
    flipped = open_dataset("coco", root, "folder", size=64, augmentation=mirrored)[0, 0]
    assert not plain.joint_labelled[0, LEFT_WRIST]
    assert flipped.joint_labelled[0, LEFT_WRIST]
    assert not flipped.joint_labelled[0, RIGHT_WRIST]
    np.testing.assert_allclose(
        flipped.joints_2d[0, LEFT_WRIST], plain.joints_2d[0, RIGHT_WRIST] * [-1, 1], atol=1e-6
    )


def fitted(write: Any, gender: str = "n") -> Annotations:
    """One person in metres with SMPL pose and betas, by a known camera."""
    people = People.unlabelled(1, 17)
    people.state[:] = 0
    rng = np.random.default_rng(1)
    people.keypoints_m[:] = rng.uniform(-0.5, 0.5, (1, 17, 3)) + [0, 0, 4]
    people.keypoints_px[:] = people.keypoints_m[..., :2] / people.keypoints_m[..., 2:] * 60 + [
        32,
        24,
    ]
    people.pose[:] = rng.normal(0, 0.4, (1, 24, 3))
    people.betas[:] = rng.normal(size=(1, 10))
    people.gender[:] = gender
    return Annotations.gather(
        dataset="h36m",
        convention="h36m17",
        source=write.root,
        images=Images([write.image("a.png")], [(64, 48)], [(60.0, 60.0, 32.0, 24.0)]),
        image_of_person=[0],
        people=people,
    )


@pytest.mark.parametrize("gender", ["n", "f"])
def test_betas_are_labels_of_the_same_body_alone(write: Any, gender: str) -> None:
    """SMPL's betas mean nothing to the default body, nor a woman's to the neutral one."""
    annotations = fitted(write, gender)
    alone = LabelledImages(annotations, 64, PLAIN)[0, 0]
    assert alone.has_pose.tolist() == alone.has_joints_3d.tolist() == [True]
    assert alone.has_shape.tolist() == [False]
    body = BodyModel.load()  # stands in for a licensed SMPL file
    sample = LabelledImages(annotations, 64, PLAIN, body)[0, 0]
    assert sample.has_shape.tolist() == [gender == "n"]
    expected = Rotation.from_rotvec(annotations.people.pose[0]).as_matrix()
    np.testing.assert_allclose(sample.rotations[0], expected, atol=1e-6)
    if gender == "n":
        joints = body.joints(torch.from_numpy(sample.betas), torch.from_numpy(sample.rotations))
        joints = (joints - joints[:, :1]).numpy()
        np.testing.assert_allclose(sample.joints_3d, joints, atol=1e-5)
    else:
        labels = annotations.people.keypoints_m[0]
        np.testing.assert_allclose(sample.joints_3d[0, 2], labels[1] - labels[0], atol=1e-5)


def test_losses_are_switched_by_the_table(write: Any) -> None:
    annotations = fitted(write)
    annotations.dataset = "mpi_inf_3dhp"  # Table 2: no pose, no shape
    sample = LabelledImages(annotations, 64, PLAIN, BodyModel.load())[0, 0]
    assert (sample.has_pose[0], sample.has_shape[0], sample.has_joints_3d[0]) == (0, 0, 1)
    annotations.dataset = "crowdpose"
    sample = LabelledImages(annotations, 64, PLAIN)[0, 0]
    assert not sample.has_joints_3d[0]
    assert sample.has_camera[0]


def test_phone_photos_are_turned_as_their_labels_are(write: Any, keypoints: np.ndarray) -> None:
    """Labels made on the upright picture of a file whose EXIF flag turns it."""
    root = coco_folder(write, keypoints)
    upright = np.asarray(Image.open(root / "images/a.png"))
    flag = Image.Exif()
    flag[0x0112] = 6  # "rotate by 90 degrees clockwise to show"
    Image.fromarray(np.rot90(upright).copy()).save(root / "images/a.png", exif=flag)
    sample = open_dataset("coco", root, "folder", size=64, augmentation=PLAIN)[0, 0]
    np.testing.assert_array_equal(sample.image[8:56], upright)


def test_images_without_people_are_left_out(write: Any, keypoints: np.ndarray) -> None:
    write.coco("person_keypoints.json", {"a.png": [keypoints], "b.png": [], "c.png": []})
    for name in "abc":
        write.image(f"images/{name}.png")
    source = open_dataset("coco", write.root, "folder", size=64, augmentation=PLAIN)
    assert (len(source), source.without_people) == (1, 2)
    write.coco("person_keypoints.json", {"b.png": []})
    with pytest.raises(ValueError, match=r"person_keypoints\.json: none of its images"):
        LabelledImages(read_dataset("coco", write.root, "folder"), 64, PLAIN)


class Part(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Gives back what it was asked for."""

    def __init__(self, name: str, length: int) -> None:
        self.name, self.length = name, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, item: tuple[int, int]) -> Any:
        return self.name, *item


def test_each_part_of_a_mixture_has_its_share() -> None:
    mixture = MixedDataset([Part("a", 7), Part("b", 43), Part("c", 50)], [1.0, 2.0, 1.0], seed=3)
    assert len(mixture) == 100
    passes: list[list[Any]] = [[mixture[e, i] for i in range(100)] for e in range(14)]
    for items in passes:
        assert [sum(item[0] == name for item in items) for name in "abc"] == [25, 50, 25]
    # Every item of a part occurs once before any repeats, in another order each time.
    drawn = [item[1:] for items in passes for item in items if item[0] == "a"]
    assert sorted(drawn) == sorted((e, i) for e in range(50) for i in range(7))
    assert len({tuple(i for e, i in drawn if e == k) for k in range(50)}) > 40
    again = MixedDataset([Part("a", 7), Part("b", 43), Part("c", 50)], [1.0, 2.0, 1.0], seed=3)
    assert [again[9, i] for i in range(100)] == passes[9]


@pytest.mark.parametrize(
    ("shares", "message"), [([1.0], "one probability for each"), ([1.0, 0.0], "above 0")]
)
def test_a_wrong_mixture_is_refused(shares: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MixedDataset([Part("a", 2), Part("b", 2)], shares)
