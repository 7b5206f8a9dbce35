"""COCO files as tools write them: read as they mean it, or refused with a sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from icl_mesh_training.cli.main import main
from icl_mesh_training.data.annotations import Annotations
from icl_mesh_training.data.catalogue import read_coco_folder, read_dataset
from icl_mesh_training.data.conventions import CONVENTIONS
from icl_mesh_training.data.formats.coco_names import point_key
from icl_mesh_training.data.visibility import BY_OBJECT, UNLABELLED, VISIBLE

NAMES = CONVENTIONS["coco17"].names
#: Somebody upright who looks into the camera: their left is on the image's right.
STANDING = np.array(
    [
        *[(320, 120), (328, 115), (312, 115), (335, 118), (305, 118), (350, 160), (290, 160)],
        *[(365, 205), (275, 205), (370, 250), (270, 250), (338, 260), (302, 260), (339, 330)],
        *[(301, 330), (340, 400), (300, 400)],
    ],
    float,
)
Content = dict[str, Any]


def content(points: np.ndarray = STANDING, flag: Any = 2, count: int = 2) -> Content:
    """`count` images of 640 x 480 px with one person each."""
    row = [value for x, y in points.tolist() for value in (x, y, flag)]
    images = [
        {"id": n + 1, "file_name": f"{n}.jpg", "width": 640, "height": 480} for n in range(count)
    ]
    people: list[dict[str, Any]] = [
        {
            **{"id": n + 1, "image_id": n + 1, "category_id": 1, "iscrowd": 0, "area": 32000},
            **{"keypoints": list(row), "bbox": [262, 100, 120, 320]},
        }
        for n in range(count)
    ]
    categories = [{"id": 1, "name": "person", "keypoints": list(NAMES), "skeleton": []}]
    return {"images": images, "annotations": people, "categories": categories}


@pytest.fixture
def read(tmp_path: Path) -> Callable[[Content], Annotations]:
    (tmp_path / "images").mkdir()

    def reader(data: Content) -> Annotations:
        (tmp_path / "person_keypoints.json").write_text(json.dumps(data))
        return read_coco_folder(tmp_path)

    return reader


def plain(annotations: Annotations) -> bool:
    """Everything is read, nothing said."""
    return not (
        annotations.mended or annotations.left_out or annotations.warnings or annotations.faults
    )


def test_a_good_file_says_nothing(read: Any) -> None:
    annotations = read(content())
    np.testing.assert_array_equal(annotations.people.keypoints_px[1], STANDING)
    assert plain(annotations)


def test_names_decide_the_order(read: Any) -> None:
    for order in (range(16, -1, -1), np.random.default_rng(1).permutation(17)):
        data = content(STANDING[list(order)])
        data["categories"][0]["keypoints"] = [NAMES[n] for n in order]
        annotations = read(data)
        np.testing.assert_array_equal(annotations.people.keypoints_px[0], STANDING)
        assert annotations.mended == [
            "keypoints of category 'person' (id 1), put from the order that it names into nose, "
            "left_eye, ...: annotations: 2"
        ]
        assert not annotations.warnings


def test_names_in_other_spellings_are_the_same_points(read: Any) -> None:
    for spell in (str.upper, lambda n: n.replace("_", " ").title(), lambda n: n.replace("_", "")):
        data = content()
        data["categories"][0]["keypoints"] = [spell(name) for name in NAMES]
        assert plain(read(data))
    for name in ("L_Eye", "eye-left", "leftEye", "Left eye", "lefteye"):
        assert point_key(name) == "lefteye"
    assert point_key("L_F_Paw") not in {point_key(name) for name in NAMES}


def test_people_with_other_keypoints_are_refused_by_name(read: Any) -> None:
    crowdpose = list(CONVENTIONS["crowdpose14"].names)
    data = content()
    data["categories"][0]["keypoints"] = crowdpose
    said = r"category 'person' \(id 1\), which 2 annotations use, has 14 keypoints, .* has 17"
    with pytest.raises(ValueError, match=said + r".*not ours: head_top, neck; missing: nose, left"):
        read(data)
    data = content()
    data["categories"][0]["keypoints"][3] = "tail"
    with pytest.raises(ValueError, match=r"not ours: tail; missing: left_ear"):
        read(data)
    data["categories"][0]["keypoints"] = [*NAMES, "left_big_toe"]
    with pytest.raises(ValueError, match=r"has 18 keypoints, .*not ours: left_big_toe: export"):
        read(data)


def test_what_is_no_person_is_left_out(read: Any) -> None:
    data = content()
    dog = {"id": 5, "name": "dog", "keypoints": ["nose", "tail"]}
    data["categories"] += [dog, {"id": 6, "name": "car"}, {"id": 7, "name": "cat"}]
    assert plain(read(data))  # no annotation uses them
    extra = {"image_id": 1, "bbox": [0, 0, 9, 9]}
    data["annotations"] += [
        {**extra, "id": 8, "category_id": 5, "keypoints": [1, 1, 2, 2, 2, 2]},
        {**extra, "id": 9, "category_id": 6},
    ]
    annotations = read(data)
    assert len(annotations.people) == 2
    assert annotations.left_out == [
        "annotations of category 'dog' (id 5), which is not of people: 1",
        "annotations of category 'car' (id 6), which is not of people: 1",
    ]
    data["annotations"][0]["category_id"] = 77
    fault = r"category_id 77 is not among the categories ('person' (id 1), 'dog' (id 5), 'car'"
    assert fault in read(data).faults[0]


@pytest.mark.parametrize("categories", ["person", ["person"], [None], 3, {"id": 1}])
def test_categories_of_another_type_are_one_sentence(read: Any, categories: Any) -> None:
    data = content() | {"categories": categories}
    with pytest.raises(ValueError, match=r"keypoints\.json: 'categories' is not a list of obj"):
        read(data)


def test_categories_without_names_are_taken_at_their_order(read: Any) -> None:
    data = content()
    del data["categories"][0]["keypoints"]
    said = read(data).warnings
    assert said[0].startswith("category 'person' (id 1) does not name its keypoints: they are tak")
    data["categories"] = []
    assert read(data).warnings[0].startswith("no category names the keypoints: they are taken in")


@pytest.mark.parametrize(
    ("change", "mended"),
    [
        ({"iscrowd": "0"}, "iscrowd, given as text or true/false: 2"),
        ({"iscrowd": False}, "iscrowd, given as text or true/false: 2"),
        ({"bbox": []}, "annotations with an empty bbox, [], read as without: 2"),
        ({"bbox": [0, 0, 0, 0]}, "annotations with a bbox without area, read as without: 2"),
        ({"image_id": "1"}, "ids of images, text on one side and numbers on the other: 2"),
        ({"keypoints": [str(v) for v in content()["annotations"][0]["keypoints"]]}, "as text: 2"),
        ({"id": None}, ""),
        ({"id": "a1-b2"}, ""),
        ({"id": [3]}, ""),
        ({"category_id": "1"}, ""),
        ({"area": "much"}, ""),
    ],
)
def test_variants_are_read_and_counted(read: Any, change: Content, mended: str) -> None:
    data = content()
    for annotation in data["annotations"]:
        annotation |= change  # noqa: PLW2901
    annotations = read(data)
    assert annotations.people.has_label.sum() == 2
    np.testing.assert_array_equal(annotations.people.keypoints_px[0], STANDING)
    assert not (annotations.faults or annotations.left_out or annotations.warnings)
    if mended:
        assert len(annotations.mended) == 1
        assert annotations.mended[0].endswith(mended)
    else:
        assert not annotations.mended


def test_crowds_given_as_text_are_crowds(read: Any) -> None:
    data = content()
    for value in ("1", True, "true"):
        data["annotations"][0]["iscrowd"] = value
        assert read(data).people.has_label.tolist() == [False, True]
    data["annotations"][1]["iscrowd"] = 1
    assert read(data).warnings == ["all annotations are iscrowd: nobody is labelled one by one"]
    data["annotations"][0]["iscrowd"] = "perhaps"
    assert "iscrowd must be 0 or 1, got 'perhaps'" in read(data).faults[0]


def test_sizes_as_text_and_sizes_that_are_none(read: Any) -> None:
    data = content()
    data["images"][0] |= {"width": "640", "height": "480"}
    annotations = read(data)
    assert annotations.size.tolist() == [[640, 480]] * 2
    assert annotations.mended == ["sizes of images, given as text: 1"]
    for wrong in ("640px", 1e30, -3, [640], float("nan")):
        data["images"][0]["width"] = wrong
        assert "width and height" in read(data).faults[0]
    data["images"][0]["width"] = None
    assert read(data).size.tolist() == [[0, 0], [640, 480]]


def test_flags_of_true_and_false_are_visible_and_unlabelled(read: Any) -> None:
    data = content(flag=True)
    data["annotations"][0]["keypoints"][2] = False
    state = read(data).people.state
    assert state[0].tolist() == [UNLABELLED] + [VISIBLE] * 16
    data["annotations"][0]["keypoints"][:3] = [None, None, 0]
    data["annotations"][1]["keypoints"] = [[x, y, True] for x, y in STANDING.tolist()]
    annotations = read(data)
    assert annotations.people.state[0, 0] == UNLABELLED
    said = "annotations with flags v of true and false, read as 2 and 0: 2"
    assert annotations.mended == [said]
    assert not annotations.faults


def test_annotations_of_unknown_images_are_left_out(read: Any) -> None:
    data = content()
    data["annotations"][0]["image_id"] = 99
    annotations = read(data)
    assert annotations.left_out == ["annotations of an image that is not among the images: 1"]
    assert annotations.count(annotations.people.has_label).tolist() == [0, 1]
    data["annotations"][1]["image_id"] = [1]
    with pytest.raises(ValueError, match=r"none of its 2 annotations is of one of its 2 images"):
        read(data)


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", "utf-16"])
def test_byte_order_marks(tmp_path: Path, mark: bytes | str) -> None:
    (tmp_path / "images").mkdir()
    text = json.dumps(content())
    data = mark + text.encode() if isinstance(mark, bytes) else text.encode(mark)
    (tmp_path / "person_keypoints.json").write_bytes(data)
    assert plain(read_coco_folder(tmp_path))


@pytest.mark.parametrize("prefix", ["images\\", "images/", "C:\\photos\\images\\", "/data/up/1/"])
def test_images_lie_where_a_tool_had_them(
    write: Any, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = content()
    for record in data["images"]:
        write.image(f"images/{record['file_name']}", 640, 480)
        record["file_name"] = prefix + record["file_name"]
    write.json("person_keypoints.json", data)
    assert main(["data", "check", "--root", str(write.root)]) == 0
    output = capsys.readouterr().out
    assert "all the same: file names, whose folders or backslashes images/ lacks: 2\n" in output
    assert "2 images, 2 labelled people" in output


def test_shares_of_the_image_are_refused(read: Any) -> None:
    for margin in (0, 0.02):  # the second lie partly outside of 0 to 1
        data = content(STANDING / (640, 480) - margin)
        for annotation in data["annotations"]:
            annotation["bbox"] = [0.4, 0.2, 0.2, 0.7]
        said = r"people lie within 2 px: these look like shares of the image \(0 to 1\), and pixels"
        with pytest.raises(ValueError, match=said):
            read(data)
    for annotation in data["annotations"]:
        annotation["keypoints"] = []
    with pytest.raises(ValueError, match="no bbox reaches beyond 2 px: these look like shares"):
        read(data)


def test_a_face_alone_without_a_box_is_no_share(read: Any) -> None:
    data = content()
    for annotation in data["annotations"]:
        annotation["keypoints"] = annotation["keypoints"][:9] + [0] * 42
        annotation["bbox"] = []
    annotations = read(data)
    assert annotations.people.has_label.tolist() == [True, True]
    assert not annotations.warnings


def swapped(points: np.ndarray, *parts: str) -> np.ndarray:
    """Left and right of some parts exchanged, of all without parts."""
    order = list(range(17))
    for number, name in enumerate(NAMES):
        other = name.replace("left", "@").replace("right", "left").replace("@", "right")
        if not parts or any(part in name for part in parts):
            order[number] = NAMES.index(other)
    return points[order]


@pytest.mark.parametrize(
    ("points", "flag", "warning"),
    [
        (STANDING, 1, "all labelled keypoints have v = 1, which says hidden: if 1 means visible"),
        (STANDING, 0, "all keypoints have v = 0, which says not labelled, and yet they have coor"),
        (STANDING, 0.93, "34 of 34 labelled keypoints have a flag v other than 0, 1 and 2"),
        (STANDING * (100 / 640, 100 / 480), 2, "all coordinates are 100 or less: percent of the"),
        (
            STANDING / 4 + (60, 15),
            2,
            "no keypoint lies beyond a quarter of its image's width and height",
        ),
        (swapped(STANDING), 2, "2 of 2 people whose face is seen have their left shoulder where"),
        (swapped(STANDING, "eye"), 2, "2 of 2 people have left and right eye the other way round"),
        (swapped(STANDING, "hip"), 2, "2 of 2 people have left and right hip the other way round"),
        (STANDING[::-1], 2, "2 of 2 people have their nose below their hips: is the order of the"),
    ],
)
def test_patterns_of_a_whole_file_are_warned_of(
    read: Any, points: np.ndarray, flag: float, warning: str
) -> None:
    data = content(points, flag)
    for annotation in data["annotations"]:
        if flag:
            del annotation["bbox"]
    said = read(data).warnings
    assert any(text.startswith(warning) for text in said), said


def test_wrong_names_over_good_points_are_seen_by_the_sides(read: Any) -> None:
    data = content()
    names = list(swapped(np.array(NAMES)))
    data["categories"][0]["keypoints"] = names
    annotations = read(data)  # the names are believed
    np.testing.assert_array_equal(annotations.people.keypoints_px[0], swapped(STANDING))
    assert "left and right look exchanged" in annotations.warnings[0]
    data = content(swapped(STANDING))  # names and points exchanged alike
    data["categories"][0]["keypoints"] = names
    annotations = read(data)
    np.testing.assert_array_equal(annotations.people.keypoints_px[0], STANDING)
    assert not annotations.warnings


def test_boxes_of_another_kind_are_warned_of(read: Any) -> None:
    data = content()
    for annotation in data["annotations"]:
        annotation["bbox"] = [262, 100, 382, 420]  # left, top, right, bottom
    assert read(data).warnings[0].startswith("2 of 2 bboxes reach beyond their image: they are le")
    for annotation in data["annotations"]:
        annotation["bbox"] = [0.4, 0.2, 0.2, 0.7]
    assert read(data).warnings[0].startswith("2 of 2 people have most keypoints outside of their")


def test_people_who_turn_their_back_are_no_exchange(read: Any) -> None:
    data = content(swapped(STANDING))
    for annotation in data["annotations"]:
        annotation["keypoints"][2:15:3] = [0] * 5  # no face
    assert not read(data).warnings


def test_warnings_are_said_by_the_check_and_by_training(
    write: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from icl_mesh_training.data.augmentation import AugmentationConfig
    from icl_mesh_training.data.images import open_dataset

    data = content(flag=1)
    for record in data["images"]:
        write.image(f"images/{record['file_name']}", 640, 480)
    source = write.json("person_keypoints.json", data)
    assert main(["data", "check", "--root", str(write.root)]) == 0
    output = capsys.readouterr().out
    assert "  warning: all labelled keypoints have v = 1" in output
    assert "nothing is missing or broken; what the warnings say may teach wrong joints" in output
    plain_config = AugmentationConfig.none()
    opened = open_dataset("coco", write.root, "folder", size=64, augmentation=plain_config)
    assert (opened.annotations.people.state == BY_OBJECT).all()
    assert f"{source}: all labelled keypoints have v = 1" in capsys.readouterr().err


def test_published_files_keep_their_order(write: Any) -> None:
    """CrowdPose calls its head_top "head"; its names in another order are put in ours."""
    names = [name.replace("head_top", "head") for name in CONVENTIONS["crowdpose14"].names]
    points = np.column_stack((np.arange(14) * 3 + 5, np.arange(14) * 2 + 5, [2] * 14))
    for order in (list(range(14)), list(range(13, -1, -1))):
        path = write.coco("crowdpose/annotations/crowdpose_val.json", {"a.jpg": [points[order]]})
        data = json.loads(path.read_text())
        data["categories"] = [{"id": 1, "name": "person", "keypoints": [names[n] for n in order]}]
        path.write_text(json.dumps(data))
        (write.root / "crowdpose/images").mkdir(exist_ok=True)
        annotations = read_dataset("crowdpose", write.root, "val")
        np.testing.assert_array_equal(annotations.people.keypoints_px[0], points[:, :2])
