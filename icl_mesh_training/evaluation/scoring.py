"""Figures of an evaluation, accumulated over images."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from icl_mesh.body import JOINT_SETS
from icl_mesh.body.layout import JOINT_NAMES
from icl_mesh.people import People
from icl_mesh_training.data.conventions import LIMBS
from icl_mesh_training.evaluation.coco_ap import KeypointAp
from icl_mesh_training.evaluation.facing import swapped_sides, turned_away
from icl_mesh_training.evaluation.metrics import (
    SMPL_DIAGONALS,
    Detection,
    area_under_curve,
    calibration_error,
    count_detections,
    joint_errors,
    mpjpe,
    pa_mpjpe,
    pck,
    pve,
    torso_lengths,
)
from icl_mesh_training.evaluation.rows import Row, bins_of, errors_of
from icl_mesh_training.evaluation.truth import Truth
from icl_mesh_training.scenes.render.labels import OUTSIDE, VISIBLE

#: 3DPCK counts a joint within this distance as correct (Mehta et al. 2017), mm, pelvis-aligned.
PCK_3D_MM = 150.0
#: A point is right within this share of the torso: PCK, and joint_confidence's calibration.
RIGHT_SHARE = 0.2
#: Keypoints of COCO whose joint is one of SMPL's, and those joints.
_LIMB_KEYPOINTS = [JOINT_SETS["coco17"].index(name) for name in LIMBS]
_LIMB_JOINTS = [JOINT_NAMES.index(name) for name in LIMBS]


class Scores:
    """Accumulates images; result() returns the figures."""

    def __init__(self) -> None:
        self.images = 0
        self.detection = Detection()
        self.rows: list[Row] = []
        self.keypoint_ap = KeypointAp()
        self._confidence: list[np.ndarray] = []
        self._occlusion: list[np.ndarray] = []
        self._calibrated: list[np.ndarray] = []  # [N, 2]: joint_confidence, and whether it is right
        self._correct, self._correct_01 = 0, 0
        self._labelled_found = self._labelled = 0
        self._swapped = self._pairs = 0

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
            self._add_keypoints(people, points, truth, rows, columns)
        if truth.occlusion is not None:
            self._confidence.append(people.joint_confidence[rows].ravel())
            self._occlusion.append(truth.occlusion[columns].ravel())
            self._add_calibration_of_scenes(people, truth, rows, columns)
        self._add_rows(people, truth, rows, columns)

    def _add_keypoints(
        self,
        people: People,
        points: np.ndarray,
        truth: Truth,
        rows: np.ndarray,
        columns: np.ndarray,
    ) -> None:
        assert truth.keypoints is not None  # set with this point set
        all_labelled = truth.keypoints[..., 2] > 0
        scale = torso_lengths(truth.keypoints[..., :2], all_labelled, truth.box_px)[columns]
        near, true = points[rows], truth.keypoints[columns, :, :2]
        labelled = all_labelled[columns]
        hits, count = pck(near, true, labelled, scale, RIGHT_SHARE)
        self._correct += hits
        self._correct_01 += pck(near, true, labelled, scale, 0.1)[0]
        self._labelled_found += count
        self._labelled += int(all_labelled[truth.demanded].sum())
        swapped, pairs = swapped_sides(near, true, labelled, scale)
        self._swapped += swapped
        self._pairs += pairs
        right = np.linalg.norm(near - true, axis=-1) <= RIGHT_SHARE * scale[:, None]
        confidence = people.joint_confidence[rows][:, _LIMB_JOINTS]
        known = labelled[:, _LIMB_KEYPOINTS]
        self._add_calibration(confidence[known], right[:, _LIMB_KEYPOINTS][known])

    def _add_calibration_of_scenes(
        self, people: People, truth: Truth, rows: np.ndarray, columns: np.ndarray
    ) -> None:
        assert truth.occlusion is not None and truth.joints_m is not None
        in_front = truth.joints_m[..., 2] > 0
        scale = torso_lengths(truth.points_px, in_front, truth.box_px, SMPL_DIAGONALS)[columns]
        away = np.linalg.norm(people.joints_px[rows] - truth.points_px[columns], axis=-1)
        right = (away <= RIGHT_SHARE * scale[:, None]) & (truth.occlusion[columns] == VISIBLE)
        self._add_calibration(people.joint_confidence[rows].ravel(), right.ravel())

    def _add_calibration(self, confidence: np.ndarray, right: np.ndarray) -> None:
        self._calibrated.append(np.stack((confidence, right), axis=1))

    def _add_rows(
        self, people: People, truth: Truth, rows: np.ndarray, columns: np.ndarray
    ) -> None:
        unknown = np.full(len(truth), np.nan)
        hidden = unknown if truth.hidden_share is None else truth.hidden_share
        outside = unknown if truth.outside_share is None else truth.outside_share
        missed = np.setdiff1d(np.flatnonzero(truth.demanded), columns)
        self.rows += [Row(float(hidden[i]), float(outside[i]), False) for i in missed]
        found = [Row(float(hidden[i]), float(outside[i]), True) for i in columns]
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
        turned = turned_away(near, true, known)
        for n, row in enumerate(found):
            row.turned = float(turned[n])
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
        by other people or objects. oks_ap: see KeypointAp. pck, pck_01: PCK@0.2 and PCK@0.1 of the
        torso, keypoints of missed people counted as wrong; pck_found, pck_01_found: over found
        people. front_back: share of found people whose trunk faces the other way (facing.py), in
        3-D. left_right: share of labelled pairs of shoulders or hips of found people whose sides
        are swapped in the image. calibration_error: of joint_confidence, over joints of found
        people; right is a joint within RIGHT_SHARE of the torso that is visible (scenes: all
        joints) or labelled (photos: labelled limb joints alone, hidden ones too). bins,
        bins_outside: by hidden share, and by share outside the image.
        """
        result: dict[str, Any] = {
            "images": self.images,
            "people": self.detection.found + self.detection.missed,
            "precision": self.detection.precision,
            "recall": self.detection.recall,
            "f1": self.detection.f1,
            "false_positives": self.detection.false,
            "in_crowds": self.detection.crowd,
            **errors_of(self.rows),
        }
        if self._labelled:
            result["pck"] = self._correct / self._labelled
            result["pck_found"] = self._correct / max(1, self._labelled_found)
            result["pck_01"] = self._correct_01 / self._labelled
            result["pck_01_found"] = self._correct_01 / max(1, self._labelled_found)
        if self._pairs:
            result["left_right"] = self._swapped / self._pairs
        if self._calibrated:
            confidence, right = np.concatenate(self._calibrated).T
            result["calibration_error"] = calibration_error(confidence, right > 0)
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
        for name, share in (("bins", "hidden"), ("bins_outside", "outside")):
            if bins := bins_of(self.rows, share):
                result[name] = bins
        return result
