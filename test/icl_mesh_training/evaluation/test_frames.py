"""Frames with known 3-D joints: errors frame by frame, and what a wrong frames.json says."""

import copy
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from icl_mesh.body import BodyModel
from icl_mesh.body.layout import JOINT_NAMES
from icl_mesh.geometry.camera import Camera
from icl_mesh.people import People
from icl_mesh_training.cli.main import main
from icl_mesh_training.data.conventions import LIMBS
from icl_mesh_training.evaluation.frames import evaluate_frames

ROWS = [JOINT_NAMES.index(name) for name in LIMBS]
FOCAL = 300.0


def standing() -> np.ndarray:
    """24 joints of somebody 4 m away, upright, with the face to the camera."""
    rng = np.random.default_rng(0)
    joints = rng.normal(0, 0.02, (24, 3))
    joints[ROWS] = [
        *((0.1, 0, 0), (-0.1, 0, 0), (0.1, 0.4, -0.1), (-0.1, 0.4, 0), (0.1, 0.8, 0)),
        *((-0.1, 0.8, 0.1), (0.2, -0.5, 0), (-0.2, -0.5, 0), (0.4, -0.4, 0), (-0.4, -0.4, 0)),
        *((0.5, -0.2, -0.2), (-0.5, -0.1, 0)),
    ]
    return joints + [0, 0, 4]


def content() -> dict[str, Any]:
    """Two frames of the same person; the second has another origin, as data sets have."""
    joints = standing()
    px = Camera(FOCAL, FOCAL, 159.5, 119.5, 320, 240).project(joints)[ROWS]
    frame = {
        "file_name": "a.jpg",
        "width": 320,
        "height": 240,
        "focal_px_approximate": FOCAL,
        "joints_m": joints[ROWS].tolist(),
        "joints_px": px.tolist(),
    }
    moved = (joints[ROWS] + [1, 2, 3]).tolist()
    return {
        "joints": list(LIMBS),
        "frames": [frame, {**frame, "file_name": "b.jpg", "joints_m": moved}],
    }


def write(folder: Path, data: Any) -> Path:
    for name in ("a.jpg", "b.jpg"):
        cv2.imwrite(str(folder / name), np.zeros((240, 320, 3), np.uint8))
    (folder / "frames.json").write_text(json.dumps(data))
    return folder


class Answers:
    """Stands in for an estimator: gives these joints in turn; None is nobody."""

    def __init__(self, *answers: np.ndarray | None) -> None:
        self.answers, self.body = list(answers), BodyModel.load()
        self.cameras: list[Camera] = []

    def __call__(self, image: np.ndarray, camera: Camera) -> People:
        self.cameras.append(camera)
        people = People.empty(camera, self.body, "answers")
        joints = self.answers.pop(0)
        if joints is not None:
            people.score = np.ones(1, np.float32)
            people.joints_m = joints[None].astype(np.float32)
            people.joints_px = camera.project(joints)[None].astype(np.float32)
        return people


def test_errors_are_of_each_frame(tmp_path: Path) -> None:
    wrist = standing()
    wrist[JOINT_NAMES.index("left_wrist"), 1] += 0.12
    estimator = Answers(standing() + [0.3, 0, 0], wrist)
    result = evaluate_frames(estimator, write(tmp_path, content()))  # type: ignore[arg-type]
    first, second = result["frames"]
    assert first["file_name"] == "a.jpg" and first["found"]
    assert first["mpjpe_mm"] == pytest.approx(0, abs=1e-3)
    # Of 12 joints one is 120 mm off. The alignment spreads its square of 120^2, at most evenly.
    assert second["mpjpe_mm"] == pytest.approx(10, rel=1e-4)
    assert 10 < second["pa_mpjpe_mm"] < 120 / 12**0.5
    assert result["mpjpe_mm"] == pytest.approx(5, rel=1e-3)
    assert (result["people"], result["recall"], result["front_back"]) == (2, 1, 0)
    assert "precision" not in result and "false_positives" not in result
    assert estimator.cameras[0] == Camera(FOCAL, FOCAL, 159.5, 119.5, 320, 240)


def test_the_hips_are_the_origin(tmp_path: Path) -> None:
    away = standing()
    away[JOINT_NAMES.index("left_hip"), 0] += 0.06  # the middle of the hips by 0.03
    estimator = Answers(away, standing())
    result = evaluate_frames(estimator, write(tmp_path, content()), 1)  # type: ignore[arg-type]
    assert result["frames"][0]["mpjpe_mm"] == pytest.approx(30)  # every joint, the hip too
    assert len(result["frames"]) == 1


def test_nobody_and_somebody_turned_about(tmp_path: Path) -> None:
    about = Rotation.from_euler("y", 180, degrees=True).as_matrix()
    turned = (standing() - [0, 0, 4]) @ about.T + [0, 0, 4]
    result = evaluate_frames(Answers(turned, None), write(tmp_path, content()))  # type: ignore[arg-type]
    first, second = result["frames"]
    assert first["front_back"] == 1 and first["pa_mpjpe_mm"] == pytest.approx(0, abs=0.1)
    assert second == {"file_name": "b.jpg", "found": False}
    assert result["recall"] == 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"joints": ["nose", *LIMBS[1:]]}, r"'joints' must list 4 or more different joints of pel"),
        ({"joints": LIMBS[2:]}, r"both hips among them; got \['left_knee'"),
        ({"joints": 3}, r"both hips among them; got 3"),
        ({"joints": [LIMBS]}, r"both hips among them; got \[\["),
        ({"frames": []}, r"lists no frames; a frame has file_name, width, height, focal_px"),
        ({"frames": "all"}, r"has no list of objects called 'frames'"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    write(tmp_path, content() | change)
    with pytest.raises(ValueError, match=message) as raised:
        evaluate_frames(Answers(), tmp_path)  # type: ignore[arg-type]
    assert str(raised.value).startswith(str(tmp_path / "frames.json"))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("joints_m", [[0, 0, 1]] * 11, r"joints_m is not a finite \[12, 3\]"),
        ("joints_px", [[0, float("nan")]] * 12, r"joints_px is not a finite \[12, 2\]"),
        ("joints_px", None, r"joints_px is not a finite \[12, 2\]"),
        ("focal_px_approximate", -1, r"positive focal lengths, got fx=-1"),
        ("width", 0, r"camera size must be at least 1x1, got 0x240"),
        ("width", "wide", r"'wide'"),
        ("file_name", 3, r"frame 1: not as published \(TypeError"),
        ("file_name", ..., r"frame 1: not as published \(KeyError: 'file_name'\)"),
    ],
)
def test_a_wrong_frame_is_named(tmp_path: Path, name: str, value: Any, message: str) -> None:
    data = copy.deepcopy(content())
    if value is ...:
        del data["frames"][1][name]
    else:
        data["frames"][1][name] = value
    write(tmp_path, data)
    with pytest.raises(ValueError, match=message) as raised:
        evaluate_frames(Answers(), tmp_path)  # type: ignore[arg-type]
    assert f"{tmp_path / 'frames.json'}: frame 1" in str(raised.value)
    assert "a frame has file_name, width, height" in str(raised.value)


def test_the_command_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate"]) == 1
    assert "give --scenes, --photos, --frames or --dataset" in capsys.readouterr().err
    assert main(["evaluate", "--frames", str(tmp_path / "none")]) == 1
    assert "frames.json: the list of frames with 3-D joints is not there" in capsys.readouterr().err
