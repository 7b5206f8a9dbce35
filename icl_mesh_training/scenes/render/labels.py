"""Ground truth of a rendered scene."""

from __future__ import annotations

import io
import zipfile
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import numpy.typing as npt

from icl_mesh.geometry.camera import Camera
from icl_mesh.io.atomic import write_atomically

#: Values of SceneLabels.occlusion.
VISIBLE, BY_SELF, BY_PERSON, BY_OBJECT, OUTSIDE = range(5)


@dataclass
class SceneLabels:
    """Labels of one scene with N people.

    size: [2] image width and height, px. intrinsics: [4] fx, fy, cx, cy, px. betas: [N, 10].
    pose: [N, 24, 3] rotation vectors, rad; joint 0 takes body to camera frame. translation:
    [N, 3] m, SMPL's trans. joints_m: [N, 24, 3] camera optical frame. joints_px: [N, 24, 2]
    (NaN behind the camera). occlusion: [N, 24] u8: VISIBLE, hidden BY_SELF, BY_PERSON or
    BY_OBJECT, or OUTSIDE the image. visible_share: [N] visible pixels over all pixels of the
    silhouette; pixels outside the image count as hidden.

    Optional: hidden_by_people: [N] share of the silhouette within the image that other people
    hide. masks: u8, a PNG file of the front-most person map [H, W]: 0 nobody, 1 + i person i (see
    person_masks).
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
    hidden_by_people: npt.NDArray[np.float32] | None = None
    masks: npt.NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.betas)

    @property
    def camera(self) -> Camera:
        """The scene's camera."""
        fx, fy, cx, cy = (float(v) for v in self.intrinsics)
        return Camera(fx, fy, cx, cy, int(self.size[0]), int(self.size[1]))

    def keep_masks(self, instance: npt.NDArray[np.uint8]) -> None:
        """Store masks from instance ids [H, W]; person i has the id 1 + i."""
        people = np.where(instance <= len(self), instance, 0).astype(np.uint8)
        done, data = cv2.imencode(".png", people)
        if not done:
            raise RuntimeError("OpenCV could not encode a PNG image")
        self.masks = np.asarray(data, np.uint8).ravel()

    def person_masks(self) -> npt.NDArray[np.bool_]:
        """Visible pixels of each person, bool [N, H, W]. Raises ValueError without masks."""
        if self.masks is None:
            raise ValueError("these scene labels hold no person masks: render the scene again")
        people = cv2.imdecode(self.masks, cv2.IMREAD_UNCHANGED)
        assert people is not None
        return np.asarray(people[None] == np.arange(1, 1 + len(self))[:, None, None])

    def to_bytes(self) -> bytes:
        """The contents of an .npz file."""
        kept = {f.name: getattr(self, f.name) for f in fields(self)}
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **{k: v for k, v in kept.items() if v is not None})
        return file.getvalue()

    def save(self, path: str | Path) -> None:
        """Write an .npz atomically."""
        write_atomically(Path(path), self.to_bytes(), durable=False)

    @classmethod
    def load(cls, path: str | Path) -> SceneLabels:
        """Read a file of ``save``. Raises ValueError where it is damaged or incomplete."""
        with Path(path).open("rb") as file:
            return cls.read(file, str(path))

    @classmethod
    def read(cls, file: BinaryIO, name: str) -> SceneLabels:
        """As ``load``, from an open file; ``name`` is for error messages."""
        try:
            with np.load(file, allow_pickle=False) as data:
                arrays = {f.name: data[f.name] for f in fields(cls) if f.name in data.files}
        except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"scene labels {name} are damaged ({error}): render again") from None
        missing = set(LABELS) - set(arrays)
        if missing:
            raise ValueError(f"scene labels {name} lack {sorted(missing)}: render them again")
        return cls(**arrays)


#: Names of the arrays that every scene has.
LABELS = tuple(f.name for f in fields(SceneLabels) if f.default is MISSING)
