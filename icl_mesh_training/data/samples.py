"""One labelled image -> one augmented, letterboxed sample with its label masks.

Letters: N people, K points of the data set, J = 24 SMPL joints.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.transform import Rotation

from icl_mesh.body import BodyModel
from icl_mesh.geometry.camera import Camera, weak_perspective_from_root
from icl_mesh_training.data.annotations import ImageRecord, People
from icl_mesh_training.data.augmentation import AugmentationConfig, augment
from icl_mesh_training.data.batch import Sample
from icl_mesh_training.data.conventions import Convention
from icl_mesh_training.data.visibility import UNLABELLED
from icl_mesh_training.scenes.render.labels import OUTSIDE, VISIBLE, SceneLabels

_HIPS = [1, 2]


def make_sample(
    image: npt.NDArray[np.uint8],
    record: ImageRecord,
    *,
    convention: Convention,
    losses: frozenset[str],
    size: int,
    config: AugmentationConfig,
    rng: np.random.Generator,
    body: BodyModel | None,
) -> Sample:
    """RGB image [H, W, 3] with its record -> sample of a square of `size` px.

    losses: the data set's row of Table 2. body: the SMPL body whose betas the network learns, or
    None. If the intrinsics are unknown, the sample has those that the estimator assumes, and
    has_camera is False. People without a labelled joint keep the corners of their box (batch.py).
    """
    people = record.people
    count = len(people)
    height, width = image.shape[:2]
    known = record.camera(width, height)
    labels = _scene(people, convention, known or Camera.assumed(width, height), body)
    region = (labels.occlusion == UNLABELLED).all(axis=1)
    has_camera = np.isfinite(labels.joints_m[:, 0]).all(1) & (known is not None)
    has_camera &= labels.joints_m[:, 0, 2] > 0

    square = augment(image, labels, size, config, rng)
    labels, camera, joints = square.labels, square.camera, square.joints
    state = labels.occlusion.astype(np.uint8)
    labelled = state < UNLABELLED
    state[(np.abs(joints) >= 1).any(-1) | ~labelled] = OUTSIDE
    _keep_regions(joints, state, region)

    root, points, has_joints = _joints_3d(labels.joints_m.astype(np.float64), labelled)
    has_joints &= {"joints_3d", "joints_3d_aligned"} <= losses
    weak_camera = np.tile([1.0, 0.0, 0.0], (count, 1))
    if has_camera.any():
        weak_camera[has_camera] = weak_perspective_from_root(root[has_camera], camera)
    rotations = Rotation.from_rotvec(labels.pose.reshape(-1, 3)).as_matrix()
    neutral = people.gender == "n"
    return Sample(
        image=square.image,
        joints_2d=np.clip(joints, -8, 8).astype(np.float32),
        joint_state=state,
        visible_share=np.ones(count, np.float32),
        betas=np.nan_to_num(labels.betas).astype(np.float32),
        rotations=rotations.reshape(count, 24, 3, 3).astype(np.float32),
        joints_3d=np.nan_to_num(points).astype(np.float32),
        weak_camera=weak_camera.astype(np.float32),
        inverse_focal=np.full(count, 1 / camera.focal, np.float32),
        principal=np.tile([camera.px, camera.py], (count, 1)).astype(np.float32),
        has_pose=people.has_pose & ("pose" in losses),
        has_shape=people.has_betas & neutral & (body is not None) & ("shape" in losses),
        has_joints_3d=has_joints,
        has_camera=has_camera,
        joint_labelled=labelled,
    )


def _joints_3d(
    points: npt.NDArray[np.float64], labelled: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Roots [N, 3], joints [N, 24, 3] relative to them, and who has all labelled joints in 3-D.

    points [N, 24, 3]: camera frame, m, NaN where unknown. The root is the pelvis, or the centre of
    the hips where the pelvis is unknown: losses are hip-centred or aligned, so any origin serves.
    """
    hips = points[:, _HIPS].mean(axis=1, keepdims=True)
    root = np.where(np.isfinite(points[:, :1]), points[:, :1], hips)
    points = points - root
    known = np.isfinite(points).all(axis=2)
    complete = (known | ~labelled).all(axis=1) & (known & labelled).any(axis=1)
    return root[:, 0], points, np.asarray(complete, bool)


def _scene(
    people: People, convention: Convention, camera: Camera, body: BodyModel | None
) -> SceneLabels:
    """The labels in the form that augmentation takes; states may be UNLABELLED."""
    count = len(people)
    pixels, state = convention.to_smpl(people.keypoints_px, people.state)
    metres, _ = convention.to_smpl(people.keypoints_m, people.state)
    for person in range(count):
        if (state[person] == UNLABELLED).all():  # also people with labels of the face only
            left, top, width, height = _box(people, person)
            corners = [(left + x, top + y) for x in (0, width - 1) for y in (0, height - 1)]
            pixels[person] = np.array(corners * 6)
        else:
            # Any position inside the person: crops may use it, losses do not.
            lost = state[person] == UNLABELLED
            pixels[person, lost] = np.nanmean(pixels[person], axis=0)
    pose = np.nan_to_num(people.pose)
    if body is not None:
        fitted = people.has_pose & people.has_betas & (people.gender == "n")
        metres[fitted] = _body_joints(body, people.betas[fitted], pose[fitted], metres[fitted, 0])
    return SceneLabels(
        size=np.array([camera.width, camera.height], np.int32),
        intrinsics=np.array([camera.fx, camera.fy, camera.cx, camera.cy], np.float32),
        betas=people.betas,
        pose=pose,
        translation=np.zeros((count, 3), np.float32),
        joints_m=metres.astype(np.float32),
        joints_px=pixels.astype(np.float32),
        occlusion=state,
        visible_share=np.ones(count, np.float32),
    )


def _box(people: People, person: int) -> npt.NDArray[np.floating]:
    """Left, top, width, height of a person: the labelled box, else that of the labelled points."""
    box, points = people.box_px[person], people.keypoints_px[person]
    if np.isfinite(box).all():
        return box
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    return np.concatenate((low, high - low + 1))


def _body_joints(
    body: BodyModel,
    betas: npt.NDArray[np.float32],
    pose: npt.NDArray[np.float32],
    pelvis: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """SMPL joints [N, 24, 3] of fits, at the labelled pelvis, else at the origin."""
    matrices = Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix().reshape(-1, 24, 3, 3)
    with torch.no_grad():
        joints = body.joints(torch.from_numpy(betas), torch.from_numpy(matrices).float())
    points = joints.numpy().astype(np.float64)
    return points - points[:, :1] + np.nan_to_num(pelvis)[:, None]


def _keep_regions(
    joints: npt.NDArray[np.float64], state: npt.NDArray[np.uint8], region: npt.NDArray[np.bool_]
) -> None:
    """Clip unlabelled regions (the corners of boxes) to the square and mark them VISIBLE."""
    for person in np.flatnonzero(region):
        low, high = joints[person].min(axis=0), joints[person].max(axis=0)
        if (high > -1).all() and (low < 1).all():
            edge = 1 - 1e-6
            joints[person] = np.clip(joints[person], -edge, edge)
            state[person] = VISIBLE
