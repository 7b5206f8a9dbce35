"""Broken data sets: one message with the path; `icl-mesh-train data check`; training goes on."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from icl_mesh_training.cli.main import main
from icl_mesh_training.data.augmentation import AugmentationConfig
from icl_mesh_training.data.catalogue import read_dataset
from icl_mesh_training.data.images import BrokenSampleError, open_dataset
from icl_mesh_training.data.loading import BrokenSamples, TrainingStoppedError, make_loader

PLAIN = AugmentationConfig.none()


def folder(write: Any, count: int, keypoints: np.ndarray) -> Path:
    """A user's own folder of `count` images with one person each."""
    names = [f"{n:03d}.jpg" for n in range(count)]
    write.coco("person_keypoints.json", {name: [keypoints] for name in names})
    for name in names:
        write.image(f"images/{name}")
    return write.root


def change(root: Path, **fields: Any) -> None:
    """Replaces fields of the first annotation."""
    path = root / "person_keypoints.json"
    content = json.loads(path.read_text())
    content["annotations"][0] |= fields
    path.write_text(json.dumps(content))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_whole_folder_passes(
    write: Any, keypoints: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    root = folder(write, 3, keypoints)
    assert main(["data", "check", "--root", str(root)]) == 0
    output = capsys.readouterr().out
    assert "coco (COCO, split folder)" in output
    assert "3 images, 3 labelled people, 51 labelled keypoints" in output
    idle = "joints_3d, joints_3d_aligned, pose, shape"
    assert f"losses: joints_2d; no labels for {idle}" in output
    assert "nothing is missing or broken" in output


def test_everything_that_is_wrong_is_named(
    write: Any, keypoints: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    root = folder(write, 6, keypoints)
    truncate(root / "images/001.jpg")
    (root / "images/002.jpg").unlink()
    write.image("images/003.jpg", width=48, height=64)
    (root / "images/004.jpg").write_text("not an image")
    change(root, keypoints=[float("nan")] * 51)
    assert main(["data", "check", "--root", str(root)]) == 1
    lines = capsys.readouterr().out.splitlines()
    wrong = [line for line in lines if "missing: " in line or "broken: " in line]
    assert len(wrong) == 5
    for start, path, reason in (
        ("missing", "images/002.jpg", "is not there"),
        ("broken", "annotation 100 .*000.jpg", "keypoints hold NaN"),
        ("broken", "images/001.jpg", "truncated"),
        ("broken", "images/003.jpg", "is 48x64 px, its labels are for 64x48"),
        ("broken", "images/004.jpg", "not a readable image"),
    ):
        assert any(re.search(f"{start}: .*{path}.*{reason}", line) for line in wrong), reason


def test_a_quick_check_reads_headers_alone(
    write: Any, keypoints: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    root = folder(write, 2, keypoints)
    truncate(root / "images/001.jpg")
    assert main(["data", "check", "--root", str(root), "--quick"]) == 0
    (root / "images/000.jpg").write_text("not an image")
    assert main(["data", "check", "--root", str(root), "--quick"]) == 1
    assert f"broken: {root}/images/000.jpg: not a readable image" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"keypoints": [1.0] * 50}, r"annotation 100 .*000\.jpg\): keypoints are 50 numbers"),
        ({"keypoints": "none"}, r"000\.jpg\): keypoints are not numbers"),
        ({"bbox": None, "keypoints": []}, r"000\.jpg\): it has neither keypoints nor bbox"),
        ({"bbox": [1, 2]}, r"000\.jpg\): bbox are 2 numbers, not 4"),
        ({"keypoints": [500.0, 400.0, 2.0] * 17}, r"000\.jpg: person 0 lies outside the 64x48"),
    ],
)
def test_a_broken_person_breaks_its_sample(
    write: Any, keypoints: np.ndarray, fields: dict[str, Any], message: str
) -> None:
    root = folder(write, 2, keypoints)
    change(root, **fields)
    source = open_dataset("coco", root, "folder", size=64, augmentation=PLAIN)
    with pytest.raises(BrokenSampleError, match=message):
        source[0, 0]
    assert source[0, 1].joint_labelled.any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [', r"person_keypoints\.json: not valid JSON \(line 1"),
        ("[]", r"person_keypoints\.json: has no list of objects called 'images'"),
        ('{"images": [], "annotations": []}', r"person_keypoints\.json: holds no image"),
        ('{"images": [{"id": 1}], "annotations": []}', r"images\[0\] has no 'id' or no 'file_name"),
        (
            '{"images": [], "annotations": [{"id": 4, "image_id": 9}]}',
            r"annotation 4 is of image 9, which is not among the images",
        ),
        (
            '{"images": [], "annotations": [{}], "categories": [{"keypoints": ["a", "b"]}]}',
            r"has 2 keypoints, this data set has 17 \(nose,",
        ),
    ],
)
def test_a_label_file_that_is_no_such_file(write: Any, text: str, message: str) -> None:
    (write.root / "images").mkdir()
    (write.root / "person_keypoints.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_dataset("coco", write.root, "folder")


def test_a_file_of_arrays_that_is_cut_off_is_named(write: Any) -> None:
    place = write.root / "mpi_inf_3dhp"
    place.mkdir()
    source = place / "mpi_inf_3dhp_train.npz"
    np.savez(source, imgname=np.array(["a"] * 500))
    source.write_bytes(source.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"3dhp_train\.npz: not a readable \.npz"):
        read_dataset("mpi_inf_3dhp", write.root)


def test_missing_files_and_wrong_names_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mpii").mkdir()
    (tmp_path / "crowdpose").mkdir()
    assert main(["data", "check", "--root", str(tmp_path)]) == 1
    output = capsys.readouterr().out
    assert f"missing: {tmp_path}/mpii/annotations/mpii_train.json: the label file is not" in output
    assert f"missing: {tmp_path}/crowdpose: the label file is not there (looked for" in output
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        (["--root", str(tmp_path / "none")], "no such folder"),
        (["--root", str(tmp_path / "empty")], "your own photos has person_keypoints.json and im"),
        (["--root", str(tmp_path), "--dataset", "cocoo"], "unknown data set 'cocoo'; known are h3"),
        (["--root", str(tmp_path), "--dataset", "coco:tset"], "no split 'tset'; it has train2017"),
    ):
        assert main(["data", "check", *arguments]) == 1
        errors = capsys.readouterr().err.strip().splitlines()
        assert len(errors) == 1
        assert message in errors[0]


def test_training_skips_and_counts_what_is_broken(
    write: Any, keypoints: np.ndarray, tmp_path: Path
) -> None:
    root = folder(write, 12, keypoints)
    truncate(root / "images/007.jpg")
    source = open_dataset("coco", root, "folder", size=32, augmentation=PLAIN)
    counts = BrokenSamples(tmp_path / "broken.txt")
    loader = iter(make_loader(source, batch_size=6, seed=0))
    for _ in range(4):  # two passes: the image comes at least twice
        loaded = next(loader)
        assert len(loaded.batch.images) == 6
        counts.count(loaded)
    assert counts.broken >= 2
    noted = (tmp_path / "broken.txt").read_text().splitlines()
    assert len(noted) == 1
    assert "images/007.jpg: not a readable image" in noted[0]


def test_training_stops_where_too_much_is_broken(
    write: Any, keypoints: np.ndarray, tmp_path: Path
) -> None:
    root = folder(write, 4, keypoints)
    for name in ("000", "002"):
        truncate(root / f"images/{name}.jpg")
    source = open_dataset("coco", root, "folder", size=32, augmentation=PLAIN)
    counts = BrokenSamples(tmp_path / "broken.txt")
    with pytest.raises(TrainingStoppedError, match=r"more than 1%.*images/00[02]\.jpg"):
        for loaded in make_loader(source, batch_size=4, seed=0):
            counts.count(loaded)
