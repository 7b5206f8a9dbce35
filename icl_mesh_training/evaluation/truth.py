"""Ground truth of the people of one image, in one form for all evaluations.

Letters: T true people, K matched points, J = 24 joints, V vertices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.transform import Rotation

from icl_mesh.body import BodyModel
from icl_mesh_training.scenes.render.labels import OUTSIDE, SceneLabels

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

#: People with fewer labelled keypoints, or in a smaller box (longer side, px), count neither as
#: missed nor as false.
MIN_KEYPOINTS = 8
MIN_BOX_PX = 64
#: Assumed ratio of a person's area to its box, for OKS without labelled areas (CrowdPose's value).
AREA_SHARE = 0.53


@dataclass
class Truth:
    """True people of an image.

    points_px [T, K, 2], labelled [T, K]: points by which people are matched, of point_set: SMPL's
    joints ("smpl24") or a joint set. demanded [T]: people who must be found; predictions on the
    others are ignored. keypoints [T, 17, 3]: COCO's with their flags, for OKS, and area [T] in
    px^2; None where unknown. box_px [T, 4]: left, top, width, height.
    joints_m [T, J, 3] with labelled_3d [T, J], vertices_m [T, V, 3], occlusion u8 [T, J] (as
    SceneLabels) and hidden_share [T]: None where unknown. The hidden share counts other people only
    if the scene has that, else everything that hides the person, the image's edge included.
    outside_share [T]: share of the 24 joints outside the image; None where unknown.
    crowds_px [C, 4]: boxes in which people are not labelled individually.
    """

    points_px: FloatArray
    labelled: BoolArray
    demanded: BoolArray
    box_px: FloatArray
    point_set: str = "smpl24"
    keypoints: FloatArray | None = None
    area: FloatArray | None = None
    joints_m: FloatArray | None = None
    labelled_3d: BoolArray | None = None
    vertices_m: FloatArray | None = None
    occlusion: npt.NDArray[np.uint8] | None = None
    hidden_share: FloatArray | None = None
    outside_share: FloatArray | None = None
    crowds_px: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.demanded)


def truth_of_scene(labels: SceneLabels, body: BodyModel, min_visible: float) -> Truth:
    """Truth of a rendered scene. Demanded: people with a visible share of min_visible or more."""
    demanded = np.asarray(labels.visible_share >= min_visible)
    count = len(labels)
    matrices = Rotation.from_rotvec(labels.pose.reshape(-1, 3).astype(np.float64)).as_matrix()
    with torch.inference_mode():
        mesh = body(
            torch.from_numpy(labels.betas).float().to(body.template.device),
            torch.from_numpy(matrices.reshape(count, 24, 3, 3)).float().to(body.template.device),
        )
        points = body.keypoints(mesh.vertices, "coco17").cpu().numpy().astype(np.float64)
    vertices = mesh.vertices.cpu().numpy() + labels.translation[:, None]
    depth = np.maximum(labels.joints_m[:, 0, 2], 0.1)
    camera = labels.camera
    px = camera.project_bodies(points + labels.translation[:, None], depth).reshape(count, 17, 2)
    inside = camera.contains(px).reshape(count, 17) & demanded[:, None]
    # Clipped to the image, as annotators draw it: points beside the camera project anywhere.
    box = boxes(np.clip(px, -0.5, np.array([camera.width, camera.height]) - 0.5))
    return Truth(
        points_px=np.nan_to_num(labels.joints_px.astype(np.float64)),
        labelled=(labels.occlusion < OUTSIDE) | ~demanded[:, None],
        demanded=demanded,
        box_px=box,
        keypoints=np.concatenate((px, 2.0 * inside[..., None]), axis=2),
        area=AREA_SHARE * box[:, 2] * box[:, 3],
        joints_m=labels.joints_m.astype(np.float64),
        labelled_3d=np.ones((count, 24), bool),
        vertices_m=vertices,
        occlusion=labels.occlusion,
        hidden_share=1 - labels.visible_share
        if labels.hidden_by_people is None
        else labels.hidden_by_people,
        outside_share=(labels.occlusion == OUTSIDE).mean(axis=1),
    )


def truth_of_coco(annotations: list[dict[str, Any]]) -> Truth:
    """COCO person annotations of one image.

    Demanded: people with at least MIN_KEYPOINTS labelled keypoints in a box over MIN_BOX_PX.
    Annotations with ``iscrowd`` are crowds. Keypoints may be missing. The box may be missing where
    there are keypoints: it is then the box around them.
    """
    unknown = [0.0] * 51
    keypoints = np.array([a.get("keypoints") or unknown for a in annotations], float)
    keypoints = keypoints.reshape(-1, 17, 3)
    labelled = keypoints[..., 2] > 0
    box = np.array(
        [
            a["bbox"] if a.get("bbox") is not None else boxes(points[None, known, :2])[0]
            for a, points, known in zip(annotations, keypoints, labelled, strict=True)
        ],
        float,
    ).reshape(-1, 4)
    crowd = np.array([bool(a.get("iscrowd", 0)) for a in annotations], bool)
    demanded = (labelled.sum(1) >= MIN_KEYPOINTS) & (box[:, 2:].max(1) > MIN_BOX_PX) & ~crowd
    # People without keypoints are matched by the corners of their box.
    sparse = labelled.sum(1) < 3
    points = keypoints[..., :2].copy()
    points[sparse] = np.tile(box[sparse, :2][:, None], (1, 17, 1))
    points[sparse, 1::2] += box[sparse, None, 2:]
    area = np.array(
        [
            a.get("area", AREA_SHARE * width * height)
            for a, (_, _, width, height) in zip(annotations, box, strict=True)
        ],
        float,
    )
    return Truth(
        points_px=points,
        labelled=labelled | sparse[:, None],
        demanded=demanded,
        box_px=box,
        point_set="coco17",
        keypoints=np.where(crowd[:, None, None], 0.0, keypoints),
        area=area,
        crowds_px=box[crowd],
    )


def boxes(points: FloatArray) -> FloatArray:
    """Boxes (left, top, width, height) [T, 4] around points [T, K, 2]."""
    if not len(points):
        return np.zeros((0, 4))
    low, high = points.min(axis=1), points.max(axis=1)
    return np.concatenate((low, high - low), axis=1)
