"""Evaluation against truths that are known: a perfect estimator, a blind one, hand-made people."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from icl_mesh.body import BodyModel
from icl_mesh.geometry.camera import Camera
from icl_mesh.people import People
from icl_mesh_training.evaluation.evaluate import evaluate_photos, evaluate_scenes
from icl_mesh_training.evaluation.report import markdown, write_report
from icl_mesh_training.evaluation.scoring import Scores
from icl_mesh_training.evaluation.truth import Truth, truth_of_coco, truth_of_scene
from icl_mesh_training.scenes.render.labels import OUTSIDE, VISIBLE, SceneLabels


class KnowsAll:
    """Stands in for an estimator: the people of the scene labels, in turn, moved by `shift` px."""

    def __init__(self, scenes: Path, offset_m: float = 0.0) -> None:
        self.body = BodyModel.load()
        self.labels = iter([SceneLabels.load(p) for p in sorted(scenes.glob("*.npz"))])
        self.offset_m = offset_m

    def __call__(self, image: np.ndarray, camera: Camera, *, vertices: bool) -> People:
        labels = next(self.labels)
        seen = labels.visible_share >= 0.25
        count = int(seen.sum())
        people = People.empty(camera, self.body, "truth", vertices=True)
        truth = truth_of_scene(labels, self.body, 0.25)
        assert truth.joints_m is not None and truth.vertices_m is not None
        joints = truth.joints_m[seen].astype(np.float32)
        joints[:, 20, 1] += self.offset_m
        people.score = np.linspace(0.9, 0.5, count, dtype=np.float32)
        people.betas = labels.betas[seen]
        matrices = Rotation.from_rotvec(labels.pose[seen].reshape(-1, 3)).as_matrix()
        people.rotations = matrices.reshape(count, 24, 3, 3).astype(np.float32)
        people.translation_m = labels.translation[seen]
        people.joints_m, people.joints_px = joints, truth.points_px[seen].astype(np.float32)
        people.vertices_m = truth.vertices_m[seen]
        confidence = np.where(labels.occlusion[seen] == VISIBLE, 0.9, 0.1)
        people.joint_confidence = confidence.astype(np.float32)
        return people


def test_the_truth_scores_perfectly(scenes: Path) -> None:
    result = evaluate_scenes(KnowsAll(scenes), scenes)  # type: ignore[arg-type]
    assert result["people"] > 4
    for name in ("precision", "recall", "f1", "pck_3d", "visibility_auc", "oks_ap"):
        assert result[name] == pytest.approx(1), name
    for name in ("mpjpe_mm", "pa_mpjpe_mm", "pve_mm", "distance_error", "false_positives"):
        assert result[name] == pytest.approx(0, abs=1e-2), name
    assert sum(row["people"] for row in result["bins"]) == result["people"]
    assert sum(row["people"] for row in result["bins_outside"]) == result["people"]
    assert len(result["bins_outside"]) > 1  # some of them stand at the image's edge
    assert result["front_back"] == 0
    assert result["calibration_error"] == pytest.approx(0.1)  # 0.9 where visible, else 0.1


def test_one_joint_off_by_twenty_centimetres(scenes: Path) -> None:
    result = evaluate_scenes(KnowsAll(scenes, 0.2), scenes)  # type: ignore[arg-type]
    assert result["mpjpe_mm"] == pytest.approx(200 / 24, rel=1e-3)
    assert result["pck_3d"] == pytest.approx(23 / 24)
    assert 0 < result["pa_mpjpe_mm"] < 25


def test_nobody_found_is_all_missed(scenes: Path) -> None:
    body, scores = BodyModel.load(), Scores()
    for path in sorted(scenes.glob("*.npz")):
        labels = SceneLabels.load(path)
        nobody = People.empty(labels.camera, body, "none", vertices=True)
        scores.add(nobody, truth_of_scene(labels, body, 0.25))
    result = scores.result()
    assert result["recall"] == result["oks_ap"] == result["f1"] == 0
    assert "mpjpe_mm" not in result
    assert result["visibility_auc"] is None


def test_photos_without_keypoints_excuse_and_crowds_do_not_count() -> None:
    keypoints = [v for k in range(17) for v in (10.0 * k, 5.0 * k, 2)]
    whole = {"keypoints": keypoints, "bbox": [0, 0, 170, 90], "area": 9000.0}
    boxed = {"keypoints": [0] * 51, "bbox": [300, 0, 100, 100], "area": 5000.0}
    truth = truth_of_coco([whole, boxed, {**whole, "iscrowd": 1}])
    assert truth.demanded.tolist() == [True, False, False]
    assert truth.points_px[1].min(0).tolist() == [300, 0]
    assert truth.points_px[1].max(0).tolist() == [400, 100]
    assert truth.keypoints is not None
    assert (truth.keypoints[2, :, 2] == 0).all()


def test_labels_may_lack_a_box_or_keypoints() -> None:
    """What training takes, evaluation takes too: annotation tools leave one of them out."""
    keypoints = [v for k in range(17) for v in (10.0 * k, 5.0 * k, 2)]
    truth = truth_of_coco([{"keypoints": keypoints}, {"bbox": [300, 0, 100, 100]}])
    assert truth.demanded.tolist() == [True, False]
    assert truth.box_px.tolist() == [[0, 0, 160, 80], [300, 0, 100, 100]]
    assert truth.area is not None
    assert truth.area.tolist() == pytest.approx([0.53 * 160 * 80, 0.53 * 100 * 100])


def test_a_photo_is_turned_as_its_labels_are(tmp_path: Path) -> None:
    from PIL import Image

    sizes: list[tuple[int, ...]] = []

    def nobody(image: np.ndarray) -> People:
        sizes.append(image.shape)
        return People.empty(Camera.assumed(40, 60), BodyModel.load(), "none")

    (tmp_path / "images").mkdir()
    turned = Image.Exif()
    turned[0x0112] = 6  # to be shown rotated by 90 degrees
    Image.new("RGB", (60, 40)).save(tmp_path / "images" / "a.jpg", exif=turned)
    image = {"id": 1, "file_name": "a.jpg", "width": 40, "height": 60}
    source = tmp_path / "person_keypoints.json"
    source.write_text(json.dumps({"images": [image], "annotations": []}))
    assert evaluate_photos(nobody, tmp_path)["people"] == 0  # type: ignore[arg-type]
    assert sizes == [(60, 40, 3)]
    source.write_text(json.dumps({"images": [image], "annotations": [{"image_id": 1}]}))
    with pytest.raises(ValueError, match=r"person_keypoints\.json: image a\.jpg or its people"):
        evaluate_photos(nobody, tmp_path)  # type: ignore[arg-type]


def test_photos_of_one_split(tmp_path: Path) -> None:
    from PIL import Image

    seen: list[int] = []

    def nobody(image: np.ndarray) -> People:
        seen.append(image.shape[1])
        return People.empty(Camera.assumed(40, 60), BodyModel.load(), "none")

    (tmp_path / "images").mkdir()
    images = []
    for width, split in ((50, "train2017"), (60, "val2017")):
        Image.new("RGB", (width, 40)).save(tmp_path / "images" / f"{width}.jpg")
        url = f"images.example/{split}/{width}.jpg"
        images.append({"id": width, "file_name": f"{width}.jpg", "coco_url": url})
    source = tmp_path / "person_keypoints.json"
    source.write_text(json.dumps({"images": images, "annotations": []}))
    evaluate_photos(nobody, tmp_path, split="val2017")  # type: ignore[arg-type]
    assert seen == [60]
    with pytest.raises(ValueError, match=r"no image's coco_url is of the split 'test2017'"):
        evaluate_photos(nobody, tmp_path, split="test2017")  # type: ignore[arg-type]


def test_people_without_3d_labels_give_no_errors_in_3d(recwarn: pytest.WarningsRecorder) -> None:
    body, camera = BodyModel.load(), Camera.assumed(200, 100)
    people = People.empty(camera, body, "one")
    people.score = np.ones(1, np.float32)
    people.joints_m = np.ones((1, 24, 3), np.float32)
    people.joints_px = np.random.default_rng(0).uniform(0, 90, (1, 24, 2)).astype(np.float32)
    truth = Truth(
        points_px=people.joints_px,
        labelled=np.ones((1, 24), bool),
        demanded=np.ones(1, bool),
        box_px=np.array([[0.0, 0.0, 90.0, 90.0]]),
        joints_m=np.zeros((1, 24, 3)),
        labelled_3d=np.zeros((1, 24), bool),
    )
    scores = Scores()
    scores.add(people, truth)
    result = scores.result()
    assert result["recall"] == 1
    assert "mpjpe_mm" not in result
    assert not recwarn.list


def test_reports_show_what_was_measured(tmp_path: Path) -> None:
    part = {
        "people": 12,
        "recall": 0.5,
        "mpjpe_mm": 101.26,
        "bins": [{"hidden": [0.0, 0.1], "people": 12, "recall": 0.5, "mpjpe_mm": 101.26}],
        "bins_outside": [{"outside": [0.5, 0.75], "people": 9, "recall": 0.25, "front_back": 0.1}],
    }
    photos = {"pck": 0.25, "pck_01": 0.125, "left_right": 0.05, "calibration_error": None}
    frames = {
        "people": 2,
        "recall": 0.5,
        "frames": [
            {"file_name": "a.jpg", "found": True, "pa_mpjpe_mm": 60.04, "mpjpe_mm": 90.0},
            {"file_name": "b.jpg", "found": False},
        ],
    }
    results = {"weights": "w-1", "threshold": 0.25, "scenes": part}
    assert "| photos |  |  |  | 0.250 |" in markdown({**results, "photos": {"pck": 0.25}})
    results |= {"photos": photos, "frames": frames}
    text = markdown(results)
    assert "| scenes | 12 | 0.500 | 101.3 |  |" in text
    assert "| on | people | recall | MPJPE (mm) | PCK@0.2 | PCK@0.1 | left/right swapped |" in text
    assert "| photos |  |  |  | 0.250 | 0.125 | 0.050 |" in text
    assert "| 0%-10% | 12 | 0.500 | 101.3 |" in text
    assert "scenes, by the share of the person's joints outside the image:" in text
    assert "| outside | people | recall | front/back confused |" in text
    assert "| 50%-75% | 9 | 0.250 | 0.100 |" in text
    assert "| frame | MPJPE (mm) | PA-MPJPE (mm) |" in text
    assert "| a.jpg | 90.0 | 60.0 |\n| b.jpg |  |  |" in text
    write_report(results, tmp_path / "report")
    assert json.loads((tmp_path / "report" / "results.json").read_text()) == results
    for name in ("scenes_bins.png", "scenes_bins_outside.png"):
        assert (tmp_path / "report" / name).stat().st_size > 5000


def test_hidden_joints_are_those_inside_the_image(scenes: Path) -> None:
    labels = SceneLabels.load(sorted(scenes.glob("*.npz"))[0])
    truth = truth_of_scene(labels, BodyModel.load(), 0.0)
    assert truth.occlusion is not None
    assert truth.labelled[truth.demanded].sum() == (labels.occlusion < OUTSIDE).sum()
