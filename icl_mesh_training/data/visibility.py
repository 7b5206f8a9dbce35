"""The meaning of each data set's visibility flags, one rule per kind of flag.

A rule converts flags to states: VISIBLE, BY_OBJECT (labelled, but hidden; the cause is unknown) or
UNLABELLED. States are those of SceneLabels.occlusion, plus UNLABELLED.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from icl_mesh_training.scenes.render.labels import BY_OBJECT, OUTSIDE, VISIBLE

#: The joint has no label: neither a positive nor a negative. Above every other state.
UNLABELLED = OUTSIDE + 1

States = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.floating] | npt.NDArray[np.integer]
#: Panoptic Studio: confidence above which a point counts (the rule of the data set's users since
#: VoxelPose, Tu et al. 2020); -1 is a point that was not reconstructed.
PANOPTIC_CONFIDENCE = 0.1


def coco_flags(flags: Flags) -> States:
    """COCO, CrowdPose, OCHuman: 0 not labelled, 1 labelled but hidden, 2 labelled and visible."""
    return _states(flags > 0, flags == 1)


def confidences(flags: Flags) -> States:
    """Human3.6M, MPI-INF-3DHP, MPII: above 0 is a label.

    These data sets have no labels of occlusion: every labelled joint counts as visible.
    """
    return _states(flags > 0, np.zeros(flags.shape, bool))


def always(flags: Flags) -> States:
    """MuCo-3DHP, 3DPW: every point is labelled, by motion capture; occlusion is unknown."""
    return _states(np.isfinite(flags), np.zeros(flags.shape, bool))


def occluded_flags(flags: Flags) -> States:
    """LSP: every point is labelled; 1 is hidden, 0 is visible."""
    return _states(np.isfinite(flags), flags > 0)


def visible_flags(flags: Flags) -> States:
    """LSP Extended: 1 is visible; points with 0 were not visible and have no valid position."""
    return _states(flags > 0, np.zeros(flags.shape, bool))


def panoptic_confidences(flags: Flags) -> States:
    """CMU Panoptic: labelled where the confidence is above PANOPTIC_CONFIDENCE."""
    return _states(flags > PANOPTIC_CONFIDENCE, np.zeros(flags.shape, bool))


def _states(labelled: npt.NDArray[np.bool_], hidden: npt.NDArray[np.bool_]) -> States:
    states = np.where(hidden, BY_OBJECT, VISIBLE)
    return np.where(labelled, states, UNLABELLED).astype(np.uint8)


#: Data set -> its rule; "lspet" is the half of lsp that is LSP Extended.
VISIBILITY_RULES: dict[str, Callable[[Flags], States]] = {
    "coco": coco_flags,
    "crowdpose": coco_flags,
    "ochuman": coco_flags,
    "h36m": confidences,
    "mpi_inf_3dhp": confidences,
    "mpii": confidences,
    "lsp": occluded_flags,
    "lspet": visible_flags,
    "muco": always,
    "3dpw": always,
    "panoptic": panoptic_confidences,
}
