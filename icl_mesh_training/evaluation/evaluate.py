"""Evaluate an estimator: on rendered scenes, on COCO-labelled photos, on public data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from icl_mesh.estimator import Estimator
from icl_mesh_training.data.annotations import Annotations, ImageRecord
from icl_mesh_training.data.catalogue import read_dataset
from icl_mesh_training.data.files import read_image
from icl_mesh_training.data.visibility import UNLABELLED
from icl_mesh_training.evaluation.photos import labelled_photos
from icl_mesh_training.evaluation.scoring import Scores
from icl_mesh_training.evaluation.truth import (
    AREA_SHARE,
    MIN_BOX_PX,
    Truth,
    truth_of_scene,
)
from icl_mesh_training.scenes.render.labels import SceneLabels

#: Rendered people with a smaller visible share count neither as missed nor, if found, as false.
MIN_VISIBLE = 0.25
#: People of data sets with fewer labelled SMPL joints neither count as missed nor as false.
MIN_JOINTS = 6


def evaluate_scenes(
    estimator: Estimator,
    folder: str | Path,
    limit: int | None = None,
    min_visible: float = MIN_VISIBLE,
) -> dict[str, Any]:
    """All figures of Scores.result on a folder of rendered scenes, with their true cameras."""
    images = sorted(Path(folder).glob("*.jpg"))[:limit]
    if not images:
        raise FileNotFoundError(f"{folder}: no scenes (*.jpg with *.npz) there")
    scores = Scores()
    for path in tqdm(images, desc="scenes", unit="image"):
        labels = SceneLabels.load(path.with_suffix(".npz"))
        people = estimator(read_image(path), labels.camera, vertices=True)
        scores.add(people, truth_of_scene(labels, estimator.body, min_visible))
    return scores.result()


def evaluate_photos(
    estimator: Estimator,
    folder: str | Path,
    limit: int | None = None,
    split: str | None = None,
) -> dict[str, Any]:
    """Detection, OKS AP and PCK on photos with COCO person keypoints; the cameras' field of view is
    assumed. Arguments and errors: see labelled_photos."""
    scores = Scores()
    for photo in tqdm(labelled_photos(folder, limit, split), desc="photos", unit="image"):
        scores.add(estimator(photo.image()), photo.truth())
    return scores.result()


def evaluate_dataset(
    estimator: Estimator,
    name: str,
    root: str | Path,
    split: str | None = None,
    limit: int | None = None,
) -> dict[str, Any]:
    """All figures of Scores.result on a data set, by the SMPL joints that its points label.

    3-D errors are over the labelled SMPL joints, pelvis-aligned. Published figures that use another
    joint regressor (Human3.6M's 14 or 17 joints) are not comparable.
    """
    annotations = read_dataset(name, root, split)
    scores = Scores()
    indices = range(min(len(annotations), limit or len(annotations)))
    for index in tqdm(indices, desc=name, unit="image"):
        if index in annotations.faults:
            raise ValueError(annotations.faults[index])
        record = annotations[index]
        image = read_image(record.path, record.size)
        people = estimator(image, record.camera(image.shape[1], image.shape[0]))
        scores.add(people, truth_of_record(annotations, record, image.shape[1], image.shape[0]))
    return scores.result()


def truth_of_record(
    annotations: Annotations, record: ImageRecord, width: int, height: int
) -> Truth:
    """Labels of a data set's image. Demanded: MIN_JOINTS joints inside a box over MIN_BOX_PX."""
    people = record.people
    joints, state = annotations.points.to_smpl(people.keypoints_px, people.state)
    metres, _ = annotations.points.to_smpl(people.keypoints_m, people.state)
    size = np.array([width, height])
    inside = np.asarray(((joints > -0.5) & (joints < size - 0.5)).all(axis=2))
    labelled = np.asarray((state < UNLABELLED) & inside)
    box = people.box_px.astype(np.float64)
    points = np.nan_to_num(joints)
    if len(people):
        low = np.where(labelled[..., None], points, np.inf).min(axis=1)
        high = np.where(labelled[..., None], points, -np.inf).max(axis=1)
        drawn = np.nan_to_num(np.concatenate((low, high - low), axis=1), posinf=0, neginf=0)
        box = np.where(np.isfinite(box), box, drawn)
    demanded = (labelled.sum(axis=1) >= MIN_JOINTS) & (box[:, 2:].max(axis=1) > MIN_BOX_PX)
    sparse = labelled.sum(axis=1) < 3
    points[sparse] = box[sparse, None, :2]
    points[sparse, 1::2] += box[sparse, None, 2:]
    keypoints = None
    if annotations.convention == "coco17":
        flags = 2.0 * (people.state < UNLABELLED)
        keypoints = np.concatenate((np.nan_to_num(people.keypoints_px), flags[..., None]), axis=2)
    in_space = np.asarray(np.isfinite(metres).all(axis=2))
    return Truth(
        points_px=points,
        labelled=labelled | sparse[:, None],
        demanded=demanded,
        box_px=box,
        keypoints=keypoints,
        area=AREA_SHARE * box[:, 2] * box[:, 3],
        joints_m=np.nan_to_num(metres),
        labelled_3d=in_space & (in_space[:, :1] | in_space[:, 1:3].all(axis=1, keepdims=True)),
    )
