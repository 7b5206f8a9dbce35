"""Part labels of vertices, from skinning weights and Anny's segmentation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .source import Source

PART_NAMES: tuple[str, ...] = (
    *("pelvis", "torso", "neck", "face", "scalp", "eyes"),
    *("left_upper_arm", "right_upper_arm", "left_forearm", "right_forearm"),
    *("left_hand", "right_hand", "left_thigh", "right_thigh"),
    *("left_shin", "right_shin", "left_foot", "right_foot"),
)
_JOINT_PART = (
    *("pelvis", "left_thigh", "right_thigh", "torso", "left_shin", "right_shin", "torso"),
    *("left_foot", "right_foot", "torso", "left_foot", "right_foot", "neck", "torso", "torso"),
    *("face", "left_upper_arm", "right_upper_arm", "left_forearm", "right_forearm"),
    *("left_hand", "right_hand", "left_hand", "right_hand"),
)


def part_labels(
    source: Source, weights: npt.NDArray[np.float64], joints: npt.NDArray[np.float64]
) -> npt.NDArray[np.uint8]:
    """Labels [V] into ``PART_NAMES`` for weights [V, 24] of the full mesh, joints [24, 3]."""
    of_joint = np.array([PART_NAMES.index(part) for part in _JOINT_PART])
    labels = of_joint[weights.argmax(1)]
    # The wrist's weights extend into the forearm: Anny's segmentation bounds the hand.
    for side, hand in (("L", 0), ("R", 1)):
        forearm = PART_NAMES.index("left_forearm") + hand
        labels[labels == PART_NAMES.index("left_hand") + hand] = forearm
        labels[source.segmentation[f"hand.{side}"]] = PART_NAMES.index("left_hand") + hand
        labels[source.segmentation[f"foot.{side}"]] = PART_NAMES.index("left_foot") + hand
    labels[_scalp(source) & (labels == PART_NAMES.index("face"))] = PART_NAMES.index("scalp")
    for side in ("L", "R"):
        labels[source.segmentation[f"eye_front.{side}"]] = PART_NAMES.index("eyes")
    return labels.astype(np.uint8)


def _scalp(source: Source) -> npt.NDArray[np.bool_]:
    """Vertices [V] of the scalp: above a line from the forehead over the ears to the nape."""
    vertices = source.template
    eyes = vertices[source.segmentation["eye_front.L"]].mean(0)
    ear = source.keypoint_weights[source.keypoint_names.index("left_ear")] @ vertices
    top = vertices[:, 1].max()
    forward = vertices[:, 2] - ear[2]
    brow = eyes[1] + 0.45 * (top - eyes[1])  # hairline, at the depth of the eyes
    slope = (brow - eyes[1]) / (eyes[2] - ear[2])
    line = eyes[1] + np.where(forward > 0, slope, 1.4) * forward
    on_ear = (np.abs(vertices[:, 0]) > 0.92 * np.abs(ear[0])) & (np.abs(forward) < 0.035)
    on_ear &= vertices[:, 1] < eyes[1] + 0.02
    return (vertices[:, 1] > line) & ~on_ear
