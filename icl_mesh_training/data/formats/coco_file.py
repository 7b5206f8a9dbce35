"""Lenient reader of COCO keypoint files: images, people, corrections and omissions.

Training (data/coco.py) and evaluation (evaluation.py) both read COCO files here.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from icl_mesh_training.data.files import entries, existing, read_json
from icl_mesh_training.data.formats.coco_names import Categories, Order, id_key
from icl_mesh_training.data.formats.coco_numbers import (
    LONGEST,
    check_px,
    read_area,
    read_number,
    read_numbers,
    read_truth,
)
from icl_mesh_training.data.formats.coco_patterns import suspicions
from icl_mesh_training.errors import shown


@dataclass
class CocoPerson:
    """One annotation. keypoints [K, 3]: x, y in px and COCO's flag, zeros if there are none.
    box [4]: left, top, width, height in px, NaN if there is none. area: px^2, where given.
    """

    image: int
    id: int | None
    keypoints: npt.NDArray[np.float64]
    box: npt.NDArray[np.float64]
    crowd: bool
    area: float | None

    def as_annotation(self) -> dict[str, Any]:
        """The annotation as COCO defines it."""
        box = {"bbox": self.box.tolist()} if np.isfinite(self.box).all() else {}
        area = {} if self.area is None else {"area": self.area}
        keypoints = self.keypoints.ravel().tolist()
        return {"keypoints": keypoints, "iscrowd": int(self.crowd), **box, **area}


@dataclass
class CocoFile:
    """paths, sizes (width, height in px, 0 where unknown) and records of I images; people.

    faults: image -> its fault. mended: corrected deviations from COCO's format. left_out: ignored
    entries. Both map to counts. warnings: one sentence each.
    """

    source: Path
    paths: list[Path] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    people: list[CocoPerson] = field(default_factory=list)
    faults: dict[int, str] = field(default_factory=dict)
    mended: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)


def read_coco_file(
    source: Path, images: Path, points: tuple[str, ...], names_decide: bool = True
) -> CocoFile:
    """source: the JSON file. images: the folder of its images. names_decide: see Categories.

    Raises FileNotFoundError or ValueError, naming the file, for faults of the whole file.
    """
    content = read_json(source, "the label file")
    existing(images, "the folder of images")
    file = CocoFile(source)
    file.records, found = (
        entries(content, "images", source),
        entries(content, "annotations", source),
    )
    exact, loose = _read_images(file, images)
    try:
        categories = Categories(content, found, points, names_decide)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
    file.mended.update(dict.fromkeys(categories.reordered(), 0))
    file.left_out.update(dict.fromkeys(categories.left_out(), 0))
    file.warnings += categories.warnings
    orphans: list[str] = []
    for number, annotation in enumerate(found):
        own = shown(annotation["id"]) if "id" in annotation else f"number {number}"
        name = f"annotation {own}"
        wanted = annotation.get("image_id")
        image = exact.get(wanted) if isinstance(wanted, int | float | str) else None
        if image is None and (image := loose.get(id_key(wanted))) is not None:
            file.mended["ids of images, text on one side and numbers on the other"] += 1
        if image is None:
            file.left_out["annotations of an image that is not among the images"] += 1
            orphans.append(f"{name} is of image {shown(wanted)}, which is not among the images")
            continue
        try:
            order = categories.order(annotation)
            if order is not None:
                _read_person(file, annotation, image, order)
        except (ValueError, OverflowError) as error:
            file.faults[image] = f"{source}: {name} (image {file.paths[image]}): {error}"
    if found and len(orphans) == len(found):
        raise ValueError(
            f"{source}: none of its {len(found)} annotations is of one of its {len(file.paths)} "
            f"images: {orphans[0]}"
        )
    file.warnings += _suspicions(file, points)
    return file


def _suspicions(file: CocoFile, points: tuple[str, ...]) -> list[str]:
    single = [person for person in file.people if not person.crowd]
    if file.people and not single:
        return ["all annotations are iscrowd: nobody is labelled one by one"]
    keypoints = np.array([person.keypoints for person in single]).reshape(-1, len(points), 3)
    boxes = np.array([person.box for person in single]).reshape(-1, 4)
    sizes = np.array([file.sizes[person.image] for person in single], np.float64).reshape(-1, 2)
    return suspicions(keypoints, boxes, sizes, points, file.source)


def _read_images(file: CocoFile, images: Path) -> tuple[dict[Any, int], dict[str | None, int]]:
    """Fill in paths and sizes; return id -> image, and unambiguous id_key -> image."""
    exact: dict[Any, int] = {}
    loose: dict[str | None, int] = {}
    for number, record in enumerate(file.records):
        name, own = record.get("file_name"), record.get("id")
        if not isinstance(own, int | float | str) or not isinstance(name, str):
            raise ValueError(f"{file.source}: images[{number}] has no 'id' or no 'file_name'")
        if own in exact:
            raise ValueError(f"{file.source}: two images have the id {shown(own)}")
        exact[own] = number
        key = id_key(own)
        loose[key] = -1 if key in loose else number
        path = _image_path(images, name)
        if path != images / name:
            file.mended[f"file names, whose folders or backslashes {images.name}/ lacks"] += 1
        file.paths.append(path)
        try:
            file.sizes.append(_size(file, record))
        except (ValueError, OverflowError) as error:
            file.sizes.append((0, 0))
            file.faults[number] = f"{file.source}: image {shown(own)} ({path}): {error}"
    return exact, {key: image for key, image in loose.items() if key and image >= 0}


def _image_path(images: Path, name: str) -> Path:
    r"""Path of an image. Tools of other systems write images\a.jpg, or paths of another machine."""
    plain = images / name
    # The disk is read only for names with a folder in them: other names are plain.
    if ("/" not in name and "\\" not in name) or os.path.isfile(plain):  # noqa: PTH113
        return plain
    parts = PurePosixPath(name.replace("\\", "/")).parts
    candidates = [images.joinpath(*parts[first:]) for first in range(len(parts))]
    # Not Path.is_file: it raises for names too long.
    return next((path for path in candidates if os.path.isfile(path)), plain)  # noqa: PTH113


def _size(file: CocoFile, record: dict[str, Any]) -> tuple[int, int]:
    """Width and height of an image record, (0, 0) if one of them is not given."""
    given = [record.get("width"), record.get("height")]
    if any(value in (None, 0, "") for value in given):
        return 0, 0
    width, height = (read_number(value, "width and height") for value in given)
    if any(isinstance(value, str) for value in given):
        file.mended["sizes of images, given as text"] += 1
    if not all(0 < side <= LONGEST and side == int(side) for side in (width, height)):
        raise ValueError(f"width and height must be whole numbers of px, got {shown(given)}")
    return int(width), int(height)


def _read_person(file: CocoFile, annotation: dict[str, Any], image: int, order: Order) -> None:
    """Add the person of an annotation. Raises ValueError for its faults."""
    keypoints = np.zeros((len(order), 3))
    if annotation.get("keypoints"):
        keypoints = _keypoints(file, annotation["keypoints"], len(order))[order]
    labelled = bool((keypoints[:, 2] > 0).any())
    box, given = np.full(4, np.nan), annotation.get("bbox")
    if isinstance(given, list) and not given:
        file.mended["annotations with an empty bbox, [], read as without"] += 1
    elif given is not None:
        box = read_numbers(given, "bbox", 4)
    elif not keypoints.any():
        raise ValueError("it has neither keypoints nor bbox")
    if (box[2:] <= 0).any():  # False for NaN
        if not labelled:
            file.left_out["annotations without keypoints, in a bbox without area"] += 1
            return
        file.mended["annotations with a bbox without area, read as without"] += 1
        box = np.full(4, np.nan)
    if not labelled and np.isnan(box).any():
        file.left_out["annotations without labelled keypoints and without bbox"] += 1
        return
    crowd = annotation.get("iscrowd")
    if isinstance(crowd, str | bool):
        file.mended["iscrowd, given as text or true/false"] += 1
    own = id_key(annotation.get("id"))
    number = int(own) if own is not None and own.lstrip("-").isdecimal() else None
    file.people.append(
        CocoPerson(
            image,
            number,
            keypoints,
            box,
            read_truth(crowd, "iscrowd"),
            read_area(annotation.get("area")),
        )
    )


def _keypoints(file: CocoFile, given: Any, count: int) -> npt.NDArray[np.float64]:
    """Keypoints [K, 3] of one annotation, in its own order."""
    flat = given
    if isinstance(given, list) and given and all(isinstance(row, list) for row in given):
        flat = [value for row in given for value in row]
    kinds = set(map(type, flat)) if isinstance(flat, list) else set()
    if bool in kinds:
        if any(isinstance(v, bool) for n, v in enumerate(flat) if n % 3 < 2):
            raise ValueError("keypoints are not numbers")
        flat = [2 * v if isinstance(v, bool) else v for v in flat]
        file.mended["annotations with flags v of true and false, read as 2 and 0"] += 1
    if str in kinds:
        file.mended["annotations with keypoints given as text"] += 1
    points = read_numbers(flat, "keypoints", 3 * count, finite=False).reshape(-1, 3)
    # The coordinates of unlabelled points may be anything, also null.
    points[(points[:, 2] == 0) & ~(np.abs(points) <= LONGEST).all(axis=1)] = 0
    check_px(points, "keypoints")
    return points
