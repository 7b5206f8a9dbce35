"""EFT pseudo-labels: SMPL pose and shape for people of COCO, MPII and LSP Extended.

Joo et al. 2021, "Exemplar Fine-Tuning for 3D Human Model Fitting Towards In-the-Wild 3D Human Pose
Estimation". One JSON a data set: "data" lists fits with parm_pose (24x3x3; the root rotates from
the body to the camera frame), parm_shape (10), bbox_center, bbox_scale (of 200 px), imageName and,
for COCO, annotId. Fits are of SMPL's neutral model.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.transform import Rotation

from icl_mesh_training.data.annotations import Annotations
from icl_mesh_training.data.files import CONVERSION_ERRORS, as_published, entries, read_json

#: Maximum distance of the centres of a fit and its person, as a share of the fit's box.
MATCH_DISTANCE = 0.5


def attach_eft(
    annotations: Annotations, source: Path, annotation_ids: list[int | None] | None
) -> int:
    """Fill in pose and betas of the people that have a fit; returns their number.

    annotation_ids: each person's id, if fits name it (COCO). Else fits and people of an image are
    paired one to one by the distance of their centres.
    Raises ValueError naming the fit that is not as published.
    """
    fits = entries(read_json(source, "EFT's file of fits"), "data", source)
    if annotation_ids is not None:
        known = enumerate(annotation_ids)
        person_of = {str(name): person for person, name in known if name is not None}
        pairs = [(fit, person_of.get(str(fit.get("annotId")))) for fit in fits]
    else:
        with as_published(str(source), "fits need imageName, bbox_center and bbox_scale"):
            pairs = _pair_by_distance(annotations, fits)
    count = 0
    for fit, person in pairs:
        if person is None:
            continue  # of a person or an image that this split does not have
        name = f"{source}: the fit of {fit.get('imageName')} (annotId {fit.get('annotId')})"
        if str(fit.get("smpltype", "smpl")).lower() != "smpl":
            raise ValueError(f"{name} is of {fit['smpltype']}, not of SMPL")
        try:
            pose = np.asarray(fit["parm_pose"], np.float64).reshape(24, 3, 3)
            betas = np.asarray(fit["parm_shape"], np.float64).reshape(10)
        except CONVERSION_ERRORS:
            raise ValueError(f"{name} has no parm_pose (24x3x3) and parm_shape (10)") from None
        if not (np.isfinite(pose).all() and np.isfinite(betas).all()):
            _fault(annotations, person, f"{name} holds NaN or infinite values")
            continue
        try:
            annotations.people.pose[person] = Rotation.from_matrix(pose).as_rotvec()
        except ValueError as error:
            _fault(annotations, person, f"{name} holds no rotations ({error})")
            continue
        annotations.people.betas[person] = betas
        count += 1
    return count


def _fault(annotations: Annotations, person: int, message: str) -> None:
    image = int(np.searchsorted(annotations.first, person, side="right")) - 1
    annotations.faults[image] = message


def _pair_by_distance(
    annotations: Annotations, fits: list[dict[str, Any]]
) -> list[tuple[dict[str, Any], int | None]]:
    """Pairs of fits and people of an image with the least total distance of their centres."""
    image_of = {path.name: index for index, path in enumerate(annotations.images)}
    grouped: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for fit in fits:
        image = image_of.get(Path(str(fit.get("imageName", ""))).name)
        if image is not None:
            grouped[image].append(fit)
    pairs: list[tuple[dict[str, Any], int | None]] = []
    for image, own in grouped.items():
        first, last = int(annotations.first[image]), int(annotations.first[image + 1])
        if first == last:
            continue
        keypoints = annotations.people.keypoints_px[first:last]
        lost = np.isnan(keypoints)
        low = np.where(lost, np.inf, keypoints).min(axis=1)
        high = np.where(lost, -np.inf, keypoints).max(axis=1)
        with np.errstate(invalid="ignore"):  # people without labelled points
            person_centers = (low + high) / 2
        fit_centers = np.array([fit["bbox_center"] for fit in own], np.float64).reshape(-1, 2)
        sides = np.array([200 * float(fit["bbox_scale"]) for fit in own])
        distance = np.linalg.norm(fit_centers[:, None] - person_centers[None], axis=-1)
        distance = distance / sides[:, None]
        distance = np.where(np.isfinite(distance), distance, 1e6)
        rows, columns = linear_sum_assignment(distance)
        pairs += [
            (own[row], first + int(column))
            for row, column in zip(rows, columns, strict=True)
            if distance[row, column] < MATCH_DISTANCE
        ]
    return pairs
