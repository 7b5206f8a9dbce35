"""COCO person keypoints, and data sets in the same layout: CrowdPose, OCHuman, a user's own.

Keypoints are read as pixel centres counted from 0, since COCO's files have whole numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from icl_mesh_training.data.annotations import Annotations, Images, People
from icl_mesh_training.data.conventions import CONVENTIONS
from icl_mesh_training.data.formats.coco_file import read_coco_file
from icl_mesh_training.data.visibility import UNLABELLED, VISIBILITY_RULES

#: Conventions whose keypoint order a file's own names decide.
_NAMED = ("coco17", "crowdpose14")


def read_coco(
    dataset: str, source: Path, images: Path, convention: str = "coco17"
) -> tuple[Annotations, list[int | None]]:
    """Labels of a COCO keypoint JSON and its folder of images; also each person's annotation id.

    A person without keypoints and a crowd become unlabelled regions, given by their boxes. Raises
    FileNotFoundError or ValueError, naming the file, for faults of the whole file.
    """
    points = CONVENTIONS[convention].names
    file = read_coco_file(source, images, points, convention in _NAMED)
    count = len(file.people)
    owner = np.array([person.image for person in file.people], np.int64)
    keypoints = np.array([p.keypoints for p in file.people]).reshape(count, len(points), 3)
    boxes = np.array([person.box for person in file.people]).reshape(count, 4)
    crowd = np.array([person.crowd for person in file.people], bool)
    sizes = np.array(file.sizes, np.int32).reshape(-1, 2)
    people = People.unlabelled(count, len(points))
    state = VISIBILITY_RULES[dataset](keypoints[..., 2])
    state[crowd] = UNLABELLED
    people.label_pixels(state, keypoints[..., :2])
    people.box_px[:] = boxes
    annotations = Annotations.gather(
        dataset=dataset,
        convention=convention,
        source=source,
        images=Images(file.paths, sizes),
        image_of_person=owner,
        people=people,
        faults=file.faults,
    )
    annotations.mended += _counted(file.mended)
    annotations.left_out += _counted(file.left_out)
    annotations.warnings += file.warnings
    return annotations, [file.people[i].id for i in np.argsort(owner, kind="stable")]


def _counted(texts: dict[str, int]) -> list[str]:
    return [f"{text}: {count}" if count else text for text, count in texts.items()]
