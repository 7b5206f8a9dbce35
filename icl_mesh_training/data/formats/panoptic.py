"""CMU Panoptic: several people in a dome of cameras, with 19 points each in 3-D.

Joo et al. 2015. Lengths in the files are centimetres, world frame; camera = R x + t.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from icl_mesh_training.data.annotations import Annotations, Images, People
from icl_mesh_training.data.files import as_published, entries, existing, read_json
from icl_mesh_training.data.visibility import UNLABELLED, VISIBILITY_RULES

#: HD cameras that published comparisons use (since Zanfir et al. 2018).
CAMERAS = ("00_16", "00_30")
_POINTS = 19
_RULE = "it has K (3 x 3), distCoef (5), R (3 x 3) and t (3)"


def read_panoptic(folder: Path, cameras: tuple[str, ...] = CAMERAS) -> Annotations:
    """<sequence>/{calibration_<sequence>.json, hdPose3d_stage1_coco19/, hdImgs/00_16/}.

    This is the layout of panoptic-toolbox's scripts. Frames without an extracted image are ignored.
    """
    sequences = sorted(
        path.parent for path in existing(folder, "the folder").glob("*/hdPose3d_*19")
    )
    if not sequences:
        raise FileNotFoundError(
            f"{folder}: no sequence (a folder with hdPose3d_stage1_coco19) there; "
            "docs/datasets.md says where to get it"
        )
    images: list[Path] = []
    intrinsics, lenses, sizes, owner, parts = [], [], [], [], []
    faults: dict[int, str] = {}
    for sequence in sequences:
        calibration = sequence / f"calibration_{sequence.name}.json"
        found = entries(read_json(calibration, "the calibration"), "cameras", calibration)
        known = {str(camera.get("name")): camera for camera in found}
        for name in cameras:
            if name not in known:
                raise ValueError(f"{calibration}: has no camera {name}")
            frames = sorted((sequence / "hdImgs" / name).glob(f"{name}_*.jpg"))
            if not frames:
                raise FileNotFoundError(
                    f"{sequence / 'hdImgs' / name}: no images of camera {name}; extract them with "
                    "panoptic-toolbox's hdImgsExtractor.sh"
                )
            with as_published(f"{calibration}: camera {name}", _RULE):
                camera = _camera(known[name])
            matrix = camera["K"]
            for path in tqdm(frames, desc=f"{sequence.name} {name}", unit="frame", leave=False):
                frame = path.stem.rpartition("_")[2]
                scene = sequence / "hdPose3d_stage1_coco19" / f"body3DScene_{frame}.json"
                if not scene.is_file():
                    continue  # frames before and after the reconstruction
                try:
                    people = _people(scene, camera)
                except ValueError as error:
                    faults[len(images)] = str(error)
                    people = People.unlabelled(0, _POINTS)
                owner += [len(images)] * len(people)
                parts.append(people)
                images.append(path)
                intrinsics.append((matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]))
                lenses.append(camera["distCoef"])
                sizes.append(camera["resolution"])
    if not images:
        raise FileNotFoundError(f"{folder}: no image has a body3DScene_<frame>.json of its frame")
    return Annotations.gather(
        dataset="panoptic",
        convention="panoptic19",
        source=folder,
        images=Images(images, sizes, intrinsics, lenses),
        image_of_person=owner,
        people=People.joined(parts),
        faults=faults,
    )


def _camera(given: dict[str, Any]) -> dict[str, npt.NDArray[np.float64]]:
    """K [3, 3], distCoef [5], R [3, 3], t [3] in cm, resolution [2] in px of a calibration."""
    shapes = {"K": (3, 3), "distCoef": (5,), "R": (3, 3), "t": (3,)}
    camera = {
        name: np.asarray(given[name], np.float64).reshape(shape) for name, shape in shapes.items()
    }
    size = np.asarray(given.get("resolution") or (0, 0), np.float64).reshape(2)
    return camera | {"resolution": size}


def _people(scene: Path, camera: dict[str, npt.NDArray[np.float64]]) -> People:
    """The people of one frame in the frame of one camera."""
    bodies = entries(read_json(scene, "the frame"), "bodies", scene)
    people = People.unlabelled(len(bodies), _POINTS)
    matrix, lens, rotation, translation = (camera[name] for name in ("K", "distCoef", "R", "t"))
    for number, body in enumerate(bodies):
        with as_published(f"{scene}: body {body.get('id')}", "joints19 are numbers"):
            joints = np.asarray(body.get("joints19", ()), np.float64)
        if joints.size != 4 * _POINTS or not np.isfinite(joints).all():
            raise ValueError(
                f"{scene}: body {body.get('id')} has no joints19 of {4 * _POINTS} finite numbers"
            )
        joints = joints.reshape(_POINTS, 4)
        state = VISIBILITY_RULES["panoptic"](joints[:, 3])
        points = joints[:, :3] @ rotation.T + translation
        state[points[:, 2] <= 0] = UNLABELLED  # behind the camera
        known = (state < UNLABELLED)[:, None]
        pixels = cv2.projectPoints(points[:, None], np.zeros(3), np.zeros(3), matrix, lens)[0]
        people.state[number] = state
        people.keypoints_px[number] = np.where(known, pixels[:, 0], np.nan)
        people.keypoints_m[number] = np.where(known, points / 100, np.nan)
    return people
