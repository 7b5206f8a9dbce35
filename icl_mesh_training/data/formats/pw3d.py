"""3DPW: people outdoors with SMPL bodies from IMUs, with the selections 3DPW-PC and 3DPW-OC.

von Marcard et al. 2018. One .pkl a sequence; 30 Hz poses in a world frame, cam_poses [F, 4, 4]
transform from the world to the camera of frame f (image_{f:05d}.jpg).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation
from tqdm import tqdm

from icl_mesh_training.data.annotations import Annotations, Images, People
from icl_mesh_training.data.files import as_published, existing, read_pickle
from icl_mesh_training.data.visibility import VISIBILITY_RULES

#: 3DPW-PC (person-person occlusion): frames of each sequence, first and one past the last
#: (Sun et al. 2021, ROMP: the selection of its public release).
PC_FRAMES = {
    "courtyard_basketball_00": (200, 280),
    "courtyard_captureSelfies_00": (500, 600),
    "courtyard_dancing_00": (60, 370),
    "courtyard_dancing_01": (60, 270),
    "courtyard_hug_00": (100, 500),
    "downtown_bus_00": (1620, 1900),
}
#: 3DPW-OC (object occlusion): all sequences of these scenes (Zhang et al. 2020, "Object-Occluded
#: Human Shape and Pose Estimation From a Single Color Image").
OC_SCENES = (
    *("courtyard_backpack", "courtyard_basketball", "courtyard_bodyScannerMotions"),
    *("courtyard_box", "courtyard_golf", "courtyard_jacket", "courtyard_laceShoe"),
    *("downtown_stairs", "flat_guitar", "flat_packBags", "outdoors_climbing"),
    *("outdoors_crosscountry", "outdoors_fencing", "outdoors_freestyle", "outdoors_golf"),
    *("outdoors_parcours", "outdoors_slalom"),
)
_FIELDS = ("poses", "betas", "cam_intrinsics", "cam_poses", "jointPositions", "campose_valid")


def selected(sequence: str, frame: int, split: str) -> bool:
    """Whether a frame belongs to the selection "pc" or "oc"; other splits take every frame."""
    if split == "pc":
        first, last = PC_FRAMES.get(sequence, (0, 0))
        return first <= frame < last
    return split != "oc" or sequence.rpartition("_")[0] in OC_SCENES


def read_pw3d(folder: Path, split: str) -> Annotations:
    """sequenceFiles/<train, validation, test>/*.pkl and imageFiles/<sequence>/image_00000.jpg.

    split: train, validation, test; or pc, oc (from all three). A person counts in a frame where the
    camera was aligned (campose_valid) and 2-D joints were found, the rule of the data set's own
    evaluation. Betas are of the person's gender.
    """
    sequences = existing(folder / "sequenceFiles", "the folder of sequences")
    pattern = "*/*.pkl" if split in {"pc", "oc"} else f"{split}/*.pkl"
    files = sorted(sequences.glob(pattern))
    if split == "pc":
        files = [file for file in files if file.stem in PC_FRAMES]
    if split == "oc":
        files = [file for file in files if file.stem.rpartition("_")[0] in OC_SCENES]
    if not files:
        raise FileNotFoundError(
            f"{sequences}: no {pattern} for 3DPW's '{split}'; docs/datasets.md says where to get it"
        )
    parts: list[People] = []
    images: list[Path] = []
    intrinsics, owner = [], []
    for file in tqdm(files, desc=f"3dpw {split}", unit="sequence", leave=False):
        found = _read_sequence(file, split)
        for frame, people, camera in found:
            owner += [len(images)] * len(people)
            images.append(folder / "imageFiles" / file.stem / f"image_{frame:05d}.jpg")
            intrinsics.append(camera)
            parts.append(people)
    return Annotations.gather(
        dataset="3dpw",
        convention="smpl24",
        source=sequences,
        images=Images(images, intrinsics=intrinsics),
        image_of_person=owner,
        people=People.joined(parts),
    )


def _read_sequence(path: Path, split: str) -> list[tuple[int, People, tuple[float, ...]]]:
    """(frame, its people, fx fy cx cy) of the frames that the split takes."""
    data: dict[str, Any] = read_pickle(path, "the sequence")
    missing = [name for name in _FIELDS if name not in data]
    if missing:
        raise ValueError(f"{path}: lacks {', '.join(missing)}; download it again")
    with as_published(str(path), f"{', '.join(_FIELDS)} are arrays, one a person and frame"):
        frames = _frames(data, path.stem, split)
    if not frames and split == "pc":
        raise ValueError(f"{path}: has no valid frame of 3DPW-PC; download it again")
    return frames


def _frames(
    data: dict[str, Any], sequence: str, split: str
) -> list[tuple[int, People, tuple[float, ...]]]:
    """As of _read_sequence. Raises CONVERSION_ERRORS if the content is not as published."""
    matrix = np.asarray(data["cam_intrinsics"], np.float64).reshape(3, 3)
    camera = (matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])
    world_to_camera = np.asarray(data["cam_poses"], np.float64).reshape(-1, 4, 4)
    actors = []
    for actor, joints in enumerate(data["jointPositions"]):
        valid = np.asarray(data["campose_valid"][actor]).astype(bool)
        if "poses2d" in data:
            valid &= np.abs(np.asarray(data["poses2d"][actor])).any(axis=(1, 2))
        actors.append(
            (
                valid,
                np.asarray(joints, np.float64).reshape(-1, 24, 3),
                np.asarray(data["poses"][actor], np.float64).reshape(-1, 24, 3),
                np.asarray(data["betas"][actor], np.float64).reshape(-1)[:10],
                str(data.get("genders", "n" * (actor + 1))[actor])[0],
            )
        )
    frames: list[tuple[int, People, tuple[float, ...]]] = []
    for frame, transform in enumerate(world_to_camera):
        here = [a for a in actors if frame < len(a[0]) and a[0][frame]]
        if not here or not selected(sequence, frame, split):
            continue
        people = People.unlabelled(len(here), 24)
        for number, (_, joints, pose, betas, gender) in enumerate(here):
            points = joints[frame] @ transform[:3, :3].T + transform[:3, 3]
            people.keypoints_m[number] = points
            people.keypoints_px[number] = (points @ matrix.T)[:, :2] / points[:, 2:]
            people.state[number] = VISIBILITY_RULES["3dpw"](np.ones(24))
            people.pose[number] = pose[frame]
            root = Rotation.from_matrix(transform[:3, :3]) * Rotation.from_rotvec(pose[frame, 0])
            people.pose[number, 0] = root.as_rotvec()
            people.betas[number] = betas
            people.gender[number] = gender
        frames.append((frame, people, camera))
    return frames
