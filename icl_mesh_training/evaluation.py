"""Evaluate an estimator: on rendered scenes (everything known) and on COCO-labelled photos."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from icl_mesh.estimator import Estimator
from icl_mesh_training.metrics import (
    MATCH_IOU,
    Detection,
    match_people,
    mpjpe,
    pa_mpjpe,
    pck,
    point_iou,
    torso_lengths,
)
from icl_mesh_training.scenes.labels import SceneLabels

#: Rendered people of whom less is seen neither count as missed nor, if found, as false.
MIN_VISIBLE = 0.25
#: Photos: people with fewer labelled keypoints, or in a smaller box (longer side, px), neither
#: count as missed nor as false.
MIN_KEYPOINTS = 8
MIN_BOX_PX = 64


def read_rgb(path: Path) -> np.ndarray:
    """An image file as RGB uint8 [H, W, 3]."""
    data = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if data is None:
        raise ValueError(f"{path}: not a readable image")
    return cv2.cvtColor(data, cv2.COLOR_BGR2RGB)


def count_detections(
    detection: Detection,
    predicted: np.ndarray,
    true: np.ndarray,
    labelled: np.ndarray,
    demanded: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Match, count, and return the pairs (predicted, true) whose true person is demanded [T].

    A prediction left over is false only if it does not lie on a person who is not demanded.
    """
    rows, columns = match_people(predicted, true[demanded], labelled[demanded])
    rest = np.setdiff1d(np.arange(len(predicted)), rows)
    excused = point_iou(predicted[rest], true[~demanded], labelled[~demanded]) >= MATCH_IOU
    detection.found += len(rows)
    detection.missed += int(demanded.sum()) - len(rows)
    detection.false += len(rest) - int(excused.any(axis=1).sum())
    return rows, np.flatnonzero(demanded)[columns]


def evaluate_scenes(
    estimator: Estimator, folder: str | Path, limit: int | None = None
) -> dict[str, Any]:
    """Detection and joint errors on a folder of rendered scenes, with their true cameras.

    mpjpe_mm, pa_mpjpe_mm: over found people; distance_error: median of |dz| / z.
    """
    images = sorted(Path(folder).glob("*.jpg"))[:limit]
    if not images:
        raise FileNotFoundError(f"{folder}: no scenes (*.jpg with *.npz) there")
    detection = Detection()
    errors: dict[str, list[float]] = defaultdict(list)
    for path in tqdm(images, desc="scenes", unit="image"):
        labels = SceneLabels.load(path.with_suffix(".npz"))
        people = estimator(read_rgb(path), labels.camera)
        demanded = labels.visible_share >= MIN_VISIBLE
        inside = (labels.occlusion < 4) | ~demanded[:, None]
        rows, columns = count_detections(
            detection, people.joints_px, labels.joints_px, inside, demanded
        )
        found, true = people.joints_m[rows].astype(float), labels.joints_m[columns].astype(float)
        errors["mpjpe"] += mpjpe(found, true).tolist()
        errors["pa_mpjpe"] += pa_mpjpe(found, true).tolist()
        errors["distance"] += (abs(found[:, 0, 2] - true[:, 0, 2]) / true[:, 0, 2]).tolist()
    return {
        "images": len(images),
        "people": detection.found + detection.missed,
        "precision": detection.precision,
        "recall": detection.recall,
        "f1": detection.f1,
        "mpjpe_mm": float(np.mean(errors["mpjpe"])) if errors["mpjpe"] else None,
        "pa_mpjpe_mm": float(np.mean(errors["pa_mpjpe"])) if errors["pa_mpjpe"] else None,
        "distance_error": float(np.median(errors["distance"])) if errors["distance"] else None,
    }


def evaluate_photos(estimator: Estimator, folder: str | Path) -> dict[str, Any]:
    """Detection and PCK@0.2 on photos with COCO person keypoints.

    folder holds person_keypoints.json and images/. Demanded are people with MIN_KEYPOINTS labelled
    keypoints or more in a box over MIN_BOX_PX. pck counts every keypoint of a missed person as
    wrong; pck_found is over found people only. Cameras are unknown: their field of view is assumed.
    """
    folder = Path(folder)
    source = folder / "person_keypoints.json"
    if not source.is_file():
        raise FileNotFoundError(f"{source}: no such file; give a folder with it and images/")
    data = json.loads(source.read_text(encoding="utf-8"))
    annotations: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for annotation in data["annotations"]:
        annotations[annotation["image_id"]].append(annotation)
    detection = Detection()
    correct = total = found_total = 0
    for record in tqdm(data["images"], desc="photos", unit="image"):
        people = estimator(read_rgb(folder / "images" / record["file_name"]))
        own = annotations[record["id"]]
        keypoints = np.array([a["keypoints"] for a in own], dtype=float).reshape(-1, 17, 3)
        boxes = np.array([a["bbox"] for a in own], dtype=float).reshape(-1, 4)
        labelled = keypoints[..., 2] > 0
        crowd = np.array([bool(a.get("iscrowd", 0)) for a in own], dtype=bool)
        demanded = (labelled.sum(1) >= MIN_KEYPOINTS) & (boxes[:, 2:].max(1) > MIN_BOX_PX) & ~crowd
        # People without keypoints are known by their box: its corners stand in for points.
        sparse = labelled.sum(1) < 3
        true = keypoints[..., :2].copy()
        true[sparse] = np.tile((boxes[sparse, :2])[:, None], (1, 17, 1))
        true[sparse, 1::2] += boxes[sparse, None, 2:]
        predicted = people.keypoints_px("coco17")
        rows, columns = count_detections(
            detection, predicted, true, labelled | sparse[:, None], demanded
        )
        scale = torso_lengths(true, labelled, boxes)
        hits, count = pck(predicted[rows], true[columns], labelled[columns], scale[columns], 0.2)
        correct, found_total = correct + hits, found_total + count
        total += int(labelled[demanded].sum())
    return {
        "images": len(data["images"]),
        "people": detection.found + detection.missed,
        "precision": detection.precision,
        "recall": detection.recall,
        "f1": detection.f1,
        "pck": correct / max(1, total),
        "pck_found": correct / max(1, found_total),
    }
