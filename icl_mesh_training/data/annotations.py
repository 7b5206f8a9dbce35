"""The labels of one data set in one form for all published layouts.

Letters: I images, P people of all images (those of one image are consecutive), K points of the data
set's convention, J = 24 SMPL joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.lens import Lens
from icl_mesh_training.data.conventions import CONVENTIONS, Convention
from icl_mesh_training.data.visibility import UNLABELLED


@dataclass
class People:
    """Labels of people; NaN is "no label" in every float array.

    keypoints_px [P, K, 2]: pixels, pixel centres at integers. state u8 [P, K]: VISIBLE, BY_OBJECT
    or UNLABELLED. keypoints_m [P, K, 3]: camera optical frame, metres. box_px [P, 4]: left, top,
    width, height. pose [P, 24, 3]: rotation vectors of SMPL's joints, joint 0 rotates from the
    body to the camera frame. betas [P, 10]: SMPL's. gender [P]: n, f or m, the SMPL model that
    betas are of.
    """

    keypoints_px: npt.NDArray[np.float32]
    state: npt.NDArray[np.uint8]
    keypoints_m: npt.NDArray[np.float32]
    box_px: npt.NDArray[np.float32]
    pose: npt.NDArray[np.float32]
    betas: npt.NDArray[np.float32]
    gender: npt.NDArray[np.str_]

    @classmethod
    def unlabelled(cls, count: int, points: int) -> People:
        """People without labels; readers fill in what their data set has."""

        def nan(*shape: int) -> npt.NDArray[np.float32]:
            return np.full((count, *shape), np.nan, np.float32)

        return cls(
            keypoints_px=nan(points, 2),
            state=np.full((count, points), UNLABELLED, np.uint8),
            keypoints_m=nan(points, 3),
            box_px=nan(4),
            pose=nan(24, 3),
            betas=nan(10),
            gender=np.full(count, "n"),
        )

    def label_pixels(self, state: npt.NDArray[np.uint8], pixels: npt.NDArray[np.floating]) -> None:
        """Set the states of all points, and the pixels of labelled points; NaN elsewhere."""
        self.state[:] = state
        self.keypoints_px[:] = np.where(state[..., None] < UNLABELLED, pixels, np.nan)

    def __len__(self) -> int:
        return len(self.state)

    @classmethod
    def joined(cls, parts: Sequence[People]) -> People:
        """The concatenation of at least one part."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    def select(self, chosen: slice | npt.NDArray[np.int64]) -> People:
        """Some of the people."""
        return People(*(getattr(self, f.name)[chosen] for f in fields(self)))

    @property
    def has_label(self) -> npt.NDArray[np.bool_]:
        """[P]: people with a labelled point; the others are unlabelled regions."""
        return np.asarray(np.any(self.state < UNLABELLED, axis=1))

    @property
    def has_3d(self) -> npt.NDArray[np.bool_]:
        """[P]: people with points in metres."""
        return np.asarray(np.any(np.isfinite(self.keypoints_m).all(axis=2), axis=1))

    @property
    def has_pose(self) -> npt.NDArray[np.bool_]:
        """[P]: people with SMPL rotations."""
        return np.asarray(np.isfinite(self.pose).all(axis=(1, 2)))

    @property
    def has_betas(self) -> npt.NDArray[np.bool_]:
        """[P]: people with SMPL betas."""
        return np.asarray(np.isfinite(self.betas).all(axis=1))


@dataclass(frozen=True)
class ImageRecord:
    """One image with its people.

    size: width and height in px, if known. intrinsics: fx, fy, cx, cy in px, if known. lens: its
    distortion, None for a pinhole.
    """

    path: Path
    size: tuple[int, int] | None
    intrinsics: tuple[float, float, float, float] | None
    lens: Lens | None
    people: People

    def camera(self, width: int, height: int) -> Camera | None:
        """The camera of the image as stored on disk, None if unknown."""
        if self.intrinsics is None:
            return None
        return Camera(*self.intrinsics, width, height, lens=self.lens)


@dataclass
class Images:
    """I images, as a reader finds them: paths, and arrays as of Annotations, None where unknown."""

    paths: list[Path]
    size: npt.ArrayLike | None = None
    intrinsics: npt.ArrayLike | None = None
    distortion: npt.ArrayLike | None = None


@dataclass
class Annotations:
    """All labels of one data set.

    dataset: its name in DATASETS. convention: key of CONVENTIONS. source: the file or folder that
    the labels came from. images [I]: paths. size int [I, 2]: width, height, 0 where unknown.
    intrinsics [I, 4]: fx, fy, cx, cy in px, NaN where unknown. distortion [I, 5]: k1, k2, p1,
    p2, k3 of OpenCV's model, NaN for none. first int [I + 1]: image i has the
    people first[i]:first[i + 1]. faults: image index -> fault of its labels. missing: optional
    files that are not there, each with the labels that it has. mended, left_out: deviations that
    were corrected, and entries that were ignored, with counts. warnings: suspicious patterns of all
    labels together.
    """

    dataset: str
    convention: str
    source: Path
    images: list[Path]
    size: npt.NDArray[np.int32]
    intrinsics: npt.NDArray[np.float64]
    distortion: npt.NDArray[np.float64]
    first: npt.NDArray[np.int64]
    people: People
    faults: dict[int, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def gather(
        cls,
        *,
        dataset: str,
        convention: str,
        source: Path,
        images: Images,
        image_of_person: npt.ArrayLike,
        people: People,
        faults: dict[int, str] | None = None,
    ) -> Annotations:
        """Sort people by their image, and record labels that are NaN or infinite as faults.

        image_of_person [P]: index into images.
        """
        paths, count = images.paths, len(images.paths)

        def array(
            given: npt.ArrayLike | None, width: int, fill: float, dtype: npt.DTypeLike
        ) -> npt.NDArray[Any]:
            return (
                np.full((count, width), fill, dtype) if given is None else np.asarray(given, dtype)
            )

        owner = np.asarray(image_of_person, np.int64).reshape(-1)
        order = np.argsort(owner, kind="stable")
        found = {int(owner[p]): f"{paths[owner[p]]}: {text}" for p, text in _faults(people).items()}
        return cls(
            dataset=dataset,
            convention=convention,
            source=source,
            images=paths,
            size=array(images.size, 2, 0, np.int32),
            intrinsics=array(images.intrinsics, 4, np.nan, np.float64),
            distortion=array(images.distortion, 5, np.nan, np.float64),
            first=np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=count)))),
            people=people.select(order),
            faults={n: f"{text} (labels: {source})" for n, text in found.items()} | (faults or {}),
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> ImageRecord:
        width, height = (int(v) for v in self.size[index])
        fx, fy, cx, cy = (float(v) for v in self.intrinsics[index])
        lens = self.distortion[index]
        chosen = slice(int(self.first[index]), int(self.first[index + 1]))
        return ImageRecord(
            self.images[index],
            (width, height) if width > 0 and height > 0 else None,
            (fx, fy, cx, cy) if np.isfinite(self.intrinsics[index]).all() else None,
            Lens("plumb_bob", tuple(lens)) if np.isfinite(lens).all() else None,
            self.people.select(chosen),
        )

    def count(self, people: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Number of the chosen people (bool [P]) in each image, [I]."""
        before = np.concatenate(([0], np.cumsum(people)))
        return np.asarray(before[self.first[1:]] - before[self.first[:-1]])

    @property
    def demanded(self) -> npt.NDArray[np.bool_]:
        """[P]: people with a labelled point, except those outside the image by their labels.

        Motion capture also has people outside the image.
        """
        size = np.repeat(self.size, np.diff(self.first), axis=0)[:, None]
        pixels = self.people.keypoints_px
        inside = ((pixels > -0.5) & (pixels < size - 0.5)).all(axis=2)
        absent = (size > 0).all(axis=(1, 2)) & ~np.any(inside, axis=1) & self.people.has_3d
        return self.people.has_label & ~absent

    @property
    def points(self) -> Convention:
        """The data set's joint convention."""
        return CONVENTIONS[self.convention]

    def subset(self, indices: npt.NDArray[np.int64]) -> Annotations:
        """The labels of some images, in the order given."""
        counts = np.diff(self.first)[indices]
        people = np.concatenate(
            [np.arange(self.first[i], self.first[i + 1]) for i in indices] or [np.zeros(0, int)]
        )
        return Annotations(
            dataset=self.dataset,
            convention=self.convention,
            source=self.source,
            images=[self.images[i] for i in indices],
            size=self.size[indices],
            intrinsics=self.intrinsics[indices],
            distortion=self.distortion[indices],
            first=np.concatenate(([0], np.cumsum(counts))),
            people=self.people.select(people.astype(np.int64)),
            faults={n: self.faults[i] for n, i in enumerate(indices) if i in self.faults},
            missing=self.missing,
            mended=self.mended,
            left_out=self.left_out,
            warnings=self.warnings,
        )


def _faults(people: People) -> dict[int, str]:
    """Person -> its label that holds NaN or infinite values."""
    if not len(people):
        return {}
    lost = (people.state < UNLABELLED) & ~np.isfinite(people.keypoints_px).all(axis=2)
    faults = {int(p): "a labelled keypoint is NaN or infinite" for p in np.flatnonzero(lost.any(1))}
    for name in ("keypoints_m", "pose", "betas", "box_px"):
        values = getattr(people, name).reshape(len(people), -1)
        # A missing label is all NaN (3-D points: per point).
        groups = values.reshape(len(people), -1, 3) if name == "keypoints_m" else values[:, None]
        part = np.isnan(groups).any(-1) & ~np.isnan(groups).all(-1)
        broken = part.any(1) | np.isinf(values).any(1)
        faults |= {int(p): f"{name} holds NaN or infinite values" for p in np.flatnonzero(broken)}
    return faults
