"""Photos with COCO person keypoints, as evaluations read them."""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from icl_mesh_training.data.conventions import CONVENTIONS
from icl_mesh_training.data.files import read_image
from icl_mesh_training.data.formats.coco_file import read_coco_file
from icl_mesh_training.evaluation.truth import Truth, truth_of_coco


@dataclass(frozen=True)
class Photo:
    """A photo and its people's COCO annotations. size: width and height of the labels, px."""

    path: Path
    size: tuple[int, int] | None
    people: list[dict[str, Any]]

    def image(self) -> npt.NDArray[np.uint8]:
        """RGB u8 [H, W, 3], see read_image."""
        return read_image(self.path, self.size)

    def truth(self) -> Truth:
        """See truth_of_coco."""
        return truth_of_coco(self.people)


def labelled_photos(
    folder: str | Path, limit: int | None = None, split: str | None = None
) -> list[Photo]:
    """The first `limit` photos of person_keypoints.json and images/ in a folder.

    split: only COCO's photos whose coco_url names this split ("val2017"). Warnings on the file go
    to stderr. Raises FileNotFoundError or ValueError naming the file, where a chosen photo or its
    people are not in COCO's format too.
    """
    folder = Path(folder)
    source = folder / "person_keypoints.json"
    file = read_coco_file(source, folder / "images", CONVENTIONS["coco17"].names)
    for text in file.warnings:
        print(f"{source}: {text}", file=sys.stderr)
    people: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for person in file.people:
        people[person.image].append(person.as_annotation())
    indices = list(range(len(file.paths)))
    if split is not None:
        indices = [n for n in indices if f"/{split}/" in str(file.records[n].get("coco_url"))]
        if not indices:
            raise ValueError(f"{source}: no image's coco_url is of the split {split!r}")
    for index in indices[:limit]:
        if index in file.faults:
            raise ValueError(
                f"{source}: image {file.paths[index].name} or its people are not in COCO's format "
                f"({file.faults[index]}); `icl-mesh-train data check --root {folder}` says more"
            )
    return [
        Photo(file.paths[n], file.sizes[n] if all(file.sizes[n]) else None, people[n])
        for n in indices[:limit]
    ]
