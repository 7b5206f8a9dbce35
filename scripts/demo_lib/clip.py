"""The demo's input: the rendered clip with its ground truth, or the user's."""

from __future__ import annotations

import hashlib
import itertools
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import yaml
from tqdm import tqdm

from icl_mesh.geometry.camera import Camera
from icl_mesh_training.scenes import SceneLabels

FRAMES, WIDTH, HEIGHT = 60, 640, 480


@dataclass
class Clip:
    """An input. source: of camera_node. calibration: YAML file or "". labels: by hash of pixels."""

    source: str
    calibration: str = ""
    frames: int | None = None
    labels: dict[str, tuple[int, SceneLabels]] = field(default_factory=dict)

    def truth(self, rgb: npt.NDArray[np.uint8]) -> tuple[int, SceneLabels] | None:
        """Number and labels of a frame, by its pixels, so that lost frames do not matter."""
        return self.labels.get(_digest(rgb))


def render_clip(folder: Path) -> Clip:
    """Render two people who cross, as PNG files and a calibration file in the folder."""
    from icl_mesh_training.scenes.clip import crossing_clip

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    clip = Clip(str(folder), str(folder / "calibration.yaml"), FRAMES)
    frames = crossing_clip(frames=FRAMES, width=WIDTH, height=HEIGHT)
    bar = tqdm(frames, total=FRAMES, desc="rendering the clip", unit="frame", disable=None)
    for number, (rgb, labels) in enumerate(bar):
        cv2.imwrite(str(folder / f"{number:06d}.png"), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        clip.labels[_digest(rgb)] = (number, labels)
    write_calibration(clip.calibration, labels.camera)
    return clip


def open_input(inputs: list[str], folder: Path) -> Clip:
    """Photos, a folder, a video or a webcam. Several photos are linked into ``folder``.

    Raises FileNotFoundError for a missing photo.
    """
    if len(inputs) == 1:
        return Clip(inputs[0])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number, name in zip(itertools.count(), inputs):
        photo = Path(name).expanduser().resolve()
        if not photo.is_file():
            raise FileNotFoundError(f"--input '{name}' is not an existing file")
        (folder / f"{number:06d}_{photo.name}").symlink_to(photo)
    return Clip(str(folder))


def write_calibration(path: str, camera: Camera) -> None:
    """Write a calibration file in camera_calibration's format, without distortion."""
    k = camera.matrix
    p = np.hstack((k, np.zeros((3, 1))))
    values: dict[str, Any] = {
        "image_width": camera.width,
        "image_height": camera.height,
        "camera_name": "rendered",
        "camera_matrix": {"rows": 3, "cols": 3, "data": k.ravel().tolist()},
        "distortion_model": "plumb_bob",
        "distortion_coefficients": {"rows": 1, "cols": 5, "data": [0.0] * 5},
        "rectification_matrix": {"rows": 3, "cols": 3, "data": np.eye(3).ravel().tolist()},
        "projection_matrix": {"rows": 3, "cols": 4, "data": p.ravel().tolist()},
    }
    Path(path).write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def _digest(rgb: npt.NDArray[np.uint8]) -> str:
    return hashlib.sha256(np.ascontiguousarray(rgb)).hexdigest()
