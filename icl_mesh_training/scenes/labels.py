"""What is known about a rendered scene."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from icl_mesh.camera import Camera

#: Values of SceneLabels.occlusion.
VISIBLE, BY_SELF, BY_PERSON, BY_OBJECT, OUTSIDE = range(5)


@dataclass
class SceneLabels:
    """Labels of one scene with N people.

    size: [2] image width and height, px. intrinsics: [4] fx, fy, cx, cy, px. betas: [N, 10].
    pose: [N, 24, 3] rotation vectors, rad; joint 0 takes body to camera frame. translation:
    [N, 3] m, SMPL's trans. joints_m: [N, 24, 3] camera optical frame. joints_px: [N, 24, 2]
    (NaN behind the camera). occlusion: [N, 24] u8, who hides a joint: VISIBLE, BY_SELF,
    BY_PERSON, BY_OBJECT, or OUTSIDE the image. visible_share: [N] visible pixels over all pixels
    of the silhouette; what lies outside the image counts as hidden.
    """

    size: npt.NDArray[np.int32]
    intrinsics: npt.NDArray[np.float32]
    betas: npt.NDArray[np.float32]
    pose: npt.NDArray[np.float32]
    translation: npt.NDArray[np.float32]
    joints_m: npt.NDArray[np.float32]
    joints_px: npt.NDArray[np.float32]
    occlusion: npt.NDArray[np.uint8]
    visible_share: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.betas)

    @property
    def camera(self) -> Camera:
        """The scene's camera."""
        fx, fy, cx, cy = (float(v) for v in self.intrinsics)
        return Camera(fx, fy, cx, cy, int(self.size[0]), int(self.size[1]))

    def save(self, path: str | Path) -> None:
        """Write an .npz; it appears under its name only when it is complete."""
        path = Path(path)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        with partial.open("wb") as file:
            np.savez(file, **{f.name: getattr(self, f.name) for f in fields(self)})
        partial.replace(path)

    @classmethod
    def load(cls, path: str | Path) -> SceneLabels:
        """Read what ``save`` wrote. Raises ValueError naming the file if fields are missing."""
        with np.load(path, allow_pickle=False) as data:
            missing = {f.name for f in fields(cls)} - set(data.files)
            if missing:
                raise ValueError(f"scene labels {path} lack {sorted(missing)}: render them again")
            return cls(**{f.name: data[f.name] for f in fields(cls)})
