"""The body: a mesh of a person from shape coefficients and joint rotations, in SMPL's schema."""

from icl_mesh.body.joint_sets import JOINT_SETS
from icl_mesh.body.layout import JOINT_NAMES, PARENTS
from icl_mesh.body.model import BodyMesh, BodyModel

__all__ = ["JOINT_NAMES", "JOINT_SETS", "PARENTS", "BodyMesh", "BodyModel"]
