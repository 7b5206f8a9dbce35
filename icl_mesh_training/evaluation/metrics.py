"""Metrics of people in images: one-to-one matching, detection, joint errors, PCK.

Letters: P predicted people, T true people, K points (joints or keypoints).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata

from icl_mesh_training.losses.terms import procrustes_align

#: Minimum IoU of a match between the boxes around the same points.
MATCH_IOU = 0.3
#: A prediction belongs to a crowd with this share of its box inside (pycocotools: IoU 0.5, where a
#: crowd's "union" is the prediction alone).
CROWD_SHARE = 0.5

#: Left shoulder and right hip, right shoulder and left hip.
Diagonals = tuple[tuple[int, int], tuple[int, int]]
COCO_DIAGONALS: Diagonals = ((5, 12), (6, 11))
SMPL_DIAGONALS: Diagonals = ((16, 2), (17, 1))

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]


def point_iou(predicted: FloatArray, true: FloatArray, labelled: BoolArray) -> FloatArray:
    """IoU [P, T] of boxes around points [P, K, 2] and [T, K, 2] in pixels.

    Both boxes of a pair are drawn around the points that are labelled [T, K] for the true person,
    grown by a tenth of the true box's longer side, since points in a line have no area.
    """
    if not len(predicted) or not len(true):
        return np.zeros((len(predicted), len(true)))
    mask = labelled[None, :, :, None]

    def corners(points: FloatArray) -> tuple[FloatArray, FloatArray]:
        low = np.where(mask, points, np.inf).min(axis=2)
        high = np.where(mask, points, -np.inf).max(axis=2)
        return low, high

    shape = (len(predicted), *true.shape)
    true_low, true_high = corners(np.broadcast_to(true[None], shape))
    low, high = corners(np.broadcast_to(predicted[:, None], shape))
    margin = 0.1 * (true_high - true_low).max(axis=-1, keepdims=True)
    low, high = low - margin, high + margin
    true_low, true_high = true_low - margin, true_high + margin
    overlap = np.clip(np.minimum(high, true_high) - np.maximum(low, true_low), 0, None).prod(-1)
    union = (high - low).prod(-1) + (true_high - true_low).prod(-1) - overlap
    return overlap / np.maximum(union, 1e-9)


def match_people(
    predicted: FloatArray, true: FloatArray, labelled: BoolArray
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """One-to-one pairs (predicted index, true index) of the largest total IoU >= MATCH_IOU."""
    iou = point_iou(predicted, true, labelled)
    rows, columns = linear_sum_assignment(np.where(iou >= MATCH_IOU, iou, 0), maximize=True)
    good = iou[rows, columns] >= MATCH_IOU
    return rows[good], columns[good]


def count_detections(
    detection: Detection,
    predicted: FloatArray,
    true: FloatArray,
    labelled: BoolArray,
    demanded: BoolArray,
    *,
    crowds: FloatArray | None = None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Match, count, and return the pairs (predicted, true) whose true person is demanded [T].

    An unmatched prediction is a false positive unless it matches a person who is not demanded or
    has half of its box in one of crowds [C, 4] (left, top, width, height), regions without labels
    of single people. That is COCO's rule for ``iscrowd``.
    """
    rows, columns = match_people(predicted, true[demanded], labelled[demanded])
    unmatched = np.setdiff1d(np.arange(len(predicted)), rows)
    on_others = point_iou(predicted[unmatched], true[~demanded], labelled[~demanded]) >= MATCH_IOU
    left_over = ~on_others.any(axis=1)
    in_crowd = _share_within(predicted[unmatched], crowds) >= CROWD_SHARE
    detection.found += len(rows)
    detection.missed += int(demanded.sum()) - len(rows)
    detection.crowd += int((left_over & in_crowd).sum())
    detection.false += int((left_over & ~in_crowd).sum())
    return rows, np.flatnonzero(demanded)[columns]


def _share_within(predicted: FloatArray, regions: FloatArray | None) -> FloatArray:
    """The largest share of the box around each of the points [P, K, 2] inside a region, [P]."""
    if regions is None or not len(regions) or not len(predicted):
        return np.zeros(len(predicted))
    low, high = predicted.min(axis=1)[:, None], predicted.max(axis=1)[:, None]
    start, end = regions[None, :, :2], regions[None, :, :2] + regions[None, :, 2:]
    common = np.clip(np.minimum(high, end) - np.maximum(low, start), 0, None).prod(axis=2)
    return np.asarray((common / np.maximum((high - low).prod(axis=2), 1e-9)).max(axis=1))


@dataclass
class Detection:
    """Counts of one-to-one detection. crowd: predictions ignored because of a crowd only."""

    found: int = 0
    missed: int = 0
    false: int = 0
    crowd: int = 0

    @property
    def precision(self) -> float:
        """found / predicted."""
        return self.found / max(1, self.found + self.false)

    @property
    def recall(self) -> float:
        """found / true."""
        return self.found / max(1, self.found + self.missed)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.found / max(1, 2 * self.found + self.missed + self.false)


def joint_errors(
    predicted: FloatArray, true: FloatArray, labelled: BoolArray | None = None
) -> FloatArray:
    """Errors [N, J] in mm of pelvis-aligned joints [N, J, 3] in metres; NaN where not labelled.

    The pelvis is joint 0; where it has no label, the centre of the hips (joints 1 and 2).
    """
    mask = np.ones(true.shape[:2], bool) if labelled is None else labelled
    hips = mask[:, :1, None]

    def root(points: FloatArray) -> FloatArray:
        return np.where(hips, points[:, :1], points[:, 1:3].mean(axis=1, keepdims=True))

    error = np.linalg.norm((predicted - root(predicted)) - (true - root(true)), axis=-1)
    return np.where(mask, 1000 * error, np.nan)


def mpjpe(predicted: FloatArray, true: FloatArray, labelled: BoolArray | None = None) -> FloatArray:
    """Mean over labelled joints of joint_errors, [N] in mm."""
    if not len(predicted):
        return np.zeros(0)
    return np.asarray(np.nanmean(joint_errors(predicted, true, labelled), axis=1))


def pa_mpjpe(
    predicted: FloatArray, true: FloatArray, labelled: BoolArray | None = None
) -> FloatArray:
    """Joint error [N] in mm after the best rotation, scale and translation of each person."""
    if not len(predicted):
        return np.zeros(0)
    mask = np.ones(true.shape[:2], bool) if labelled is None else labelled
    true = np.where(mask[..., None], true, 0.0)
    aligned = procrustes_align(
        torch.from_numpy(predicted).double(),
        torch.from_numpy(true).double(),
        torch.from_numpy(mask),
    ).numpy()
    error = np.linalg.norm(aligned - true, axis=-1)
    return np.asarray(1000 * (error * mask).sum(1) / np.maximum(mask.sum(1), 1))


def pve(
    predicted: FloatArray, predicted_root: FloatArray, true: FloatArray, true_root: FloatArray
) -> FloatArray:
    """Per-vertex error [N] in mm: vertices [N, V, 3] relative to their pelvis [N, 3], metres."""
    offset = (predicted - predicted_root[:, None]) - (true - true_root[:, None])
    return np.asarray(1000 * np.linalg.norm(offset, axis=-1).mean(axis=-1))


def area_under_curve(score: FloatArray, positive: BoolArray) -> float | None:
    """ROC AUC: how likely a positive scores higher than a negative, ties counted half.

    None where there are only positives, or only negatives (Mann-Whitney U over all pairs).
    """
    positives = int(positive.sum())
    pairs = positives * (len(positive) - positives)
    if not pairs:
        return None
    ranks = rankdata(score)[positive].sum()
    return float((ranks - positives * (positives + 1) / 2) / pairs)


def torso_lengths(
    true: FloatArray,
    labelled: BoolArray,
    boxes: FloatArray,
    diagonals: Diagonals = COCO_DIAGONALS,
) -> FloatArray:
    """The length that scales PCK [T], px, from COCO-17 keypoints [T, K, 2], or from SMPL's joints
    with SMPL_DIAGONALS.

    Mean of left shoulder to right hip and right shoulder to left hip, where labelled; otherwise
    0.4 of the longer side of the person's box [T, 4] (x, y, width, height), its usual share.
    """
    length = np.stack([np.linalg.norm(true[:, a] - true[:, b], axis=-1) for a, b in diagonals], 1)
    known = np.stack([labelled[:, a] & labelled[:, b] for a, b in diagonals], 1)
    total = (length * known).sum(1) / np.maximum(known.sum(1), 1)
    return np.where(known.any(1), total, 0.4 * boxes[:, 2:].max(1))


def calibration_error(confidence: FloatArray, right: BoolArray, bins: int = 10) -> float | None:
    """Expected calibration error of confidences [N] in [0, 1]; None without any.

    Over bins of equal width: mean difference between mean confidence and share of right [N] ones,
    weighted by the number in each bin.
    """
    if not len(confidence):
        return None
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    excess = np.bincount(index, weights=confidence - right.astype(float), minlength=bins)
    return float(np.abs(excess).sum() / len(confidence))


def pck(
    predicted: FloatArray, true: FloatArray, labelled: BoolArray, scale: FloatArray, share: float
) -> tuple[int, int]:
    """(correct, labelled) keypoints: correct ones lie within share * scale [N] of the truth."""
    near = np.linalg.norm(predicted - true, axis=-1) <= share * scale[:, None]
    return int((near & labelled).sum()), int(labelled.sum())
