"""COCO's keypoints from bones alone, without a mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.body.layout import JOINT_COUNT, JOINT_NAMES

if TYPE_CHECKING:
    from icl_mesh.body.model import BodyModel

Array = TypeVar("Array", npt.NDArray[np.floating[Any]], torch.Tensor)

#: Per keypoint of "coco17": its joint, and the bone that it moves with. A surface point between two
#: bones moves with the upper one, as the skin over a shoulder does when the arm goes up.
_BONES = (
    *(("head", "head"),) * 5,
    *(("left_shoulder", "left_collar"), ("right_shoulder", "right_collar")),
    *(("left_elbow", "left_shoulder"), ("right_elbow", "right_shoulder")),
    *(("left_wrist", "left_elbow"), ("right_wrist", "right_elbow")),
    *(("left_hip", "pelvis"), ("right_hip", "pelvis")),
    *(("left_knee", "left_hip"), ("right_knee", "right_hip")),
    *(("left_ankle", "left_knee"), ("right_ankle", "right_knee")),
)
KEYPOINT_JOINT = np.array([JOINT_NAMES.index(joint) for joint, _ in _BONES])
KEYPOINT_BONE = np.array([JOINT_NAMES.index(bone) for _, bone in _BONES])
#: The first five keypoints: nose, eyes, ears.
FACE = 5


class KeypointRig:
    """Keypoints of "coco17" as points fixed to bones of the mean shape.

    They approximate those of the mesh, which is not computed.
    """

    def __init__(self, body: BodyModel) -> None:
        device = body.template.device
        rest = torch.eye(3, device=device).expand(1, JOINT_COUNT, 3, 3)
        with torch.inference_mode():
            mesh = body(torch.zeros(1, 10, device=device), rest)
            points = body.keypoints(mesh.vertices, "coco17")[0]
            offsets = (points - mesh.joints[0][KEYPOINT_JOINT]).cpu()
        #: [17, 3], m: from the joint, in the axes of the bone in the rest pose.
        self.offsets: npt.NDArray[np.float32] = offsets.numpy()

    def __call__(self, joints: Array, world: Array) -> Array:
        """Joints [N, 24, 3] and world rotations [N, 24, 3, 3] of posed bones -> [N, 17, 3], m."""
        offsets: Any = self.offsets[..., None]
        if isinstance(joints, torch.Tensor):
            offsets = torch.from_numpy(self.offsets).to(joints)[..., None]
        return joints[:, KEYPOINT_JOINT] + (world[:, KEYPOINT_BONE] @ offsets)[..., 0]
