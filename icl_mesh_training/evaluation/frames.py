"""Evaluate on single frames of one person each whose 3-D joints are known (frames.json)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from icl_mesh.body.layout import JOINT_COUNT, JOINT_NAMES
from icl_mesh.estimator import Estimator
from icl_mesh.geometry.camera import Camera
from icl_mesh_training.data.files import as_published, entries, read_image, read_json
from icl_mesh_training.errors import shown
from icl_mesh_training.evaluation.scoring import Scores
from icl_mesh_training.evaluation.truth import Truth, boxes

FRAMES_FILE = "frames.json"
_HIPS = ("left_hip", "right_hip")
_RULE = (
    "a frame has file_name, width, height, focal_px or focal_px_approximate, and finite joints_m "
    "[K, 3] and joints_px [K, 2] of the K joints (docs/datasets.md)"
)


@dataclass(frozen=True)
class Frame:
    """An image file, its camera, and the joints of one person: SMPL's 24, zero where labelled [24]
    is False. joints_m [24, 3]: up to a translation. joints_px [24, 2]."""

    path: Path
    camera: Camera
    labelled: np.ndarray
    joints_m: np.ndarray
    joints_px: np.ndarray

    def truth(self) -> Truth:
        """The person, who must be found."""
        return Truth(
            points_px=self.joints_px[None],
            labelled=self.labelled[None],
            demanded=np.ones(1, bool),
            box_px=boxes(self.joints_px[self.labelled][None]),
            joints_m=self.joints_m[None],
            labelled_3d=self.labelled[None],
        )


def evaluate_frames(
    estimator: Estimator, folder: str | Path, limit: int | None = None
) -> dict[str, Any]:
    """Errors over the frames of a folder, and of each frame under "frames".

    mpjpe_mm is relative to the middle of the hips (to the pelvis where that is labelled). A frame
    whose person is not found has found: False and no errors. Precision is left out: others in the
    frame have no label. Raises FileNotFoundError or ValueError naming the file.
    """
    scores, frames = Scores(), []
    for frame in tqdm(read_frames(folder)[:limit], desc="frames", unit="image"):
        size = frame.camera.width, frame.camera.height
        scores.add(estimator(read_image(frame.path, size), frame.camera), frame.truth())
        row = scores.rows[-1]  # of the one person
        errors = {
            "pa_mpjpe_mm": row.pa_mpjpe,
            "mpjpe_mm": row.mpjpe,
            "front_back": row.turned,
        }
        known = {name: float(value) for name, value in errors.items() if np.isfinite(value)}
        frames.append({"file_name": frame.path.name, "found": row.found, **known})
    result = scores.result()
    for name in ("precision", "f1", "false_positives", "in_crowds"):
        del result[name]
    return {**result, "frames": frames}


def read_frames(folder: str | Path) -> list[Frame]:
    """The frames of a folder. Raises FileNotFoundError or ValueError naming the file."""
    path = Path(folder) / FRAMES_FILE
    content = read_json(path, "the list of frames with 3-D joints")
    records = entries(content, "frames", path)
    names = content.get("joints")
    known = isinstance(names, list) and all(name in JOINT_NAMES for name in names)
    if not known or len(set(names)) < max(4, len(names)) or not set(_HIPS) <= set(names):
        raise ValueError(
            f"{path}: 'joints' must list 4 or more different joints of {', '.join(JOINT_NAMES)}, "
            f"both hips among them; got {shown(names)}"
        )
    if not records:
        raise ValueError(f"{path}: lists no frames; {_RULE}")
    rows = [JOINT_NAMES.index(name) for name in names]
    frames = []
    for number, record in enumerate(records):
        with as_published(f"{path}: frame {number}", _RULE):
            frames.append(_frame(Path(folder), record, rows))
    return frames


def _frame(folder: Path, record: dict[str, Any], rows: list[int]) -> Frame:
    width, height = int(record["width"]), int(record["height"])
    focal = float(record["focal_px"] if "focal_px" in record else record["focal_px_approximate"])
    labelled = np.zeros(JOINT_COUNT, bool)
    labelled[rows] = True
    arrays = {}
    for name, columns in (("joints_m", 3), ("joints_px", 2)):
        values = np.asarray(record[name], np.float64)
        if values.shape != (len(rows), columns) or not np.isfinite(values).all():
            raise ValueError(f"{name} is not a finite [{len(rows)}, {columns}]")
        arrays[name] = np.zeros((JOINT_COUNT, columns))
        arrays[name][rows] = values
    camera = Camera(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
    return Frame(folder / record["file_name"], camera, labelled, **arrays)
