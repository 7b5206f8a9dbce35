"""The compiled kernels (src/): the steps around the network, on the host.

On a few hundred numbers per person, and after the network has emptied the caches, starting numpy's
operations takes longer than their work. Every array is checked for its type, shape and layout, and
never converted: a wrong one raises TypeError or ValueError, which names it. Outputs are arrays that
the caller brings. The interpreter's lock is released meanwhile.

The module of the best level that this CPU can run is loaded (icl_mesh.kernels.levels); what its
functions and classes take stands in _compiled.pyi.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from icl_mesh.kernels import _compiled as compiled
else:
    from icl_mesh.kernels.levels import load

    compiled = load()

#: Which build this is, and numbers that its registers hold.
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
Reader = compiled.Reader
Rules = compiled.Rules
Surface = compiled.Surface
find_seen = compiled.find_seen
joint_confidence = compiled.joint_confidence
letterbox = compiled.letterbox
marker_points = compiled.marker_points
quaternions_and_rotvecs = compiled.quaternions_and_rotvecs
regressed_keypoints = compiled.regressed_keypoints
