"""COCO files with random damage: read, or refused with a sentence that names the file."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from icl_mesh_training.data.catalogue import read_coco_folder
from icl_mesh_training.data.conventions import CONVENTIONS
from icl_mesh_training.data.formats.coco_file import read_coco_file
from icl_mesh_training.data.images import BrokenSampleError, visible_people
from icl_mesh_training.evaluation.truth import truth_of_coco

NAMES = CONVENTIONS["coco17"].names


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


def test_two_thousand_damaged_files(
    tmp_path: Path, mutated: Callable[[Any, random.Random], bytes]
) -> None:
    (tmp_path / "images").mkdir()
    source, data, rng = tmp_path / "person_keypoints.json", good(), random.Random(13)
    refused = 0
    for number in range(2000):
        source.unlink(missing_ok=True)  # some file systems take longer to write over a file
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
            assert "\n" not in str(error)
            assert len(str(error)) < 1500
            continue
        for index, _path in enumerate(annotations.images):
            assert annotations.faults.get(index, f"{source}: ").startswith(f"{source}: ")
            record = annotations[index]
            try:
                visible_people(record, *(record.size or (120, 100)))
            except BrokenSampleError as error:
                assert str(record.path) in str(error)
    assert 300 < refused < 1700  # both ways are tried
