"""Converts HumanArray messages to People, for drawing, and to one .npz of the whole demo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from icl_mesh.body import BodyModel
from icl_mesh.decode.confidence import VISIBLE_CONFIDENCE
from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.rotation import matrix_from_rotvec
from icl_mesh.people import People
from icl_mesh_ros.msg import Human, HumanArray

#: Fields of Human that are columns of people.npz.
COLUMNS = (
    *("id", "tracking_state", "score", "bbox_px", "center_px", "betas", "pose", "joints"),
    *("joints_px", "joint_confidence", "camera", "distance_source"),
)


def observed_people(message: HumanArray, camera: Camera, body: BodyModel) -> People:
    """The people observed in this image, without predicted ones. Embeddings are 0: no message
    contains them."""
    humans = [h for h in message.humans if h.tracking_state != Human.OCCLUDED]
    if not humans:
        return People.empty(camera, body, message.weights_version)

    def column(name: str, *shape: int) -> np.ndarray:
        values = np.array([getattr(human, name) for human in humans], dtype=np.float32)
        return values.reshape(len(humans), *shape)

    betas, confidence = column("betas", 10), column("joint_confidence", 24)
    rotations = matrix_from_rotvec(torch.from_numpy(column("pose", 24, 3))).numpy()
    joints = column("joints", 24, 3)
    with torch.inference_mode():
        body_joints = body.joints(torch.from_numpy(betas), torch.from_numpy(rotations)).numpy()
    return People(
        score=column("score"),
        center_px=column("center_px", 2),
        bbox_px=column("bbox_px", 4),
        betas=betas,
        rotations=rotations,
        translation_m=joints[:, 0] - body_joints[:, 0],
        joints_m=joints,
        joints_px=column("joints_px", 24, 2),
        joint_confidence=confidence,
        joint_visible=confidence >= VISIBLE_CONFIDENCE,
        weak_camera=column("camera", 3),
        embedding=np.zeros((len(humans), 64), dtype=np.float32),
        camera=camera,
        body=body,
        weights_version=message.weights_version,
        track_id=np.array([human.id for human in humans], dtype=np.int64),
    )


def save_people(path: Path, messages: list[HumanArray]) -> None:
    """Write one row per person and image: frame (from 0), stamp_s, position, velocity, COLUMNS."""
    rows = [(frame, m, human) for frame, m in enumerate(messages) for human in m.humans]
    arrays = {name: np.array([getattr(human, name) for *_, human in rows]) for name in COLUMNS}
    arrays["frame"] = np.array([frame for frame, *_ in rows], dtype=np.int64)
    stamps = [m.header.stamp for _, m, _ in rows]
    arrays["stamp_s"] = np.array([s.sec + s.nanosec * 1e-9 for s in stamps])
    for name in ("position", "velocity"):
        vectors = [getattr(human, name) for *_, human in rows]
        arrays[name] = np.array([(v.x, v.y, v.z) for v in vectors]).reshape(-1, 3)
    np.savez_compressed(path, **arrays)
