"""The compiled kernels (src/): the steps around the network, on the host.

A person has a few hundred numbers: for so few, numpy's overhead per operation exceeds the
computation. Every array is checked for type, shape and layout, and never converted: a wrong one
raises a TypeError or ValueError that names it. The caller allocates the outputs. Kernels release
the interpreter's lock.

The best level for this CPU is loaded (icl_mesh.kernels.levels). _compiled.pyi has the signatures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from icl_mesh.kernels import _compiled as compiled
else:
    from icl_mesh.kernels.levels import load

    compiled = load()

#: The loaded level, and float32 numbers per register.
LEVEL: str = compiled.__name__.rpartition("._")[2]
LANES: int = compiled.LANES

Body = compiled.Body
ColorPlan = compiled.ColorPlan
Geometry = compiled.Geometry
KeypointFit = compiled.KeypointFit
Lens = compiled.Lens
Lifter = compiled.Lifter
PairCosts = compiled.PairCosts
PairSide = compiled.PairSide
PatchCutter = compiled.PatchCutter
PositionErrors = compiled.PositionErrors
Reader = compiled.Reader
Rules = compiled.Rules
Surface = compiled.Surface
correct_motion = compiled.correct_motion
search_heatmaps = compiled.search_heatmaps
joint_confidence = compiled.joint_confidence
letterbox = compiled.letterbox
marker_points = compiled.marker_points
predict_motion = compiled.predict_motion
quaternions_and_rotvecs = compiled.quaternions_and_rotvecs
regressed_keypoints = compiled.regressed_keypoints
