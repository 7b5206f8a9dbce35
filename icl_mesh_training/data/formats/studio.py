"""Data sets of motion-capture studios: Human3.6M, MPI-INF-3DHP (.npz) and MuCo-3DHP (JSON).

The .npz files are made by MMPose's or SPIN's preprocessing:
imgname [N], part [N, 17, 3] (x, y, confidence), S [N, 17, 4] (x, y, z in metres in the camera
frame, confidence), and, where SMPL was fitted to the markers, pose [N, 72] and shape [N, 10].
Cameras are in a .pkl with f and c in px.

Lenses: 2-D labels are distorted pixels. Human3.6M's lens formula has half of OpenCV's tangential
part; with OpenCV's, points are up to 0.2 px off. The pinhole camera of a training sample projects
them up to 2.5 px off.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from icl_mesh_training.data.annotations import Annotations, Images, People
from icl_mesh_training.data.conventions import CONVENTIONS
from icl_mesh_training.data.files import (
    CONVERSION_ERRORS,
    as_published,
    entries,
    existing,
    image_number,
    read_json,
    read_npz,
    read_pickle,
)
from icl_mesh_training.data.visibility import VISIBILITY_RULES


def h36m_camera(image: str) -> tuple[str, str]:
    """S1/S1_Directions_1.54138969/S1_Directions_1.54138969_000001.jpg -> ("S1", "54138969")."""
    name = PurePosixPath(image).name
    return name.split("_")[0], name.split(".")[1].split("_")[0]


def mpi_inf_3dhp_camera(image: str) -> str:
    """S4_Seq2_Cam0_001033.jpg -> "S4_Seq2_Cam0"; TS1_002001.jpg -> "TS1"."""
    return PurePosixPath(image).name.rpartition("_")[0]


def read_studio_npz(
    dataset: str, source: Path, cameras: Path, images: Path, camera_of: Callable[[str], Any]
) -> Annotations:
    """Human3.6M or MPI-INF-3DHP; camera_of: image name -> key of the cameras' file."""
    arrays = read_npz(source, ("imgname", "part", "S"))
    calibration = read_pickle(cameras, "the cameras' file")
    existing(images, "the folder of images")
    convention = f"{dataset}17"
    count, points = arrays["imgname"].size, len(CONVENTIONS[convention].names)
    if arrays["part"].shape != (count, points, 3) or arrays["S"].shape != (count, points, 4):
        raise ValueError(
            f"{source}: part has shape {arrays['part'].shape} and S {arrays['S'].shape}, "
            f"{count} images need ({count}, {points}, 3) and ({count}, {points}, 4)"
        )
    people = People.unlabelled(count, points)
    with as_published(str(source), "part, S, pose [N, 72] and shape [N, 10] hold numbers"):
        state = VISIBILITY_RULES[dataset](arrays["part"][..., 2])
        people.label_pixels(state, arrays["part"][..., :2])
        people.keypoints_m[:] = np.where(arrays["S"][..., 3:] > 0, arrays["S"][..., :3], np.nan)
        if "pose" in arrays and "shape" in arrays:
            fitted = arrays.get("has_smpl", np.ones(count)) > 0
            people.pose[fitted] = arrays["pose"][fitted].reshape(-1, 24, 3)
            people.betas[fitted] = arrays["shape"][fitted]
    names = [str(name) for name in np.ravel(arrays["imgname"])]
    lenses = [_calibration(calibration, camera_of, cameras, name) for name in names]
    return Annotations.gather(
        dataset=dataset,
        convention=convention,
        source=source,
        images=Images(
            [images / name for name in names],
            intrinsics=[intrinsics for intrinsics, _ in lenses],
            distortion=[distortion for _, distortion in lenses],
        ),
        image_of_person=np.arange(count),
        people=people,
    )


def _calibration(
    calibration: dict[Any, Any], camera_of: Callable[[str], Any], source: Path, image: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(fx, fy, cx, cy) and (k1, k2, p1, p2, k3), the latter NaN where the file has no lens.

    The files' image sizes are not used: one published file has 204 for 2048.
    """
    key: Any = "of its name"
    try:
        key = camera_of(image)
        camera = calibration[key]
        lens = np.full(5, np.nan)
        if "k" in camera and "p" in camera:
            k1, k2, k3 = np.ravel(camera["k"])
            lens[:] = (k1, k2, *np.ravel(camera["p"]), k3)
        center = np.ravel(camera["c"])
        return np.concatenate([np.ravel(camera["f"]), center]).astype(float).reshape(4), lens
    except CONVERSION_ERRORS:
        raise ValueError(f"{source}: has no camera {key} (f and c), which {image} needs") from None


def read_muco(source: Path) -> Annotations:
    """MuCo-3DHP.json beside augmented_set/ and unaugmented_set/; points in millimetres."""
    content = read_json(source, "the label file")
    points = len(CONVENTIONS["muco21"].names)
    records, found = entries(content, "images", source), entries(content, "annotations", source)
    with as_published(str(source), "an image's id is a number"):
        index_of = {record.get("id"): number for number, record in enumerate(records)}
    people = People.unlabelled(len(found), points)
    owner: list[int] = []
    faults: dict[int, str] = {}
    for number, annotation in enumerate(found):
        name = f"{source}: annotation {annotation.get('id', f'number {number}')}"
        image = image_number(annotation, index_of, name)
        owner.append(image)
        try:
            pixels = np.asarray(annotation["keypoints_img"], np.float64)[:, :2]
            people.keypoints_px[number] = pixels
            people.keypoints_m[number] = np.asarray(annotation["keypoints_cam"], float) / 1000
            people.box_px[number] = np.asarray(annotation["bbox"], float)
            people.state[number] = VISIBILITY_RULES["muco"](np.ones(points))
        except CONVERSION_ERRORS as error:
            faults[image] = f"{name} is not as published ({error!r})"
    with as_published(str(source), "image records have width, height, f, c and file_name"):
        sides = [(int(record["width"]), int(record["height"])) for record in records]
        lenses = [[float(v) for v in (*record["f"], *record["c"])] for record in records]
        paths = [source.parent / record["file_name"] for record in records]
        size = np.array(sides, np.int32).reshape(-1, 2)
        intrinsics = np.array(lenses).reshape(-1, 4)
    return Annotations.gather(
        dataset="muco",
        convention="muco21",
        source=source,
        images=Images(paths, size, intrinsics),
        image_of_person=owner,
        people=people,
        faults=faults,
    )
