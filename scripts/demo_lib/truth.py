"""Compares people with the rendered clip's ground truth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

from icl_mesh_ros.msg import Human
from icl_mesh_training.scenes import SceneLabels

#: Greatest distance between the pelvises of a person and a matched detection, px.
MATCH_PX = 80.0
#: Least visible share of the silhouette of a person who counts as visible.
VISIBLE_SHARE = 0.3


def distance_m(human: Human) -> float:
    """Distance of the pelvis from the camera, m."""
    return float(np.linalg.norm([human.position.x, human.position.y, human.position.z]))


class TruthScore:
    """Accumulates recall, distance errors and ids over frames."""

    def __init__(self) -> None:
        self.visible = self.found = 0
        self.errors_m: list[float] = []
        self.ids: dict[int, list[int]] = defaultdict(list)

    def match(self, humans: Sequence[Human], labels: SceneLabels) -> dict[int, float]:
        """Match one frame. Returns the true distance, m, by index of each matched human."""
        self.visible += int((labels.visible_share >= VISIBLE_SHARE).sum())
        if not humans:
            return {}
        pelvis = np.array([human.joints_px[:2] for human in humans])
        apart = np.linalg.norm(pelvis[:, None] - labels.joints_px[None, :, 0], axis=-1)
        rows, columns = linear_sum_assignment(np.where(np.isfinite(apart), apart, 1e6))
        matched: dict[int, float] = {}
        for row, person in zip(rows.tolist(), columns.tolist(), strict=True):
            if apart[row, person] <= MATCH_PX:
                matched[row] = float(np.linalg.norm(labels.joints_m[person, 0]))
                self.found += bool(labels.visible_share[person] >= VISIBLE_SHARE)
                self.errors_m.append(abs(distance_m(humans[row]) - matched[row]))
                self.ids[person].append(humans[row].id)
        return matched

    def lines(self) -> list[str]:
        """The summary as lines of text."""
        if not self.visible:
            return []
        lines = [f"visible people found: {self.found} of {self.visible}"]
        if self.errors_m:
            lines.append(f"distance error: median {np.median(self.errors_m):.2f} m")
        for person, ids in sorted(self.ids.items()):
            changes = sum(a != b for a, b in pairwise(ids))
            unique = ", ".join(map(str, dict.fromkeys(ids)))
            lines.append(f"true person {person}: ids {unique} ({changes} changes)")
        return lines
