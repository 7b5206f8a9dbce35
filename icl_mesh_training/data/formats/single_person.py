"""MPII (the JSON of its users since HRNet) and LSP with LSP Extended (MATLAB files)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from icl_mesh_training.data.annotations import Annotations, Images, People
from icl_mesh_training.data.conventions import CONVENTIONS
from icl_mesh_training.data.files import (
    CONVERSION_ERRORS,
    existing,
    first_existing,
    read_json,
    read_mat,
)
from icl_mesh_training.data.visibility import VISIBILITY_RULES

_LSP_POINTS = len(CONVENTIONS["lsp14"].names)
_LSP_TRAIN = 1000  # of LSP's 2000 images the first half is for training


def read_mpii(source: Path, images: Path) -> Annotations:
    """mpii_train.json and the like: a list with, per person, joints 16 x 2 and joints_vis 16.

    Coordinates count from 1, as in MATLAB.
    """
    found = read_json(source, "the label file")
    existing(images, "the folder of images")
    if not isinstance(found, list):
        raise ValueError(f"{source}: holds no list of people; is it the right file?")
    index_of: dict[str, int] = {}
    owner: list[int] = []
    faults: dict[int, str] = {}
    keypoints = np.full((len(found), 16, 2), np.nan)
    flags = np.zeros((len(found), 16))
    box = np.full((len(found), 4), np.nan)
    for number, person in enumerate(found):
        name = f"{source}: person number {number}"
        if not isinstance(person, dict) or not isinstance(person.get("image"), str):
            raise ValueError(f"{name} has no 'image'")
        image = index_of.setdefault(person["image"], len(index_of))
        owner.append(image)
        try:
            keypoints[number] = np.asarray(person["joints"], np.float64)[:, :2] - 1
            flags[number] = np.asarray(person["joints_vis"], np.float64)
            center = np.asarray(person["center"], np.float64) - 1
            side = 200 * float(person["scale"])
            box[number] = (*(center - side / 2), side, side)
        except CONVERSION_ERRORS as error:
            faults[image] = f"{name} ({person['image']}) is not as published ({error!r})"
    people = People.unlabelled(len(found), 16)
    people.label_pixels(VISIBILITY_RULES["mpii"](flags), keypoints)
    people.box_px[:] = box
    return Annotations.gather(
        dataset="mpii",
        convention="mpii16",
        source=source,
        images=Images([images / name for name in index_of]),
        image_of_person=owner,
        people=people,
        faults=faults,
    )


def read_lsp(folder: Path, split: str) -> Annotations:
    """joints.mat and its images: LSP (3 x 14 x N, third row occluded) or LSP Extended (14 x 3 x N,
    third column visible). split: "lspet", or "train" and "test" of LSP. Coordinates count from 1.
    """
    source = folder / "joints.mat"
    joints = read_mat(source, "joints")
    extended = split == "lspet"
    shape = (_LSP_POINTS, 3) if extended else (3, _LSP_POINTS)
    if joints.ndim != 3 or joints.shape[:2] != shape:
        raise ValueError(
            f"{source}: 'joints' has shape {joints.shape}, "
            f"{'LSP Extended' if extended else 'LSP'} has {shape[0]} x {shape[1]} x images"
        )
    joints = joints.transpose((2, 0, 1) if extended else (2, 1, 0))  # [images, points, 3]
    digits = 5 if extended else 4
    numbers = np.arange(len(joints))
    if not extended:
        numbers = numbers[:_LSP_TRAIN] if split == "train" else numbers[_LSP_TRAIN:]
    images = folder if (folder / f"im{1:0{digits}d}.png").is_file() else folder / "images"
    if not images.is_dir():
        images = folder
    suffix = Path(
        first_existing(
            images, (f"im{1:0{digits}d}.png", f"im{1:0{digits}d}.jpg"), "the first image"
        )
    ).suffix
    people = People.unlabelled(len(numbers), _LSP_POINTS)
    state = VISIBILITY_RULES["lspet" if extended else "lsp"](joints[numbers, :, 2])
    people.label_pixels(state, joints[numbers, :, :2] - 1)
    return Annotations.gather(
        dataset="lsp",
        convention="lsp14",
        source=source,
        images=Images([images / f"im{n + 1:0{digits}d}{suffix}" for n in numbers]),
        image_of_person=np.arange(len(numbers)),
        people=people,
    )
