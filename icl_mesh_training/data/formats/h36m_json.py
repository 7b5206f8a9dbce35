"""Human3.6M as parsed to JSON by G. Moon (for 3DMPPE, I2L-MeshNet and their successors).

This layout has SMPL pose and shape (fits to the markers) and can still be downloaded. Each subject
has four files, Human36M_subject<n>_{data,camera,joint_3d,smpl_param}.json. Points (mm) and SMPL's
root rotation are in the world frame; camera = R x + t, t in mm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation
from tqdm import tqdm

from icl_mesh_training.data.annotations import Annotations, Images, People
from icl_mesh_training.data.files import (
    CONVERSION_ERRORS,
    as_published,
    entries,
    existing,
    read_json,
)
from icl_mesh_training.data.visibility import VISIBILITY_RULES

#: Split -> its subjects, and the step between its frames of 50 Hz video.
SPLITS = {"train": ((1, 5, 6, 7, 8), 5), "test": ((9, 11), 64)}
_POINTS = 17


@dataclass
class _Frames:
    """What is read of N frames. points [17, 3]: camera frame, m. rotation [3, 3]: world to camera.
    fits: the JSON object of a SMPL fit, None where there is none.
    """

    paths: list[Path] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    intrinsics: list[npt.NDArray[np.float64]] = field(default_factory=list)
    boxes: list[npt.NDArray[np.float64]] = field(default_factory=list)
    points: list[npt.NDArray[np.float64]] = field(default_factory=list)
    rotations: list[npt.NDArray[np.float64]] = field(default_factory=list)
    fits: list[Any] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def read_h36m_json(annotations: Path, images: Path, split: str) -> Annotations:
    """annotations/Human36M_subject*_*.json and images/s_01_act_02_subact_01_ca_01/*.jpg.

    Frames without a SMPL fit keep their points.
    """
    existing(images, "the folder of images")
    subjects, step = SPLITS[split]
    frames = _Frames()
    for subject in tqdm(subjects, desc=f"h36m {split}", unit="subject", leave=False):
        _read_subject(frames, annotations / f"Human36M_subject{subject}", images, step)
    count = len(frames.paths)
    intrinsics = np.reshape(frames.intrinsics, (-1, 4))
    people = People.unlabelled(count, _POINTS)
    people.state[:] = VISIBILITY_RULES["h36m"](np.ones((count, _POINTS)))
    if count:
        people.keypoints_m[:] = frames.points
        people.keypoints_px[:] = _project(np.array(frames.points), intrinsics)
        people.box_px[:] = frames.boxes
    result = Annotations.gather(
        dataset="h36m",
        convention="h36m17",
        source=annotations,
        images=Images(frames.paths, np.reshape(frames.sizes, (-1, 2)), intrinsics),
        image_of_person=np.arange(count),
        people=people,
        faults=_attach_fits(people, frames),
    )
    result.missing += frames.missing
    return result


def _read_subject(frames: _Frames, stem: Path, images: Path, step: int) -> None:
    """Append every step-th frame of the subject whose files start with stem."""
    source = Path(f"{stem}_data.json")
    data = read_json(source, "the label file")
    cameras = read_json(Path(f"{stem}_camera.json"), "the cameras' file")
    joints = read_json(Path(f"{stem}_joint_3d.json"), "the file of points")
    fitted = Path(f"{stem}_smpl_param.json")
    smpl: Any = read_json(fitted, "the file of fits") if fitted.is_file() else {}
    if not smpl:
        frames.missing.append(
            f"{fitted}: not there, so that its people have no SMPL pose and shape"
        )
    found, records = entries(data, "annotations", source), entries(data, "images", source)
    with as_published(str(source), "an annotation has image_id and bbox"):
        box_of = {a.get("image_id"): a.get("bbox") for a in found}
    for image in records:
        try:
            if image["frame_idx"] % step:
                continue
            keys = [str(image[f"{part}_idx"]) for part in ("action", "subaction", "frame")]
            camera = cameras[str(image["cam_idx"])]
            rotation = np.asarray(camera["R"], np.float64).reshape(3, 3)
            translation = np.asarray(camera["t"], np.float64).reshape(3)
            world = np.asarray(joints[keys[0]][keys[1]][keys[2]], np.float64)
            frames.points.append((world.reshape(_POINTS, 3) @ rotation.T + translation) / 1000)
            own = np.asarray([*camera["f"], *camera["c"]], np.float64).reshape(4)
            frames.intrinsics.append(own)
            frames.paths.append(images / image["file_name"])
            frames.sizes.append((int(image["width"]), int(image["height"])))
            box = np.asarray(box_of.get(image.get("id")) or [np.nan] * 4, np.float64)
            frames.boxes.append(box.reshape(4))
            frames.fits.append(smpl.get(keys[0], {}).get(keys[1], {}).get(keys[2]))
            frames.rotations.append(rotation)
        except CONVERSION_ERRORS as error:
            raise ValueError(
                f"{source}: image {image.get('file_name')} is not as published ({error!r})"
            ) from None


def _attach_fits(people: People, frames: _Frames) -> dict[int, str]:
    """Fill in betas and pose, its root in the camera frame; returns image -> fault."""
    faults: dict[int, str] = {}
    for number, fit in enumerate(frames.fits):
        if fit is None:
            continue
        try:
            pose = np.asarray(fit["pose"], np.float64).reshape(24, 3)
            people.betas[number] = np.asarray(fit["shape"], np.float64).reshape(10)
        except CONVERSION_ERRORS as error:
            faults[number] = f"{frames.paths[number]}: its fit is not as published ({error!r})"
            continue
        with as_published(str(frames.paths[number]), "its camera's R is a rotation"):
            to_camera = Rotation.from_matrix(frames.rotations[number])
        root = to_camera * Rotation.from_rotvec(pose[0])
        people.pose[number] = np.vstack((root.as_rotvec(), pose[1:]))
    return faults


def _project(
    points: npt.NDArray[np.float64], intrinsics: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Pixels of [N, K, 3] by (fx, fy, cx, cy) [N, 4], without distortion, as the labels have it."""
    focal, center = intrinsics[:, None, :2], intrinsics[:, None, 2:]
    return points[..., :2] / points[..., 2:] * focal + center
