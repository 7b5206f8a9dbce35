"""Labelled images of a data set as training samples."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from icl_mesh.body import BodyModel
from icl_mesh_training.data.annotations import Annotations, ImageRecord, People
from icl_mesh_training.data.augmentation import AugmentationConfig
from icl_mesh_training.data.batch import Sample
from icl_mesh_training.data.catalogue import dataset_info, read_dataset
from icl_mesh_training.data.files import read_image
from icl_mesh_training.data.samples import make_sample
from icl_mesh_training.data.visibility import UNLABELLED


class BrokenSampleError(ValueError):
    """An image or its labels are not usable; the message names the path and the reason."""


class LabelledImages(Dataset[Sample]):
    """A data set's images with people; items are indexed by (pass, index), as of SceneFolder.

    size: side of the network's square, px. body: the SMPL body that the network is trained for;
    None for the default body, for which SMPL's betas are no labels. Images without a labelled
    person are left out (without_people counts them).
    """

    def __init__(
        self,
        annotations: Annotations,
        size: int,
        augmentation: AugmentationConfig,
        body: BodyModel | None = None,
        seed: int = 0,
    ) -> None:
        wanted = annotations.count(annotations.demanded) > 0
        wanted[list(annotations.faults)] = True  # to be counted as broken
        self.without_people = int((~wanted).sum())
        if not wanted.any():
            raise ValueError(f"{annotations.source}: none of its images has a labelled person")
        self.annotations = annotations.subset(np.flatnonzero(wanted))
        info = dataset_info(annotations.dataset)
        self.losses, self.everybody = info.losses, info.everybody
        self.size, self.augmentation, self.body, self.seed = size, augmentation, body, seed

    def __len__(self) -> int:
        return len(self.annotations)

    def __getitem__(self, item: tuple[int, int]) -> Sample:
        epoch, index = item
        if index in self.annotations.faults:
            raise BrokenSampleError(self.annotations.faults[index])
        record = self.annotations[index]
        try:
            image = read_image(record.path, record.size)
        except (ValueError, FileNotFoundError) as error:
            raise BrokenSampleError(str(error)) from None
        width, height = image.shape[1], image.shape[0]
        record = visible_people(record, width, height)
        if not self.everybody:
            strips = surroundings(record.people, width, height)
            record = replace(record, people=People.joined([record.people, strips]))
        rng = np.random.default_rng((self.seed, epoch, index))
        return make_sample(
            image,
            record,
            convention=self.annotations.points,
            losses=self.losses,
            size=self.size,
            config=self.augmentation,
            rng=rng,
            body=self.body,
        )


def open_dataset(
    name: str,
    root: str | Path,
    split: str | None = None,
    *,
    size: int,
    augmentation: AugmentationConfig,
    body: BodyModel | None = None,
    seed: int = 0,
) -> LabelledImages:
    """A data set of DATASETS under root as samples; see read_dataset and LabelledImages.

    Warnings about the labels as a whole are printed to standard error.
    """
    annotations = read_dataset(name, root, split)
    for text in annotations.warnings:
        print(f"{annotations.source}: {text}", file=sys.stderr)
    return LabelledImages(annotations, size, augmentation, body, seed)


def visible_people(record: ImageRecord, width: int, height: int) -> ImageRecord:
    """The record without people outside the image and people without any label or box.

    Motion capture has people outside the image, who are left out. A person outside the image whose
    labels were made in the image is an error. Raises BrokenSampleError for that, and if nobody with
    a label remains.
    """
    people = record.people
    pixels = people.keypoints_px
    inside = ((pixels > -0.5) & (pixels < np.array([width, height]) - 0.5)).all(axis=2)
    absent = people.has_label & ~(inside & (people.state < UNLABELLED)).any(axis=1)
    wrong = np.flatnonzero(absent & ~people.has_3d)
    if len(wrong):
        raise BrokenSampleError(
            f"{record.path}: person {wrong[0]} lies outside the {width}x{height} px image; its "
            "labels belong to another image or size"
        )
    unknown = ~people.has_label & np.isnan(people.box_px).any(axis=1)
    kept = people.select(np.flatnonzero(~absent & ~unknown))
    if not kept.has_label.any():
        raise BrokenSampleError(f"{record.path}: an empty sample, nobody is labelled in the image")
    return replace(record, people=kept)


def surroundings(people: People, width: int, height: int) -> People:
    """The surroundings of an image's labelled people as unlabelled regions.

    If annotators left people out, the surroundings may contain some. The regions are four strips:
    left, right, above and below the box of all labelled points, which is grown by a tenth because
    the body extends beyond its joints.
    """
    points = people.keypoints_px[people.state < UNLABELLED].astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.1 * (high - low).max()
    left, top = np.clip(low - margin, 0, [width, height])
    right, bottom = np.clip(high + margin, 0, [width, height])
    strips = np.array(
        [
            (0, 0, left, height),
            (right, 0, width - right, height),
            (left, 0, right - left, top),
            (left, bottom, right - left, height - bottom),
        ]
    )
    strips = strips[(strips[:, 2:] >= 1).all(axis=1)]
    regions = People.unlabelled(len(strips), people.state.shape[1])
    regions.box_px[:] = strips
    return regions
