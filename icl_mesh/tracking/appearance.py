"""Appearance features: mean colours of a person's clothes, to re-identify people after occlusion.

The network's embedding is trained to distinguish the people of one image, not to stay constant over
images (docs/tracking.md has figures). Colours stay constant as long as light and clothes do.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from icl_mesh import kernels
from icl_mesh.people import FloatArray, People
from icl_mesh.preprocess.channel_order import as_stored

#: Sample points of the parts: midway between pairs of SMPL's joints.
_UPPER = ((0, 3), (3, 6), (6, 9), (9, 12), (16, 9), (17, 9), (16, 18), (17, 19))
_LOWER = ((1, 0), (2, 0), (1, 4), (2, 5), (4, 7), (5, 8))
_HEAD = ((15, 15), (15, 12))
_PARTS = (_UPPER, _LOWER, _HEAD)
#: Each sample point is a grid of 5 x 5 pixels. Its spacing is this share of the trunk's length
#: (pelvis to neck).
_SPACING = 0.05
_STEPS = np.arange(-2, 3) * _SPACING
_GRID = np.stack(np.meshgrid(_STEPS, _STEPS), axis=-1).reshape(-1, 2)
_PAIRS = np.array([pair for part in _PARTS for pair in part])
#: sRGB's bytes as shares of light (IEC 61966-2-1).
_BYTES = np.arange(256) / 255
_LINEAR = np.where(_BYTES <= 0.04045, _BYTES / 12.92, ((_BYTES + 0.055) / 1.055) ** 2.4)
_LINEAR = _LINEAR.astype(np.float32)
#: Least weight of a part, per sample point of full confidence.
_LEAST_WEIGHT = 1e-3
#: Mean weight of the parts from which on a difference of colour is fully reliable.
SURE_WEIGHT = 0.3


_PLAN = kernels.ColorPlan(
    pairs=_PAIRS,
    grid=_GRID,
    lengths=np.array([len(part) for part in _PARTS]),
    linear=_LINEAR,
    least_weight=_LEAST_WEIGHT,
)


class AppearanceFeatures(NamedTuple):
    """Mean colours of N people. color [N, P, 3]: CIE L*a*b* (L 0 to 100) of the upper body, the
    legs and the head. weight [N, P]: how well each was seen, 0 (not at all) to 1."""

    color: FloatArray
    weight: FloatArray

    def select(self, index: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> AppearanceFeatures:
        """The features of an index array or a mask."""
        return AppearanceFeatures(self.color[index], self.weight[index])

    def join(self, other: AppearanceFeatures) -> AppearanceFeatures:
        """These rows, then the others."""
        return AppearanceFeatures(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))

    @classmethod
    def unknown(cls, count: int) -> AppearanceFeatures:
        """Features of weight 0, of people without an image."""
        parts = len(_PARTS)
        return cls(np.zeros((count, parts, 3), np.float32), np.zeros((count, parts), np.float32))


def appearance_features(image: npt.NDArray[np.uint8], people: People) -> AppearanceFeatures:
    """Colours of people in their image, RGB u8 [H, W, 3].

    Joints are weighted by their confidence, so that an occluder's colours do not count. Raises
    IndexError for an image of another size than the people's camera.
    """
    if len(people) == 0:
        return AppearanceFeatures.unknown(0)
    image, backwards = as_stored(image)
    size = people.camera.width, people.camera.height
    if image.shape != (size[1], size[0], 3):
        raise IndexError(
            f"people of a {size[0]}x{size[1]} image cannot be looked at in an image of shape "
            f"{list(image.shape)}"
        )
    shape = len(people), len(_PARTS)
    color, weight = np.empty((*shape, 3), np.float32), np.empty(shape, np.float32)
    _PLAN(
        np.ascontiguousarray(image),
        backwards,
        np.ascontiguousarray(people.joints_px),
        np.ascontiguousarray(people.joint_confidence),
        color,
        weight,
    )
    return AppearanceFeatures(color, weight)


def mixed(old: AppearanceFeatures, new: AppearanceFeatures, rate: float) -> AppearanceFeatures:
    """Running means of T tracks' features. rate: share of a new feature of weight 1. A first
    feature replaces unknown ones."""
    share = new.weight / np.maximum(new.weight + old.weight * (1 - rate) / rate, 1e-9)
    color = old.color + (new.color - old.color) * share[..., None]
    return AppearanceFeatures(color.astype(np.float32), np.maximum(old.weight, new.weight))
