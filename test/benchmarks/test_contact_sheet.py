"""Contact sheets: labels of a folder, and tiles without the photo."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("moderngl", reason="overlays need moderngl")

from icl_mesh.body import BodyModel
from icl_mesh.geometry.camera import Camera
from icl_mesh.people import People
from icl_mesh_training.scenes.render.labels import SceneLabels
from tools.contact_sheet import Picture, compose, draw_tile, encode, find_pictures, main

RED = (255, 0, 0)


@pytest.fixture(scope="module")
def body():
    return BodyModel.load()


def write_photo(path, width=300, height=200):
    cv2.imwrite(str(path), np.full((height, width, 3), RED[::-1], np.uint8))


@pytest.fixture
def coco(tmp_path):
    """Two photos; the second has a person with three keypoints in a row and one with none."""
    (tmp_path / "images").mkdir()
    for name in ("b.png", "a.png"):
        write_photo(tmp_path / "images" / name)
    keypoints = np.zeros((17, 3), int)
    keypoints[[5, 7, 9]] = [[50, 60, 2], [50, 100, 1], [50, 150, 2]]  # shoulder, elbow, wrist
    people = [
        {"image_id": 1, "keypoints": keypoints.ravel().tolist(), "bbox": [0, 0, 5, 5]},
        {"image_id": 1, "keypoints": [0] * 51, "bbox": [200, 50, 40, 80]},
    ]
    data = {
        "categories": [{"name": "person", "skeleton": [[6, 8], [8, 10], [6, 12]]}],
        "images": [{"id": 1, "file_name": "b.png"}, {"id": 2, "file_name": "a.png"}],
        "annotations": people,
    }
    (tmp_path / "person_keypoints.json").write_text(json.dumps(data))
    return tmp_path


def test_coco_labels(coco):
    empty, labelled = find_pictures(coco)
    assert (empty.path.name, labelled.path.name) == ("a.png", "b.png")
    assert not empty.skeletons and not empty.boxes
    (bones,) = labelled.skeletons
    assert bones.tolist() == [
        [[50, 60], [50, 100]],
        [[50, 100], [50, 150]],
    ]  # the hip is unlabelled
    assert labelled.boxes == [[200, 50, 40, 80]]


def test_broken_coco_labels_name_the_file(coco):
    (coco / "person_keypoints.json").write_text('{"images": [], "categories": []}')
    with pytest.raises(ValueError, match=r"person_keypoints\.json: not COCO person keypoints"):
        find_pictures(coco)


def test_scene_labels(tmp_path):
    write_photo(tmp_path / "000000.jpg")
    joints = np.random.default_rng(0).uniform(20, 180, (2, 24, 2)).astype(np.float32)
    joints[1, 15] = np.nan  # behind the camera
    float_zeros = {
        name: np.zeros((2, *shape), np.float32)
        for name, shape in (
            ("betas", (10,)),
            ("pose", (24, 3)),
            ("translation", (3,)),
            ("joints_m", (24, 3)),
        )
    }
    SceneLabels(
        size=np.array([300, 200], np.int32),
        intrinsics=np.array([250, 260, 149.5, 99.5], np.float32),
        joints_px=joints,
        occlusion=np.zeros((2, 24), np.uint8),
        visible_share=np.ones(2, np.float32),
        **float_zeros,
    ).save(tmp_path / "000000.npz")
    (picture,) = find_pictures(tmp_path)
    assert picture.camera == Camera(250, 260, 149.5, 99.5, 300, 200)
    assert [len(bones) for bones in picture.skeletons] == [23, 22]  # 24 joints have 23 bones
    np.testing.assert_array_equal(picture.skeletons[0][0], joints[0, [1, 0]])  # left hip, pelvis


def is_near(tile, color):
    return (np.abs(tile.astype(int) - color).max(axis=2) < 60).any()


@pytest.mark.parametrize("without_photo", [False, True])
def test_tile(coco, body, without_photo):
    picture = find_pictures(coco)[1]
    image = np.full((200, 300, 3), RED, np.uint8)
    people = People.empty(Camera.assumed(300, 200), body, "test")
    tile = draw_tile(image, people, picture, 240, without_photo=without_photo)
    assert tile.shape == (160 + 16, 240, 3)
    assert is_near(tile, RED) != without_photo
    x, y = round(50 * 0.8), round(100 * 0.8)  # the elbow, on the tile
    assert is_near(tile[y - 3 : y + 4, x - 3 : x + 4], (25, 25, 30)) == without_photo
    assert is_near(tile[160:], (25, 25, 30))  # the name


def test_high_pictures_are_limited(body):
    image = np.zeros((900, 90, 3), np.uint8)
    people = People.empty(Camera.assumed(90, 900), body, "test")
    tile = draw_tile(image, people, Picture(Path("x.png")), 240, without_photo=False)
    assert tile.shape == (480 + 16, 240, 3)


def test_compose_fills_rows_with_equal_heights():
    tiles = [np.zeros((h, 100, 3), np.uint8) for h in (90, 50, 90, 50, 50)]
    sheet = compose(tiles, columns=3, title="title")
    assert sheet.shape == (28 + 50 + 6 + 90 + 6, 6 + 3 * 106, 3)


def test_encode_falls_back_to_fewer_colours_then_refuses():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    full = encode(noise, ".png")
    assert np.array_equal(cv2.imdecode(np.frombuffer(full, np.uint8), 1)[..., ::-1], noise)
    assert len(encode(noise, ".png", max_bytes=len(full))) < len(full)
    with pytest.raises(ValueError, match="more than 100: give a smaller --limit"):
        encode(noise, ".png", max_bytes=100)
    with pytest.raises(ValueError, match=r"must end in \.png or \.jpg, got '\.gif'"):
        encode(noise, ".gif")


def test_command_refuses_in_one_line(tmp_path, capsys):
    arguments = [str(tmp_path), "--out", str(tmp_path / "sheet.png")]
    assert main([*arguments, "--columns", "0"]) == 2
    assert main([*arguments, "--weights", str(tmp_path / "none.safetensors")]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert errors[0] == "contact_sheet: --columns, --tile and --limit must be 1 or more"
    assert "no such weights file" in errors[1] and len(errors) == 2
