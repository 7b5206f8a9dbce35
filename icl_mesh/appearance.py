"""What a person's clothes look like: a cheap cue to who is who after they were out of sight.

The network's embedding tells the people of one image apart; nothing in its training makes it last
from image to image (docs/tracking.md has figures). Colours last as long as light and clothes do.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from icl_mesh.channel_order import as_stored
from icl_mesh.native import FLOAT, INT, POINTER, address, kernel
from icl_mesh.people import FloatArray, People

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
#: All pairs [K, 2], and of each part the first one and their number.
_PAIRS = np.array([pair for part in _PARTS for pair in part])
_FIRST, _SECOND = _PAIRS.T.copy()
_LENGTHS = np.array([len(part) for part in _PARTS])
_STARTS = np.cumsum(_LENGTHS) - _LENGTHS
#: sRGB's bytes as shares of light (IEC 61966-2-1). OpenCV makes L*a*b* of light in a third of the
#: time that it takes for sRGB, which it looks up in a table too large for the caches.
_BYTES = np.arange(256) / 255
_LINEAR = np.where(_BYTES <= 0.04045, _BYTES / 12.92, ((_BYTES + 0.055) / 1.055) ** 2.4)
_LINEAR = _LINEAR.astype(np.float32)
#: Weight of a part, per point of full confidence, that is never lost by doubt alone.
_LEAST_WEIGHT = 1e-3
#: Parts of this weight on average: a difference of colour can wholly be relied on.
SURE_WEIGHT = 0.3


class _Plan(ctypes.Structure):
    """Where people are looked at, for the compiled kernel: Plan of src/looks.cpp."""

    _fields_ = (
        ("pairs", POINTER),
        ("grid", POINTER),
        ("lengths", POINTER),
        ("linear", POINTER),
        ("pair_count", INT),
        ("step_count", INT),
        ("part_count", INT),
    )


_PLAN = _Plan(
    address(_PAIRS, np.int64),
    address(_GRID, np.float64),
    address(_LENGTHS, np.int64),
    address(_LINEAR),
    len(_PAIRS),
    len(_GRID),
    len(_LENGTHS),
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
    height, width = people.camera.height, people.camera.width
    fits = image.shape == (height, width, 3) and image.flags.c_contiguous
    if (compiled := _kernel()) is None or not fits:
        return _looks_with_numpy(image, people, backwards=backwards)
    shape = len(people), len(_PARTS)
    color, weight = np.empty((*shape, 3), np.float32), np.empty(shape, np.float32)
    compiled(
        address(image, np.uint8),
        width,
        height,
        backwards,
        address(np.ascontiguousarray(people.joints_px)),
        address(np.ascontiguousarray(people.joint_confidence)),
        len(people),
        ctypes.addressof(_PLAN),
        _LEAST_WEIGHT,
        address(color),
        address(weight),
    )
    return Looks(color, weight)


def _looks_with_numpy(image: npt.NDArray[np.uint8], people: People, *, backwards: bool) -> Looks:
    """image: BGR where it is backwards."""
    joints_px = people.joints_px
    points = (joints_px[:, _FIRST] + joints_px[:, _SECOND]) / 2  # [N, K, 2]
    confidence = people.joint_confidence
    confidence = np.minimum(confidence[:, _FIRST], confidence[:, _SECOND])
    trunk = np.hypot(*(joints_px[:, 12] - joints_px[:, 0]).T)
    steps = _GRID.T[:, None, None] * trunk[:, None, None]
    nearest = np.rint(points.transpose(2, 0, 1)[..., None] + steps)  # x and y, [2, N, K, 25]
    last = np.array((people.camera.width - 1, people.camera.height - 1))[:, None, None, None]
    inside = np.minimum(np.maximum(nearest, 0), last)
    x, y = inside.astype(np.intp)
    pixels = image.reshape(-1, 3).take(y * people.camera.width + x, axis=0)
    to_lab = cv2.COLOR_LBGR2LAB if backwards else cv2.COLOR_LRGB2LAB
    lab = cv2.cvtColor(_LINEAR.take(pixels).reshape(len(people), -1, 3), to_lab)
    lab = np.asarray(lab).reshape(*pixels.shape)

    on_image = inside == nearest
    weight = (on_image[0] & on_image[1]) * (confidence[..., None] + _LEAST_WEIGHT)  # [N, K, 25]
    total = np.add.reduceat(weight.sum(axis=2), _STARTS, axis=1)  # [N, P]
    summed = np.add.reduceat((weight[:, :, None] @ lab)[:, :, 0], _STARTS, axis=1)  # [N, P, 3]
    color = summed / np.maximum(total, 1e-9)[..., None]
    seen = total / (_LENGTHS * len(_GRID))
    return Looks(color.astype(np.float32), seen.astype(np.float32))


def mixed(old: Looks, new: Looks, rate: float) -> Looks:
    """Running means [T]: a new look of full weight counts by rate, a first one wholly."""
    share = new.weight / np.maximum(new.weight + old.weight * (1 - rate) / rate, 1e-9)
    color = old.color + (new.color - old.color) * share[..., None]
    return Looks(color.astype(np.float32), np.maximum(old.weight, new.weight))


def color_distances(tracks: Looks, people: Looks) -> tuple[FloatArray, FloatArray]:
    """Differences of colour [T, N] (CIE76, mean over parts) and how much they can be relied on
    [T, N], 0 to 1."""
    weight = np.minimum(tracks.weight[:, None], people.weight)  # [T, N, P]
    difference = np.linalg.norm(tracks.color[:, None] - people.color, axis=-1)
    total = weight.sum(axis=-1)
    mean = (weight * difference).sum(axis=-1) / np.maximum(total, 1e-9)
    return mean, np.minimum(1, total / (weight.shape[-1] * SURE_WEIGHT)).astype(np.float32)


def _kernel() -> Callable[..., None] | None:
    """Of src/looks.cpp."""
    image = (POINTER, INT, INT, INT)
    people = (POINTER, POINTER, INT)
    return kernel("icl_looks", *image, *people, POINTER, FLOAT, POINTER, POINTER)
