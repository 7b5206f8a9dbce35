"""`icl-mesh-train threshold`: a detection threshold by cross-validation over labelled photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from icl_mesh.estimator import Estimator
from icl_mesh_training.evaluation.metrics import Detection, count_detections
from icl_mesh_training.evaluation.photos import labelled_photos
from icl_mesh_training.evaluation.truth import Truth

#: Thresholds that are tried.
GRID = tuple(round(0.01 * i, 2) for i in range(5, 100))

#: Found, missed and false people [images, len(GRID), 3].
Counts = npt.NDArray[np.int64]


def cross_validate(
    estimator: Estimator, folders: Sequence[str | Path], precision: float, folds: int = 5
) -> dict[str, Any]:
    """The least threshold of GRID with this precision on photos, for each fold from the others.

    folders: as of evaluate_photos, whose rules count people. Images are dealt to folds at random,
    with a fixed seed. With a second stage it is the threshold of refined people; the first stage
    proposes as it does at work. The estimator's thresholds are changed.

    Returns threshold (the median over folds), folds (threshold, and recall and precision on the
    images held out), held_out (over all images, each at the threshold of the others), and all
    (over all images, at the median). Raises ValueError where no threshold has this precision.
    """
    photos = [photo for folder in folders for photo in labelled_photos(folder)]
    if not 2 <= folds <= len(photos):
        raise ValueError(
            f"folds must lie between 2 and the number of photos, {len(photos)}; got {folds}"
        )
    estimator.refined_threshold = GRID[0]
    if estimator.second_stage is None:
        estimator.threshold = GRID[0]
    rows = []
    for photo in tqdm(photos, desc="photos", unit="image"):
        people = estimator(photo.image())
        rows.append(count_at_thresholds(people.keypoints_px("coco17"), people.score, photo.truth()))
    return choose(np.array(rows), precision, folds)


def count_at_thresholds(
    points: npt.NDArray[np.floating], score: npt.NDArray[np.floating], truth: Truth
) -> Counts:
    """Found, missed and false people [len(GRID), 3] of one image at each threshold of GRID.

    points [N, K, 2] with falling scores [N], of truth's point set.
    """
    kept = [int((score >= threshold).sum()) for threshold in GRID]
    of_first = {}
    for count in set(kept):
        detection = Detection()
        count_detections(
            detection,
            points[:count],
            truth.points_px,
            truth.labelled,
            truth.demanded,
            crowds=truth.crowds_px,
        )
        of_first[count] = (detection.found, detection.missed, detection.false)
    return np.array([of_first[count] for count in kept])


def choose(counts: Counts, precision: float, folds: int) -> dict[str, Any]:
    """Cross-validation over images; see cross_validate."""
    order = np.random.default_rng(0).permutation(len(counts))
    result: list[dict[str, Any]] = []
    held_out = np.zeros(3, np.int64)
    for fold in range(folds):
        mine = order[fold::folds]
        chosen = _least(np.delete(counts, mine, axis=0).sum(axis=0), precision)
        own = counts[mine, chosen].sum(axis=0)
        held_out += own
        result.append({"threshold": GRID[chosen], **_figures(own)})
    threshold = float(np.median([row["threshold"] for row in result]))
    index = int(np.searchsorted(GRID, threshold - 1e-9))  # of an even number of folds, the next one
    return {
        "threshold": GRID[index],
        "folds": result,
        "held_out": _figures(held_out),
        "all": _figures(counts[:, index].sum(axis=0)),
    }


def _least(counts: Counts, precision: float) -> int:
    """Index of the least threshold that reaches the precision, from counts [len(GRID), 3]."""
    reached = [_figures(row)["precision"] for row in counts]
    for index, value in enumerate(reached):
        if value >= precision:
            return index
    best = int(np.argmax(reached))
    raise ValueError(
        f"no threshold reaches a precision of {precision:g} on these photos; the highest is "
        f"{reached[best]:.3f}, at {GRID[best]:g}: ask for that or less"
    )


def _figures(counts: Counts) -> dict[str, Any]:
    found, missed, false = (int(value) for value in counts)
    detection = Detection(found, missed, false)
    return {
        "people": found + missed,
        "recall": detection.recall,
        "precision": detection.precision,
    }
