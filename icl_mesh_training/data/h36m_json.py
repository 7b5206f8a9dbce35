"""Human3.6M as parsed to JSON by G. Moon (for 3DMPPE, I2L-MeshNet and their successors).

The layout that most people can get with SMPL pose and shape (fits to the markers). Four files a
subject: Human36M_subject<n>_{data,camera,joint_3d,smpl_param}.json. Points in millimetres, SMPL's
root rotation, both in the world frame; camera = R x + t, t in millimetres.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation
from tqdm import tqdm

from icl_mesh_training.data.annotations import Annotations, People
from icl_mesh_training.data.files import (
    CONVERSION_ERRORS,
    as_published,
    entries,
    existing,
    read_json,
)
from icl_mesh_training.data.visibility import VISIBILITY_RULES

#: Split -> its subjects, and every how many frames of 50 Hz video it takes one.
SPLITS = {"train": ((1, 5, 6, 7, 8), 5), "test": ((9, 11), 64)}
_POINTS = 17


def read_h36m_json(annotations: Path, images: Path, split: str) -> Annotations:
    """annotations/Human36M_subject*_*.json and images/s_01_act_02_subact_01_ca_01/*.jpg.

    Frames without a SMPL fit keep their points.
    """
    existing(images, "the folder of images")
    subjects, step = SPLITS[split]
    paths: list[Path] = []
    intrinsics, sizes, boxes, points, fits = [], [], [], [], []
    turns: list[npt.NDArray[np.float64]] = []
    missing: list[str] = []
    for subject in tqdm(subjects, desc=f"h36m {split}", unit="subject", leave=False):
        stem = annotations / f"Human36M_subject{subject}"
        source = Path(f"{stem}_data.json")
        data = read_json(source, "the label file")
        cameras = read_json(Path(f"{stem}_camera.json"), "the cameras' file")
        joints = read_json(Path(f"{stem}_joint_3d.json"), "the file of points")
        fitted = Path(f"{stem}_smpl_param.json")
        smpl: Any = read_json(fitted, "the file of fits") if fitted.is_file() else {}
        if not smpl:
            missing.append(f"{fitted}: not there, so that its people have no SMPL pose and shape")
        found, records = entries(data, "annotations", source), entries(data, "images", source)
        with as_published(str(source), "an annotation has image_id and bbox"):
            box_of = {a.get("image_id"): a.get("bbox") for a in found}
        for image in records:
            try:
                if image["frame_idx"] % step:
                    continue
                keys = [str(image[f"{part}_idx"]) for part in ("action", "subaction", "frame")]
                camera = cameras[str(image["cam_idx"])]
                turn = np.asarray(camera["R"], np.float64).reshape(3, 3)
                shift = np.asarray(camera["t"], np.float64).reshape(3)
                world = np.asarray(joints[keys[0]][keys[1]][keys[2]], np.float64)
                points.append((world.reshape(_POINTS, 3) @ turn.T + shift) / 1000)
                own = np.asarray([*camera["f"], *camera["c"]], np.float64).reshape(4)
                intrinsics.append(own)
                paths.append(images / image["file_name"])
                sizes.append((int(image["width"]), int(image["height"])))
                box = np.asarray(box_of.get(image.get("id")) or [np.nan] * 4, np.float64)
                boxes.append(box.reshape(4))
                fits.append(smpl.get(keys[0], {}).get(keys[1], {}).get(keys[2]))
            except CONVERSION_ERRORS as error:
                raise ValueError(
                    f"{source}: image {image.get('file_name')} is not as published ({error!r})"
                ) from None
            turns.append(turn)
    people = People.unlabelled(len(paths), _POINTS)
    people.state[:] = VISIBILITY_RULES["h36m"](np.ones((len(paths), _POINTS)))
    if paths:
        people.keypoints_m[:] = points
        people.keypoints_px[:] = _project(np.array(points), np.array(intrinsics))
        people.box_px[:] = boxes
    faults = _attach(people, fits, turns, paths)
    result = Annotations.gather(
        dataset="h36m",
        convention="h36m17",
        source=annotations,
        images=paths,
        image_of_person=np.arange(len(paths)),
        people=people,
        size=np.reshape(sizes, (-1, 2)),
        intrinsics=np.reshape(intrinsics, (-1, 4)),
        faults=faults,
    )
    result.missing += missing
    return result


def _attach(
    people: People, fits: list[Any], turns: list[npt.NDArray[np.float64]], images: list[Path]
) -> dict[int, str]:
    """Fill in pose, root turned to the camera, and betas; returns image -> what is wrong."""
    faults: dict[int, str] = {}
    for number, fit in enumerate(fits):
        if fit is None:
            continue
        try:
            pose = np.asarray(fit["pose"], np.float64).reshape(24, 3)
            people.betas[number] = np.asarray(fit["shape"], np.float64).reshape(10)
        except CONVERSION_ERRORS as error:
            faults[number] = f"{images[number]}: its fit is not as published ({error!r})"
            continue
        with as_published(str(images[number]), "its camera's R is a rotation"):
            turn = Rotation.from_matrix(turns[number])
        root = turn * Rotation.from_rotvec(pose[0])
        people.pose[number] = np.vstack((root.as_rotvec(), pose[1:]))
    return faults


def _project(
    points: npt.NDArray[np.float64], intrinsics: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """[N, K, 3] by (fx, fy, cx, cy) [N, 4]: the labels' own pixels, made without the lens."""
    focal, center = intrinsics[:, None, :2], intrinsics[:, None, 2:]
    return points[..., :2] / points[..., 2:] * focal + center
