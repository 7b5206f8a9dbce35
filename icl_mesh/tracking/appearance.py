"""What a person's clothes look like: a cheap cue to who is who after they were out of sight.

The network's embedding tells the people of one image apart; nothing in its training makes it last
from image to image (docs/tracking.md has figures). Colours last as long as light and clothes do.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from icl_mesh import kernels
from icl_mesh.people import FloatArray, People
from icl_mesh.preprocess.channel_order import as_stored

#: Where the parts are looked at: midway between pairs of SMPL's joints.
_UPPER = ((0, 3), (3, 6), (6, 9), (9, 12), (16, 9), (17, 9), (16, 18), (17, 19))
_LOWER = ((1, 0), (2, 0), (1, 4), (2, 5), (4, 7), (5, 8))
_HEAD = ((15, 15), (15, 12))
_PARTS = (_UPPER, _LOWER, _HEAD)
#: Around each such point the image is read on a grid of 5 x 5, this far apart as a share of the
#: trunk (pelvis to neck).
_SPACING = 0.05
_STEPS = np.arange(-2, 3) * _SPACING
_GRID = np.stack(np.meshgrid(_STEPS, _STEPS), axis=-1).reshape(-1, 2)
_PAIRS = np.array([pair for part in _PARTS for pair in part])
#: sRGB's bytes as shares of light (IEC 61966-2-1).
_BYTES = np.arange(256) / 255
_LINEAR = np.where(_BYTES <= 0.04045, _BYTES / 12.92, ((_BYTES + 0.055) / 1.055) ** 2.4)
_LINEAR = _LINEAR.astype(np.float32)
#: Weight of a part, per point of full confidence, that is never lost by doubt alone.
_LEAST_WEIGHT = 1e-3
#: Parts of this weight on average: a difference of colour can wholly be relied on.
SURE_WEIGHT = 0.3


_PLAN = kernels.ColorPlan(
    pairs=_PAIRS,
    grid=_GRID,
    lengths=np.array([len(part) for part in _PARTS]),
    linear=_LINEAR,
    least_weight=_LEAST_WEIGHT,
)


class Looks(NamedTuple):
    """Mean colours of N people. color [N, P, 3]: CIE L*a*b* (L 0 to 100) of the upper body, the
    legs and the head. weight [N, P]: how well each was seen, 0 (not at all) to 1."""

    color: FloatArray
    weight: FloatArray

    def select(self, index: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> Looks:
        """The looks of an index array or a mask."""
        return Looks(self.color[index], self.weight[index])

    def join(self, other: Looks) -> Looks:
        """These looks, then the others."""
        return Looks(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))

    @classmethod
    def unknown(cls, count: int) -> Looks:
        """Of people whose image was not looked at."""
        parts = len(_PARTS)
        return cls(np.zeros((count, parts, 3), np.float32), np.zeros((count, parts), np.float32))


def looks_of(image: npt.NDArray[np.uint8], people: People) -> Looks:
    """Colours of people in their image, RGB u8 [H, W, 3].

    Every joint counts by its confidence, so that what belongs to somebody in front does not.
    """
    if len(people) == 0:
        return Looks.unknown(0)
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
    return Looks(color, weight)


def mixed(old: Looks, new: Looks, rate: float) -> Looks:
    """Running means [T]: a new look of full weight counts by rate, a first one wholly."""
    share = new.weight / np.maximum(new.weight + old.weight * (1 - rate) / rate, 1e-9)
    color = old.color + (new.color - old.color) * share[..., None]
    return Looks(color.astype(np.float32), np.maximum(old.weight, new.weight))
