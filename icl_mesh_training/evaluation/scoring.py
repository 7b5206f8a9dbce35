"""Figures of an evaluation, accumulated over images."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from icl_mesh.people import People
from icl_mesh_training.evaluation.coco_ap import KeypointAp
from icl_mesh_training.evaluation.metrics import (
    Detection,
    area_under_curve,
    count_detections,
    joint_errors,
    mpjpe,
    pa_mpjpe,
    pck,
    pve,
    torso_lengths,
)
from icl_mesh_training.evaluation.truth import Truth
from icl_mesh_training.scenes.render.labels import OUTSIDE, VISIBLE

#: 3DPCK counts a joint within this distance as correct (Mehta et al. 2017), mm, pelvis-aligned.
PCK_3D_MM = 150.0
#: Edges of the bins of the hidden share of a person.
BINS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)


@dataclass
class Row:
    """A demanded person: hidden share, and errors if found; NaN where unknown."""

    hidden: float
    found: bool
    mpjpe: float = np.nan
    pa_mpjpe: float = np.nan
    pve: float = np.nan
    pck_3d: float = np.nan
    distance: float = np.nan


class Scores:
    """Accumulates images; result() returns the figures."""

    def __init__(self) -> None:
        self.images = 0
        self.detection = Detection()
        self.rows: list[Row] = []
        self.keypoint_ap = KeypointAp()
        self._confidence: list[np.ndarray] = []
        self._occlusion: list[np.ndarray] = []
        self._correct = self._labelled_found = self._labelled = 0

    def add(self, people: People, truth: Truth) -> None:
        """Add one image's predictions (with vertices_m if truth has them) and its truth."""
        self.images += 1
        points = (
            people.joints_px
            if truth.point_set == "smpl24"
            else people.keypoints_px(truth.point_set)
        )
        rows, columns = count_detections(
            self.detection,
            points,
            truth.points_px,
            truth.labelled,
            truth.demanded,
            crowds=truth.crowds_px,
        )
        if truth.keypoints is not None:
            self.keypoint_ap.add(people, truth)
        if truth.point_set == "coco17":
            self._add_pck(points, truth, rows, columns)
        if truth.occlusion is not None:
            self._confidence.append(people.joint_confidence[rows].ravel())
            self._occlusion.append(truth.occlusion[columns].ravel())
        self._add_rows(people, truth, rows, columns)

    def _add_pck(
        self, points: np.ndarray, truth: Truth, rows: np.ndarray, columns: np.ndarray
    ) -> None:
        assert truth.keypoints is not None  # set with this point set
        labelled = truth.keypoints[..., 2] > 0
        scale = torso_lengths(truth.keypoints[..., :2], labelled, truth.box_px)
        hits, count = pck(
            points[rows],
            truth.keypoints[columns, :, :2],
            labelled[columns],
            scale[columns],
            0.2,
        )
        self._correct += hits
        self._labelled_found += count
        self._labelled += int(labelled[truth.demanded].sum())

    def _add_rows(
        self, people: People, truth: Truth, rows: np.ndarray, columns: np.ndarray
    ) -> None:
        hidden = np.full(len(truth), np.nan) if truth.hidden_share is None else truth.hidden_share
        missed = np.setdiff1d(np.flatnonzero(truth.demanded), columns)
        self.rows += [Row(float(hidden[index]), False) for index in missed]
        found = [Row(float(hidden[index]), True) for index in columns]
        self.rows += found
        if truth.joints_m is None or truth.labelled_3d is None:
            return
        useful = truth.labelled_3d[columns].sum(axis=1) >= 4
        rows, columns = rows[useful], columns[useful]
        found = list(itertools.compress(found, useful))
        known = truth.labelled_3d[columns]
        near = people.joints_m[rows].astype(float)
        true = truth.joints_m[columns].astype(float)
        errors = joint_errors(near, true, known)
        total, aligned = mpjpe(near, true, known), pa_mpjpe(near, true, known)
        for n, row in enumerate(found):
            row.mpjpe, row.pa_mpjpe = float(total[n]), float(aligned[n])
            row.pck_3d = float((errors[n][known[n]] <= PCK_3D_MM).mean())
            if known[n, 0] and true[n, 0, 2] > 0:
                row.distance = float(abs(near[n, 0, 2] - true[n, 0, 2]) / true[n, 0, 2])
        if truth.vertices_m is not None and people.vertices_m is not None:
            mine, other = people.vertices_m[rows], truth.vertices_m[columns]
            for row, value in zip(found, pve(mine, near[:, 0], other, true[:, 0]), strict=True):
                row.pve = float(value)

    def result(self) -> dict[str, Any]:
        """The figures; those for which labels are missing are left out.

        mpjpe_mm, pa_mpjpe_mm, pve_mm: means over found people. pck_3d: share of joints within
        PCK_3D_MM, joints of missed people counted as wrong; pck_3d_found: over found people.
        distance_error: median of |dz| / z. visibility_auc: of joint_confidence, visible joints
        against hidden ones inside the image; visibility_auc_others: against joints hidden
        by other people or objects. oks_ap: see KeypointAp. pck: PCK@0.2 of the torso, keypoints of
        missed people counted as wrong. bins: by hidden share.
        """
        result: dict[str, Any] = {
            "images": self.images,
            "people": self.detection.found + self.detection.missed,
            "precision": self.detection.precision,
            "recall": self.detection.recall,
            "f1": self.detection.f1,
            "false_positives": self.detection.false,
            "in_crowds": self.detection.crowd,
            **_errors(self.rows),
        }
        if self._labelled:
            result["pck"] = self._correct / self._labelled
            result["pck_found"] = self._correct / max(1, self._labelled_found)
        if self._occlusion:
            confidence = np.concatenate(self._confidence)
            state = np.concatenate(self._occlusion)
            others = (state == VISIBLE) | ((state > VISIBLE + 1) & (state < OUTSIDE))
            for name, chosen in (
                ("visibility_auc", state < OUTSIDE),
                ("visibility_auc_others", others),
            ):
                positive = state[chosen] == VISIBLE
                result[name] = area_under_curve(confidence[chosen], positive)
        result |= self.keypoint_ap.result()
        if any(np.isfinite(row.hidden) for row in self.rows):
            result["bins"] = self._bins()
        return result

    def _bins(self) -> list[dict[str, Any]]:
        bins = []
        for low, high in itertools.pairwise(BINS):
            rows = [r for r in self.rows if low <= r.hidden < high or r.hidden == high == 1]
            if rows:
                found = sum(row.found for row in rows)
                bins.append(
                    {
                        "hidden": [low, high],
                        "people": len(rows),
                        "recall": found / len(rows),
                        **_errors(rows),
                    }
                )
        return bins


def _errors(rows: Sequence[Row]) -> dict[str, Any]:
    """Errors over found people; kinds without labels are left out."""
    found = [row for row in rows if row.found]
    result: dict[str, Any] = {}
    for name in ("mpjpe", "pa_mpjpe", "pve"):
        values = np.array([getattr(row, name) for row in found])
        if (known := np.isfinite(values)).any():
            result[f"{name}_mm"] = float(values[known].mean())
    right = np.array([row.pck_3d for row in found])
    if (known := np.isfinite(right)).any():
        missed = len(rows) - len(found)
        result["pck_3d"] = float(right[known].sum() / (known.sum() + missed))
        result["pck_3d_found"] = float(right[known].mean())
    distance = np.array([row.distance for row in found])
    if (known := np.isfinite(distance)).any():
        result["distance_error"] = float(np.median(distance[known]))
    return result
