"""COCO files with random damage: read, or refused with a sentence that names the file."""

import copy
import json
import random
from pathlib import Path
from typing import Any

import numpy as np

from icl_mesh_training.data.catalogue import read_coco_folder
from icl_mesh_training.data.coco_file import read_coco_file
from icl_mesh_training.data.conventions import CONVENTIONS
from icl_mesh_training.data.images import BrokenSampleError, visible_people
from icl_mesh_training.truth import truth_of_coco

NAMES = CONVENTIONS["coco17"].names
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2, 7, 3.5, -1e30, 1e308, 10**400, float("nan"), float("inf")),
    *("", "0", "1", "x", "nan", "\u0000", "a/b\\c", "x" * 5000, [], [[]], {}, [None], [1, "2"]),
    *({"a": 1}, [True] * 51, ["1"] * 51, [0.5] * 51, [1e300] * 4, ["nose"] * 17, "../../x.jpg"),
]


def good() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    keypoints = [v for x, y in rng.uniform(20, 90, (17, 2)).tolist() for v in (x, y, 2)]
    person = {"category_id": 1, "iscrowd": 0, "area": 900.0, "bbox": [20, 20, 70, 70]}
    return {
        "info": {},
        "images": [
            {"id": n, "file_name": f"{n}.jpg", "width": 120, "height": 100} for n in range(2)
        ],
        "annotations": [
            {"id": n, "image_id": n, "keypoints": keypoints, **person} for n in range(2)
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(NAMES)}],
    }


def places(node: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a tree."""
    keys = list(node) if isinstance(node, dict) else range(len(node))
    found = [(node, key) for key in keys]
    return found + [
        place for key in keys if isinstance(node[key], dict | list) for place in places(node[key])
    ]


def mutated(data: dict[str, Any], rng: random.Random) -> bytes:
    """The file with values replaced, taken out or added, or with broken bytes."""
    tree = copy.deepcopy(data)
    if rng.random() < 0.3:
        text = bytearray(json.dumps(tree).encode())
        for _ in range(rng.choice((1, 1, 3, 30))):
            text[rng.randrange(len(text))] = rng.randrange(256)
        return bytes(text[: rng.randrange(len(text)) if rng.random() < 0.1 else None])
    for _ in range(rng.choice((1, 1, 2, 5))):
        # A kind of place first: coordinates are most of the file's values.
        found = places(tree)
        keys = sorted({str(key) for _, key in found if isinstance(key, str)})
        wanted = rng.choice([*keys, ""])
        node, key = rng.choice([p for p in found if not wanted or p[1] == wanted] or found)
        chance = rng.random()
        if chance < 0.7:
            node[key] = rng.choice(VALUES)
        elif chance < 0.85:
            del node[key]
        elif isinstance(node, list):
            node.insert(rng.randrange(len(node) + 1), copy.deepcopy(rng.choice(VALUES)))
        else:
            node[rng.choice(("id", "bbox", "x"))] = rng.choice(VALUES)
    return json.dumps(tree).encode()


def test_two_thousand_damaged_files(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    source, data, rng = tmp_path / "person_keypoints.json", good(), random.Random(13)
    refused = 0
    for number in range(2000):
        source.write_bytes(mutated(data, rng))
        try:
            if number % 4 == 0:  # what evaluation makes of it
                file = read_coco_file(source, tmp_path / "images", NAMES)
                truth = truth_of_coco([person.as_annotation() for person in file.people])
                assert np.isfinite(truth.box_px).all()
                continue
            annotations = read_coco_folder(tmp_path)
        except ValueError as error:
            refused += 1
            assert str(error).startswith(f"{source}: "), error
            continue
        for index, _path in enumerate(annotations.images):
            assert annotations.faults.get(index, f"{source}: ").startswith(f"{source}: ")
            record = annotations[index]
            try:
                visible_people(record, *(record.size or (120, 100)))
            except BrokenSampleError as error:
                assert str(record.path) in str(error)
    assert 300 < refused < 1700  # both ways are tried
