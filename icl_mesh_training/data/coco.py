"""COCO person keypoints, and data sets in the same layout: CrowdPose, OCHuman, a user's own.

Keypoints are taken for pixel centres counted from 0, as they are whole numbers in COCO's files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from icl_mesh_training.data.annotations import Annotations, People
from icl_mesh_training.data.conventions import CONVENTIONS
from icl_mesh_training.data.files import entries, existing, image_number, read_json
from icl_mesh_training.data.visibility import UNLABELLED, VISIBILITY_RULES


def read_coco(
    dataset: str, source: Path, images: Path, convention: str = "coco17"
) -> tuple[Annotations, list[int]]:
    """COCO keypoint JSON and the folder of its images; also each person's annotation id.

    A person without keypoints, and a crowd, is kept by its box: a region of which nothing is known.
    """
    content = read_json(source, "the label file")
    existing(images, "the folder of images")
    points = CONVENTIONS[convention].names
    records, found = entries(content, "images", source), entries(content, "annotations", source)
    index_of: dict[Any, int] = {}
    paths, sizes = [], []
    for number, record in enumerate(records):
        if "id" not in record or not isinstance(record.get("file_name"), str):
            raise ValueError(f"{source}: images[{number}] has no 'id' or no 'file_name'")
        if record["id"] in index_of:
            raise ValueError(f"{source}: two images have the id {record['id']}")
        index_of[record["id"]] = number
        paths.append(images / record["file_name"])
        sizes.append((int(record.get("width") or 0), int(record.get("height") or 0)))

    _check_points(content, points, source)
    keypoints = np.zeros((len(found), len(points), 3))
    boxes = np.full((len(found), 4), np.nan)
    crowd = np.array([bool(annotation.get("iscrowd")) for annotation in found], bool)
    owner, ids, faults, kept = [], [], {}, []
    for number, annotation in enumerate(found):
        name = f"{source}: annotation {annotation.get('id', f'number {number}')}"
        image = image_number(annotation, index_of, name)
        try:
            if annotation.get("keypoints"):
                given = _numbers(annotation["keypoints"], "keypoints", 3 * len(points))
                keypoints[number] = given.reshape(-1, 3)
            if annotation.get("bbox") is not None:
                boxes[number] = _numbers(annotation["bbox"], "bbox", 4)
            elif not keypoints[number].any():
                raise ValueError("it has neither keypoints nor bbox")
        except ValueError as error:
            faults[image] = f"{name} (image {paths[image]}): {error}"
            continue
        owner.append(image)
        ids.append(int(annotation.get("id", number)))
        kept.append(number)
    chosen = np.array(kept, np.int64)
    people = People.unlabelled(len(chosen), len(points))
    state = VISIBILITY_RULES[dataset](keypoints[chosen, :, 2])
    state[crowd[chosen]] = UNLABELLED
    people.label_pixels(state, keypoints[chosen, :, :2])
    people.box_px[:] = boxes[chosen]
    annotations = Annotations.gather(
        dataset=dataset,
        convention=convention,
        source=source,
        images=paths,
        image_of_person=owner,
        people=people,
        size=sizes,
        faults=faults,
    )
    return annotations, [ids[i] for i in np.argsort(np.array(owner, int), kind="stable")]


def _numbers(value: object, name: str, count: int) -> npt.NDArray[np.float64]:
    """So many finite numbers. Raises ValueError where it is something else."""
    try:
        numbers = np.asarray(value, np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise ValueError(f"{name} are not numbers") from None
    if numbers.size != count:
        raise ValueError(f"{name} are {numbers.size} numbers, not {count}")
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} hold NaN or infinite values")
    return numbers


def _check_points(content: dict[str, Any], points: tuple[str, ...], source: Path) -> None:
    """Refuses a file whose own list of keypoints has another length (another convention)."""
    for category in content.get("categories") or []:
        names = category.get("keypoints")
        if names is not None and len(names) != len(points):
            raise ValueError(
                f"{source}: its category '{category.get('name')}' has {len(names)} keypoints, this "
                f"data set has {len(points)} ({', '.join(points)})"
            )
